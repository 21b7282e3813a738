"""Reads a bundle into components: WSDL 1.1 ports and operations here, schemas by ``xsd``. Source: W3C WSDL 1.1 and its SOAP bindings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

from connectors.errors import BrokenReply
from connectors.messages import Said, told
from connectors.soap.bundle import WSDL, Bundle
from connectors.soap.components import Broken, ComplexType, Contract, Element, Operation
from connectors.soap.xmltree import BrokenXml, Node, UnboundPrefix, local, space
from connectors.soap.xsd import Schemas, UnresolvedName

_SOAP: dict[str, Literal["1.1", "1.2"]] = {
    "http://schemas.xmlsoap.org/wsdl/soap/": "1.1",
    "http://schemas.xmlsoap.org/wsdl/soap12/": "1.2",
}
_W = f"{{{WSDL}}}"
_COMBINING = frozenset({"Policy", "ExactlyOne", "All"})


def read(bundle: Bundle) -> Contract:
    """The contract of a bundle. Raises BrokenReply when it has no SOAP port at all; single broken operations are listed in ``broken``."""
    try:
        return _Reader(bundle).contract()
    except UnresolvedName as error:
        raise BrokenReply("soap.wsdl_unreadable", wsdl=bundle.entry, why=in_words(error.broken)) from error
    except BrokenXml as error:
        raise BrokenReply("soap.wsdl_unreadable", wsdl=bundle.entry, why=str(error)) from error


def in_words(broken: Broken) -> Said:
    """What is wrong with the WSDL, in either language."""
    return told(f"soap.dropped.{broken.problem}", kind=broken.kind, name=broken.name or "-")


class _Reader:
    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.schemas = Schemas(bundle)
        self.definitions = list(self._wsdls(bundle.entry, set()))

    def _wsdls(self, url: str, seen: set[str]) -> Iterator[Node]:
        document = self.bundle.get(url)
        if url in seen or document is None or document.root.tag != f"{_W}definitions":
            return
        seen.add(url)
        yield document.root
        for node in document.root.all(f"{_W}import"):
            if node.attributes.get("location"):
                yield from self._wsdls(self.bundle.at(url, node.attributes["location"]), seen)

    def _find(self, kind: str, name: str) -> Node:
        for root in self.definitions:
            if root.attributes.get("targetNamespace", "") == space(name):
                for node in root.all(_W + kind):
                    if node.attributes.get("name") == local(name):
                        return node
        raise UnresolvedName("missing", kind, name)

    def contract(self) -> Contract:
        operations: dict[str, Operation] = {}
        broken: dict[str, Broken] = {}
        # A service that speaks both versions names 1.1 first by habit; whichever comes first, 1.1 is taken, for more servers get it right.
        ports = sorted(self._ports(), key=lambda port: port[3])
        if not ports:
            raise BrokenReply("soap.wsdl_unreadable", wsdl=self.bundle.entry, why="it has no port with a SOAP binding")
        for service, port, binding, version, endpoint in ports:
            for node in binding.all(_W + "operation"):
                name = node.attributes.get("name", "")
                if name in operations:
                    continue
                try:
                    operations[name] = self._operation(name, node, service, port, binding, version, endpoint)
                    broken.pop(name, None)
                except UnresolvedName as error:
                    broken[name] = error.broken
                except UnboundPrefix as error:
                    broken[name] = Broken("prefix", "name", error.name)
        types, elements = self.schemas.everything()
        return Contract(types, elements, operations, broken, self.schemas.digest())

    def _ports(self) -> Iterator[tuple[str, str, Node, Literal["1.1", "1.2"], str]]:
        for root in self.definitions:
            for service in root.all(_W + "service"):
                for port in service.all(_W + "port"):
                    for uri, version in _SOAP.items():
                        address = port.first(f"{{{uri}}}address")
                        if address is not None:
                            binding = self._find("binding", port.qname(port.attributes.get("binding", "")))
                            yield (
                                service.attributes.get("name", ""),
                                port.attributes.get("name", ""),
                                binding,
                                version,
                                address.attributes.get("location", ""),
                            )

    def _operation(
        self, name: str, node: Node, service: str, port: str, binding: Node, version: Literal["1.1", "1.2"], endpoint: str
    ) -> Operation:
        uri = next(key for key, value in _SOAP.items() if value == version)
        soap_binding = binding.first(f"{{{uri}}}binding")
        soap_operation = node.first(f"{{{uri}}}operation")
        style = (
            (soap_operation.attributes.get("style") if soap_operation else None)
            or (soap_binding.attributes.get("style") if soap_binding else None)
            or "document"
        )
        port_type = self._find("portType", binding.qname(binding.attributes.get("type", "")))
        abstract = next((one for one in port_type.all(_W + "operation") if one.attributes.get("name") == name), None)
        if abstract is None:
            raise UnresolvedName("unbound", "operation", name)
        sides: dict[str, Element] = {}
        use = "literal"
        headers: list[str] = []
        for side in ("input", "output"):
            message, bound = abstract.first(_W + side), node.first(_W + side)
            if message is None:
                raise UnresolvedName("one_way", side, name)
            body = bound.first(f"{{{uri}}}body") if bound else None
            use = (body.attributes.get("use") if body else None) or use
            headers += [
                f"{side}:{header.qname(header.attributes.get('message', ''))}#{header.attributes.get('part', '')}{_must(header)}"
                for header in (bound.all(f"{{{uri}}}header") if bound else [])
            ]
            parts = self._find("message", message.qname(message.attributes.get("message", ""))).all(_W + "part")
            sides[side] = self._wrapper(name, side, style, parts, body)
        places = (binding, node, *(bound for side in ("input", "output") if (bound := node.first(_W + side))))
        faults = [
            part.qname(part.attributes["element"])
            for fault in abstract.all(_W + "fault")
            for part in self._find("message", fault.qname(fault.attributes.get("message", ""))).all(_W + "part")
            if "element" in part.attributes
        ]
        return Operation(
            name,
            service,
            port,
            binding.attributes.get("name", ""),
            version,
            soap_binding.attributes.get("transport", "") if soap_binding else "",
            style,
            use,
            soap_operation.attributes.get("soapAction", "") if soap_operation else "",
            sides["input"],
            sides["output"],
            tuple(sorted(headers)),
            tuple(sorted(faults)),
            endpoint,
            self._policy(*places),
            self._action(abstract, port_type, space(binding.qname(binding.attributes.get("type", ""))))
            if self._addressed(binding, node)
            else "",
            self._assertions(*places),
            tuple(self._header_elements(node, uri)),
        )

    def _header_elements(self, node: Node, uri: str) -> Iterator[str]:
        """The elements of the headers that go with a request. One whose message or part stands nowhere breaks no operation."""
        bound = node.first(_W + "input")
        for header in bound.all(f"{{{uri}}}header") if bound else []:
            try:
                message = self._find("message", header.qname(header.attributes.get("message", "")))
            except UnresolvedName:
                continue
            for part in message.all(_W + "part"):
                if part.attributes.get("name", "") == header.attributes.get("part", "") and "element" in part.attributes:
                    yield part.qname(part.attributes["element"])

    def _policy(self, *places: Node) -> str:
        """A digest of the policies that stand at, or are referred to from, these places; empty without any (WS-Policy attachment §4)."""
        found = sorted(map(_canonical, self._policies(*places)))
        return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16] if found else ""

    def _assertions(self, *places: Node) -> tuple[str, ...]:
        """What those policies ask for, by local name; the operators that only combine assertions (WS-Policy §4.3) ask for nothing."""
        todo, found = self._policies(*places), set[str]()
        while todo:
            one = todo.pop()
            if local(one.tag) not in _COMBINING:
                found.add(local(one.tag))
            todo += one.children
        return tuple(sorted(found))

    def _policies(self, *places: Node) -> list[Node]:
        """The policies at these places; a reference to one that stands nowhere is given as it is."""
        found: list[Node] = []
        for child in (child for place in places for child in place.children):
            if local(child.tag) == "Policy" and "policy" in space(child.tag):
                found.append(child)
            elif local(child.tag) == "PolicyReference":
                name = child.attributes.get("URI", "").removeprefix("#")
                every = (one for root in self.definitions for one in root.children)
                found += [one for one in every if local(one.tag) == "Policy" and name in one.attributes.values()] or [child]
        return found

    def _addressed(self, binding: Node, node: Node) -> bool:
        """By the extension element, or by an assertion of a policy that stands at or is referred to from the binding (WS-Addressing Metadata
        §3.1), as WCF writes it."""
        if any(local(child.tag) == "UsingAddressing" for child in (*binding.children, *node.children)):
            return True
        todo = self._policies(binding, node)
        while todo:
            one = todo.pop()
            if local(one.tag) in ("UsingAddressing", "Addressing") and "addressing" in space(one.tag):
                return True
            todo += one.children
        return False

    @staticmethod
    def _action(abstract: Node, port_type: Node, namespace: str) -> str:
        """The input's wsa:Action: stated, else made of the target namespace, the port type and the input (WS-Addressing WSDL binding §4.4.4)."""
        message = abstract.first(_W + "input")
        stated = next((value for key, value in (message.attributes if message else {}).items() if local(key) == "Action"), "")
        if stated or message is None:
            return stated
        named = message.attributes.get("name") or abstract.attributes.get("name", "") + "Request"
        mark = ":" if namespace.startswith("urn:") else "/"
        return f"{namespace.rstrip(mark)}{mark}{port_type.attributes.get('name', '')}{mark}{named}"

    def _wrapper(self, name: str, side: str, style: str, parts: list[Node], body: Node | None) -> Element:
        """The Body's child: in document style the part's element, in rpc style an element named after the operation (WSDL 1.1 §3.5)."""
        if style == "document":
            chosen = (body.attributes.get("parts", "").split() if body else None) or [part.attributes.get("name", "") for part in parts]
            inside = [part for part in parts if part.attributes.get("name", "") in chosen]
            if len(inside) != 1 or "element" not in inside[0].attributes:
                raise UnresolvedName("not_one", side, name)
            return self.schemas.element(inside[0].qname(inside[0].attributes["element"]))
        namespace = (body.attributes.get("namespace") if body else None) or ""
        tag = name + ("Response" if side == "output" else "")
        children: list[Element] = []
        for part in parts:
            if "type" in part.attributes:
                children.append(Element(part.attributes.get("name", ""), self.schemas.use(part.qname(part.attributes["type"]))))
            else:
                children.append(self.schemas.element(part.qname(part.attributes.get("element", ""))))
        key = f"rpc:{{{namespace}}}{tag}"
        self.schemas.add(ComplexType(key, tuple(children)))
        return Element(f"{{{namespace}}}{tag}" if namespace else tag, key)


def _must(header: Node) -> str:
    """A mark for a header that has to be sent: the WSDL extension says ``required``."""
    return "!" if any(local(key) == "required" and value in ("true", "1") for key, value in header.attributes.items()) else ""


def _canonical(node: Node) -> str:
    """A node as text that is the same whatever its prefixes, its ids and the order of its assertions."""
    attributes = sorted(f"{key}={value}" for key, value in node.attributes.items() if local(key) not in ("Id", "Name", "id"))
    return f"<{node.tag} {' '.join(attributes)}>{' '.join(node.text.split())}{''.join(sorted(_canonical(child) for child in node.children))}</>"
