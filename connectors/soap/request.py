"""Requests: built by zeep from the bundle alone, in strict mode, with nothing fetched. Replies never come near it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, cast

from connectors.errors import FixConfiguration
from connectors.soap.auth import Auth
from connectors.soap.bundle import WELL_KNOWN, WSDL, XSD, Bundle
from connectors.soap.catalog import ENCODING
from connectors.soap.components import Contract, Element, Operation, SimpleType
from connectors.soap.xmltree import local, space

_ENTRY = "/0000.xml"
_ADDRESSING = ("http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing")
#: zeep knows the types of XML Schema 1.0. What requests hold of those of 1.1 is written as their bases are.
_OF_1_0 = {"dateTimeStamp": "dateTime", "dayTimeDuration": "duration", "yearMonthDuration": "duration", "anyAtomicType": "anySimpleType"}
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


class _BundleTransport:
    """What zeep loads documents through: the bundle's rewritten copies and nothing else. It can't post."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def load(self, url: str) -> bytes:
        found = self._files.get(PurePosixPath(url).name)
        if found is None:
            raise FixConfiguration("soap.request_unbuildable", why=f"the contract asks for {url[:120]}, which is not in its bundle")
        return found


class Requests:
    """Envelopes for the operations of one contract. Building it compiles the WSDL: some tenths of a second, once."""

    def __init__(self, bundle: Bundle, contract: Contract) -> None:
        from zeep import Client, Settings
        from zeep.exceptions import Error
        from zeep.exceptions import XMLSyntaxError as ZeepSyntaxError

        # zeep logs whole messages at debug level; bodies may hold what must not be logged.
        logging.getLogger("zeep").setLevel(logging.WARNING)
        self._contract = contract
        settings: Any = Settings(strict=True, forbid_dtd=True, forbid_entities=True, forbid_external=True)  # pyright: ignore[reportCallIssue]
        try:
            # What zeep has to say of operations it leaves out, our own reading of the contract said before, by name.
            with warnings.catch_warnings(action="ignore"):
                self._client: Any = Client(_ENTRY, transport=cast(Any, _BundleTransport(_rewritten(bundle))), settings=settings)
        except (Error, ZeepSyntaxError, KeyError, ValueError, LookupError) as error:
            raise FixConfiguration(
                "soap.request_unbuildable", why=f"zeep can't read the contract ({type(error).__name__}: {str(error)[:160]})"
            ) from error

    def envelope(self, operation: Operation, arguments: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
        """The request's bytes and HTTP headers. Raises FixConfiguration for arguments that the contract refuses."""
        from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs
        from zeep.exceptions import Error

        given = self._filled(self._contract.children(operation.input), arguments)
        try:
            service = self._client.bind(operation.service, operation.port)
            envelope = self._client.create_message(service, operation.name, **given)
        except (Error, TypeError, ValueError, AttributeError) as error:
            raise FixConfiguration(
                "soap.request_invalid",
                operation=operation.name,
                names=", ".join(given) or "-",
                why=str(error)[:160] or type(error).__name__,
            ) from error
        _without_addressing(envelope)
        if operation.use == "encoded":
            self._encode(envelope, operation)
        content: bytes = etree.tostring(envelope, encoding="utf-8", xml_declaration=True)
        if operation.version == "1.2":
            return content, {"Content-Type": f'application/soap+xml; charset=utf-8; action="{operation.action}"'}
        return content, {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{operation.action}"'}

    def _encode(self, envelope: Any, operation: Operation) -> None:
        """What SOAP encoding asks for beyond the literal form: the encoding's name, and each value's type by name (SOAP 1.1 §5)."""
        from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

        soap = envelope.tag[1:].partition("}")[0]
        wrapper = envelope.find(f"{{{soap}}}Body")[0]
        wrapper.set(f"{{{soap}}}encodingStyle", ENCODING)
        prefixes: dict[str, str] = {XSD: "xsd"}

        def typed(node: Any, element: Element) -> None:
            if element.type.startswith("{"):
                prefix = prefixes.setdefault(space(element.type), f"t{len(prefixes)}")
                node.set(_XSI_TYPE, f"{prefix}:{local(element.type)}")
            known = {local(one.name): one for one in self._contract.children(element)}
            for child in node:
                if (inner := known.get(local(child.tag))) is not None:
                    typed(child, inner)

        typed(wrapper, operation.input)
        wrapper.attrib.pop(_XSI_TYPE, None)
        etree.cleanup_namespaces(
            envelope, top_nsmap={prefix: uri for uri, prefix in prefixes.items()}, keep_ns_prefixes=list(prefixes.values())
        )

    def _filled(self, elements: Iterable[Element], arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments with what the contract requires and nobody set, where an empty one is harmless: empty texts, and a filter without
        criteria; inside of what is partly given too."""
        filled: dict[str, Any] = {}
        for element in elements:
            name = local(element.name)
            given = arguments.get(name)
            if isinstance(given, Mapping) and not element.many:
                filled[name] = self._filled(self._contract.children(element), cast("Mapping[str, Any]", given))
            elif name in arguments or element.minimum == 0 or element.nillable:
                continue
            elif (blank := self._blank(element)) is not None:
                filled[name] = [blank] if element.many else blank
        return {**arguments, **filled}

    def _blank(self, element: Element) -> Any:
        kind = self._contract.type(element)
        if isinstance(kind, SimpleType):
            allowed = kind.facets.get("enumeration")
            return (
                allowed[0]
                if isinstance(allowed, tuple) and allowed
                else ""
                if kind.builtin in ("string", "normalizedString", "token")
                else None
            )
        inside = {local(child.name): self._blank(child) for child in kind.elements if child.minimum > 0}
        return None if not inside or any(value is None for value in inside.values()) else inside


def _without_addressing(envelope: Any) -> None:
    """Take out what zeep put in by itself where the binding asks for WS-Addressing: ``security`` makes those headers anew at each try."""
    header: Any = envelope.find(f"{{{envelope.tag[1:].partition('}')[0]}}}Header")
    if header is not None:
        for child in tuple(header):
            if child.tag.startswith(tuple(f"{{{uri}}}" for uri in _ADDRESSING)):
                header.remove(child)


def with_credentials(auth: Auth, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments with the credentials that the application wants inside the body."""
    return merged(arguments, {path: secret.get_secret_value() for path, secret in auth.body.items()}) if auth.body else arguments


def merged(arguments: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with values put at paths of local names joined by ``/``; what stands along the way stays."""
    made = dict(arguments)
    for path, value in values.items():
        step, _, rest = path.partition("/")
        inner = made.get(step)
        made[step] = merged(cast("Mapping[str, Any]", inner) if isinstance(inner, Mapping) else {}, {rest: value}) if rest else value
    return made


def _rewritten(bundle: Bundle) -> dict[str, bytes]:
    """The documents with every import pointing at a flat local name: zeep refuses http imports, and a file name can't be climbed out of."""
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    names = {document.url: f"{n:04}.xml" for n, document in enumerate(bundle.documents)}
    spaces = {document.root.attributes.get("targetNamespace"): names[document.url] for document in bundle.documents}
    files: dict[str, bytes] = {}
    for document in bundle.documents:
        # The bytes were read by our own parser before: no DOCTYPE, so no entities here either.
        root: Any = etree.fromstring(document.content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
        for node in root.iter(f"{{{WSDL}}}import", f"{{{XSD}}}import", f"{{{XSD}}}include", f"{{{XSD}}}redefine"):
            attribute = "location" if node.tag == f"{{{WSDL}}}import" else "schemaLocation"
            space, location = node.get("namespace"), node.get(attribute)
            if node.tag == f"{{{XSD}}}import" and space in WELL_KNOWN:
                if space in spaces:
                    node.set(attribute, spaces[space])
                elif location:
                    del node.attrib[attribute]
            elif location:
                node.set(attribute, names[bundle.at(document.url, location)])
        for schema in root.iter(f"{{{XSD}}}schema"):
            imported = {node.get("namespace") for node in schema.findall(f"{{{XSD}}}import")}
            if ENCODING in schema.nsmap.values() and ENCODING in spaces and ENCODING not in imported:
                # zeep would fetch it from the web by itself where a schema uses it without importing it, the encoding's own schema included.
                schema.insert(0, schema.makeelement(f"{{{XSD}}}import", {"namespace": ENCODING, "schemaLocation": spaces[ENCODING]}))
        for node in root.iter(f"{{{XSD}}}*"):
            _of_1_0(node)
        files[names[document.url]] = etree.tostring(root)
    return files


def _of_1_0(node: Any) -> None:
    for attribute in ("type", "base", "itemType", "memberTypes"):
        named = str(node.get(attribute) or "").split()
        parts = [name.rpartition(":") for name in named]
        older = [
            f"{prefix}{colon}{_OF_1_0.get(name, name)}" if node.nsmap.get(prefix or None) == XSD else f"{prefix}{colon}{name}"
            for prefix, colon, name in parts
        ]
        if older != named:
            node.set(attribute, " ".join(older))
