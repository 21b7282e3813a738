"""Reads XML Schema documents into components: groups expanded, references and bases resolved, facets kept. Source: XML Schema 1.0 part 1."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from connectors.soap.builtins import BUILTINS, FACETS
from connectors.soap.bundle import XSD, Bundle, Document
from connectors.soap.canonical import canonical
from connectors.soap.catalog import ENCODING, url_of
from connectors.soap.components import Attribute, Broken, ComplexType, Element, Problem, SimpleType
from connectors.soap.content import Content, chosen
from connectors.soap.xmltree import Node, local, space

_X = f"{{{XSD}}}"
_ENC = (ENCODING, "http://www.w3.org/2003/05/soap-encoding")
_ARRAY_TYPE = "{http://schemas.xmlsoap.org/wsdl/}arrayType"


class UnresolvedName(ValueError):
    """A type, element or message is named that no document defines, or not so that it could be read."""

    def __init__(self, problem: Problem, kind: str, name: str) -> None:
        self.broken = Broken(problem, kind, name)
        super().__init__(f"{kind} {name}: {problem}")


@dataclass(frozen=True)
class _Schema:
    """Where a declaration stands: its namespace, and whether local elements and attributes are qualified."""

    namespace: str
    qualified: bool
    attributes: bool = False


class Schemas:
    """All schemas of a bundle. Types are resolved when first asked for and kept."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._raw: dict[tuple[str, str], tuple[Node, _Schema]] = {}
        self._members: dict[str, list[str]] = {}
        self._types: dict[str, SimpleType | ComplexType] = {}
        self._resolving: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        for document in bundle.documents:
            if document.url != url_of(ENCODING):  # what it defines is known here: its types mirror the built-ins, its arrays are lists
                self._document(document, None)

    def _document(self, document: Document, adopted: str | None) -> None:
        todo = [document.root]
        while todo:
            node = todo.pop()
            if node.tag == f"{_X}schema":
                self._schema(node, document, adopted)
            elif not node.tag.startswith(_X):
                todo.extend(node.children)

    def _schema(self, node: Node, document: Document, adopted: str | None) -> None:
        namespace = node.attributes.get("targetNamespace") or adopted or ""
        if node is document.root:
            if (document.url, namespace) in self._seen:
                return
            self._seen.add((document.url, namespace))
        forms = (node.attributes.get(name) == "qualified" for name in ("elementFormDefault", "attributeFormDefault"))
        schema = _Schema(namespace, *forms)
        for child in node.children:
            kind = local(child.tag)
            if kind in ("include", "redefine") and child.attributes.get("schemaLocation"):
                # A schema without a namespace takes on that of whoever includes it (XSD part 1 §4.2.1).
                url = self._bundle.at(document.url, child.attributes["schemaLocation"])
                included = self._bundle.get(url)
                if included is not None and not included.root.attributes.get("targetNamespace"):
                    self._document(included, namespace)
            elif "name" in child.attributes:
                group = "type" if kind in ("complexType", "simpleType") else kind
                name = _qualified(namespace, child.attributes["name"])
                self._raw[(group, name)] = (child, schema)
                if kind == "element" and (head := child.attributes.get("substitutionGroup")):
                    self._members.setdefault(child.qname(head), []).append(name)

    def everything(self) -> tuple[dict[str, SimpleType | ComplexType], dict[str, Element]]:
        """Every type and global element. What can't be resolved and nobody asked for is left out."""
        elements: dict[str, Element] = {}
        for kind, name in list(self._raw):
            try:
                if kind == "type":
                    self.use(name)
                elif kind == "element":
                    elements[name] = self.element(name)
            except UnresolvedName:
                continue
        return dict(self._types), elements

    def digest(self) -> str:
        """A digest of every declaration, whatever its prefixes, its file and its place among the others."""
        texts = (
            f"{kind} {name} {canonical(node, qualified=schema.qualified, attributes=schema.attributes)}"
            for (kind, name), (node, schema) in self._raw.items()
        )
        return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()

    def add(self, kind: ComplexType) -> None:
        self._types[kind.name] = kind

    def element(self, name: str) -> Element:
        """The global element of this expanded name. Raises UnresolvedName."""
        node, schema = self._get("element", name)
        made = self._element(node, schema, name, owner="")
        return replace(made, substitutes=self._substitutes(name)) if name in self._members else made

    def _substitutes(self, head: str) -> tuple[str, ...]:
        """The elements that may stand in the place of ``head``, by name (XSD part 1 §3.3.6): members of members too, abstract ones not."""
        todo, found = [*self._members[head]], set[str]()
        while todo:
            name = todo.pop()
            if name not in found and name != head:
                found.add(name)
                todo += self._members.get(name, [])
        return tuple(sorted(name for name in found if self._raw["element", name][0].attributes.get("abstract") not in ("true", "1")))

    def use(self, name: str) -> str:
        """Resolve a type by expanded name and give its key back."""
        if name in self._types or name in self._resolving:
            return name
        if name.startswith(_X):
            if local(name) not in BUILTINS:
                raise UnresolvedName("no_type", "type", name)
            self._types[name] = SimpleType(name, local(name))
            return name
        if name.startswith(tuple(f"{{{uri}}}" for uri in _ENC)) and ("type", name) not in self._raw:
            # SOAP encoding mirrors the built-ins (soapenc:string); its Array is handled where it is restricted.
            self._types[name] = ComplexType(name, open=True) if local(name) in ("Array", "Struct") else SimpleType(name, local(name))
            return name
        node, schema = self._get("type", name)
        return self._type(node, schema, name)

    def _get(self, kind: str, name: str) -> tuple[Node, _Schema]:
        found = self._raw.get((kind, name))
        if found is None:
            raise UnresolvedName("missing", kind, name)
        return found

    def _type(self, node: Node, schema: _Schema, key: str) -> str:
        self._resolving.add(key)
        try:
            self._types[key] = self._simple(node, key) if node.tag == f"{_X}simpleType" else self._complex(node, schema, key)
        finally:
            self._resolving.discard(key)
        return key

    def _simple(self, node: Node, key: str) -> SimpleType:
        restriction, items, union = node.first(f"{_X}restriction"), node.first(f"{_X}list"), node.first(f"{_X}union")
        if restriction is not None:
            return self._restricted(restriction, key)
        if items is not None:
            item = self._simple_ref(items, "itemType", key)
            return SimpleType(key, item.builtin, item.facets, "list", item.members)
        if union is not None:
            return SimpleType(key, "string", {}, "union", self._union_members(union, key))
        raise UnresolvedName("empty", "simpleType", key)

    def _union_members(self, union: Node, key: str) -> tuple[SimpleType, ...]:
        named = [self._types[self.use(union.qname(name))] for name in union.attributes.get("memberTypes", "").split()]
        inline = [self._simple(one, f"{key}/member{number}") for number, one in enumerate(union.all(f"{_X}simpleType"), 1)]
        found = [one for one in (*named, *inline) if isinstance(one, SimpleType)]
        if not found or len(found) != len(named) + len(inline):
            raise UnresolvedName("not_simple", "simpleType", key)
        # A restriction of a union is no union of its members only: its facets hold for the whole.
        flat = [one.members if one.variety == "union" and not one.facets else (one,) for one in found]
        return tuple(member for members in flat for member in members)

    def _restricted(self, restriction: Node, key: str) -> SimpleType:
        base = self._simple_ref(restriction, "base", key)
        stated: dict[str, list[str]] = {}
        for child in restriction.children:
            facet = local(child.tag)
            if facet in FACETS:
                stated.setdefault(facet, []).append(child.attributes.get("value", ""))
        facets: dict[str, str | tuple[str, ...]] = dict(base.facets)
        for facet, values in stated.items():
            facets[facet] = tuple(sorted(values)) if facet in ("enumeration", "pattern") else values[-1]
        return SimpleType(key, base.builtin, facets, base.variety, base.members)

    def _simple_ref(self, node: Node, attribute: str, key: str) -> SimpleType:
        inline = node.first(f"{_X}simpleType")
        if attribute in node.attributes:
            found = self._types[self.use(node.qname(node.attributes[attribute]))]
            while isinstance(found, ComplexType) and found.text:
                found = self._types[found.text]
        elif inline is not None:
            found = self._simple(inline, key + "/base")
        else:
            raise UnresolvedName("empty", "simpleType", key)
        if not isinstance(found, SimpleType):
            raise UnresolvedName("not_simple", "simpleType", key)
        return found

    def _complex(self, node: Node, schema: _Schema, key: str) -> ComplexType:
        abstract, mixed = node.attributes.get("abstract") in ("true", "1"), node.attributes.get("mixed") in ("true", "1")
        derivation = node.first(f"{_X}simpleContent") or node.first(f"{_X}complexContent")
        if derivation is None:
            content = self._particles(node, schema, key)
            attributes = self._attributes(node, schema, key)
            return ComplexType(
                key, content.elements, attributes, None, content.open, abstract, mixed, choices=content.choices, repeats=content.repeats
            )
        extension, restriction = derivation.first(f"{_X}extension"), derivation.first(f"{_X}restriction")
        derived = extension or restriction
        if derived is None:
            raise UnresolvedName("nothing", "complexType", key)
        base_name = derived.qname(derived.attributes.get("base", ""))
        if base_name in self._resolving:
            raise UnresolvedName("itself", "complexType", key)
        base = self._types[self.use(base_name)]
        content = self._particles(derived, schema, key)
        attributes = self._attributes(derived, schema, key)
        if derivation.tag == f"{_X}simpleContent":
            text = base_name if isinstance(base, SimpleType) else base.text
            if restriction is not None and text is not None:
                self._types[key + "/text"] = self._restricted(restriction, key + "/text")
                text = key + "/text"
            inherited = base.attributes if isinstance(base, ComplexType) else ()
            return ComplexType(key, (), _merged(inherited, attributes), text, False, abstract, mixed, (base_name,))
        if isinstance(base, SimpleType):
            base = ComplexType(base_name, open=base.builtin == "anyType")
        bases = (*base.bases, base_name) if base_name != f"{_X}anyType" else ()
        if extension is not None:
            content = Content(base.elements, base.open, base.choices, base.repeats).then(content)
        elif array := _array_of(derived):
            # A SOAP-encoded array: items are repeated, and their tag is the server's choice.
            content = Content((Element("*", self.use(array), 0, None),))
        return ComplexType(
            key,
            content.elements,
            _merged(base.attributes, attributes),
            base.text,
            content.open,
            abstract,
            mixed or base.mixed,
            bases,
            content.choices,
            content.repeats,
        )

    def _particles(self, node: Node, schema: _Schema, key: str, *, minimum: int = 1, many: bool = False) -> Content:
        """What stands inside the compositors of ``node``; a choice makes it optional, a repeated group makes it repeated."""
        found = Content(empty=True)
        for part in self._parts(node, schema, key, minimum=minimum, many=many):
            found = found.then(part)
        return found

    def _parts(self, node: Node, schema: _Schema, key: str, *, minimum: int, many: bool) -> Iterator[Content]:
        """Each particle of ``node`` by itself."""
        for child in node.children:
            kind = local(child.tag)
            low, high = _occurs(child)
            inner_min, inner_many = minimum * min(low, 1), many or high is None or high > 1
            if kind in ("sequence", "all"):
                inside = self._particles(child, schema, key, minimum=inner_min, many=inner_many)
                inside = replace(inside, elements=tuple(sorted(inside.elements, key=lambda one: one.name))) if kind == "all" else inside
            elif kind == "choice":
                parts = tuple(self._parts(child, schema, key, minimum=0, many=inner_many))
                inside = chosen(parts, required=inner_min > 0, repeated=inner_many)
            elif kind == "group":
                group, where = self._get("group", child.qname(child.attributes.get("ref", "")))
                inside = self._particles(group, where, key, minimum=inner_min, many=inner_many)
            elif kind == "any":
                inside = Content(open=True)
            elif kind == "element" and high != 0:
                yield Content((self._local_element(child, schema, key, low * minimum, None if many else high),), empty=low == 0)
                continue
            else:
                continue
            names = tuple(one.name for one in inside.elements)
            repeats = (names,) if inner_many and not many and len(names) > 1 else inside.repeats
            yield replace(inside, repeats=repeats, empty=inside.empty or low == 0)

    def _local_element(self, node: Node, schema: _Schema, owner: str, low: int, high: int | None) -> Element:
        if "ref" in node.attributes:
            name = node.qname(node.attributes["ref"])
            return replace(self.element(name), minimum=low, maximum=high)
        form = node.attributes.get("form")
        qualified = form == "qualified" if form else schema.qualified
        name = _qualified(schema.namespace if qualified else "", node.attributes.get("name", ""))
        return replace(self._element(node, schema, name, owner=owner), minimum=low, maximum=high)

    def _element(self, node: Node, schema: _Schema, name: str, *, owner: str) -> Element:
        inline = node.first(f"{_X}complexType") or node.first(f"{_X}simpleType")
        if "type" in node.attributes:
            kind = self.use(node.qname(node.attributes["type"]))
        elif inline is None and "substitutionGroup" in node.attributes:
            # XSD part 1 §3.3.2: without a type of its own, that of its head.
            kind = self.element(node.qname(node.attributes["substitutionGroup"])).type
        elif inline is not None:
            kind = f"{owner}/{local(name)}" if owner else f"element:{name}"
            if kind not in self._types and kind not in self._resolving:
                self._type(inline, schema, kind)
        else:
            kind = self.use(f"{_X}anyType")
        fixed = node.attributes.get("fixed")
        return Element(
            name,
            kind,
            nillable=node.attributes.get("nillable") in ("true", "1"),
            default=node.attributes.get("default") or fixed,
            label=_documentation(node),
            fixed=fixed is not None,
            abstract=node.attributes.get("abstract") in ("true", "1"),
        )

    def _attributes(self, node: Node, schema: _Schema, key: str) -> tuple[Attribute, ...]:
        found: list[Attribute] = []
        for child in node.children:
            if child.tag == f"{_X}attributeGroup" and "ref" in child.attributes:
                group, where = self._get("attributeGroup", child.qname(child.attributes["ref"]))
                found += self._attributes(group, where, key)
            elif child.tag == f"{_X}attribute" and child.attributes.get("use") != "prohibited":
                made = self._referred(child) if "ref" in child.attributes else self._attribute(child, schema, key)
                found += [made] if made is not None else []
        return tuple(sorted(found, key=lambda one: one.name))

    def _attribute(self, node: Node, schema: _Schema, key: str) -> Attribute:
        name = node.attributes.get("name", "")
        form = node.attributes.get("form")
        qualified = form == "qualified" if form else schema.attributes
        return _used(node, _qualified(schema.namespace if qualified else "", name), self._attribute_type(node, f"{key}/@{name}"))

    def _referred(self, node: Node) -> Attribute | None:
        """A global attribute where it is used: always qualified. What SOAP encoding adds is no data."""
        name = node.qname(node.attributes["ref"])
        if space(name) in _ENC:
            return None
        found = self._raw.get(("attribute", name))
        if found is None:
            # Schemas refer to xml:lang and xmime:contentType without importing them: their values are text all the same.
            return _used(node, name, self.use(f"{_X}anySimpleType"))
        made = _used(node, name, self._attribute_type(found[0], f"attribute:{name}"))
        stated = _used(found[0], name, made.type)
        return made if made.default is not None else replace(made, default=stated.default, fixed=stated.fixed)

    def _attribute_type(self, node: Node, key: str) -> str:
        inline = node.first(f"{_X}simpleType")
        if inline is not None:
            self._types[key] = self._simple(inline, key)
            return key
        return self.use(node.qname(node.attributes["type"]) if "type" in node.attributes else f"{_X}anySimpleType")


def _qualified(namespace: str, name: str) -> str:
    return f"{{{namespace}}}{name}" if namespace else name


def _used(node: Node, name: str, kind: str) -> Attribute:
    fixed = node.attributes.get("fixed")
    default = node.attributes.get("default", fixed)
    return Attribute(name, kind, node.attributes.get("use") == "required", default, fixed is not None)


def _occurs(node: Node) -> tuple[int, int | None]:
    high = node.attributes.get("maxOccurs", "1")
    low = node.attributes.get("minOccurs", "1")
    return int(low) if low.isdigit() else 1, None if high == "unbounded" else int(high) if high.isdigit() else 1


def _merged(base: tuple[Attribute, ...], own: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
    return tuple(sorted({one.name: one for one in (*base, *own)}.values(), key=lambda one: one.name))


def _array_of(restriction: Node) -> str | None:
    """The item type of a restricted SOAP-ENC:Array (WSDL 1.1 §2.2), when it names one."""
    for attribute in restriction.all(f"{_X}attribute"):
        array_type = attribute.attributes.get(_ARRAY_TYPE, "")
        if array_type and not array_type.startswith(":"):
            return attribute.qname(array_type.partition("[")[0])
    return None


def _documentation(node: Node) -> str:
    annotation = node.first(f"{_X}annotation")
    text = annotation.first(f"{_X}documentation") if annotation else None
    return " ".join(text.text.split()) if text else ""
