"""Request bodies written by hand in a contract: XML with ``{name}`` where a value goes. Values are put into the parsed tree, never into text.

``{name?}`` drops its element when there is no such value; an attribute ``when="name"`` in the namespace below drops an element for the
same reason, ``unless="name"`` one where there is such a value, ``each="name"`` repeats it for every item of a list, which is ``{item}`` inside, and ``{item.Part}`` where it has parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Annotated, Any, cast

from pydantic import AfterValidator

from connectors.errors import FixConfiguration
from connectors.soap.components import Operation
from connectors.soap.sayable import is_text

NAMESPACE = "urn:fortnight:template"
ENVELOPES = {"1.1": "http://schemas.xmlsoap.org/soap/envelope/", "1.2": "http://www.w3.org/2003/05/soap-envelope"}
_TYPE_SAID = "{http://www.w3.org/2001/XMLSchema-instance}type"
_PLACE = re.compile(r"\{([A-Za-z_][\w.-]*)(\?)?\}")

Value = str | Sequence[str | Mapping[str, str]] | None


class _Dropped(Exception):
    """The element holds an optional place without a value."""


def check(body: str) -> None:
    """Raises ValueError for a body that is no XML element, has a DOCTYPE, or an Envelope around it."""
    root = _parse(body)
    if root.tag.rpartition("}")[2] == "Envelope":
        raise ValueError("body is what stands inside of the SOAP Body; the Envelope is made here")


def _checked(body: str) -> str:
    check(body)
    return body


#: A body written by hand, as a setting.
Body = Annotated[str, AfterValidator(_checked)]


def names(body: str) -> frozenset[str]:
    """The names of all places in a body."""
    conditions = re.findall(r"(?:when|unless|each)\s*=\s*[\"']([\w.-]+)[\"']", body)
    return frozenset({found.group(1) for found in _PLACE.finditer(body)} | set(conditions))


def elements(body: str) -> tuple[str, ...]:
    """The paths of all elements inside of a body, by local names. What stands inside of an element that says its own type is left out."""
    return tuple(dict.fromkeys(_elements(_parse(body), "")))


def _elements(element: Any, prefix: str) -> Iterator[str]:
    if _TYPE_SAID in element.attrib:
        return
    for child in element:
        path = prefix + child.tag.rpartition("}")[2]
        yield path
        yield from _elements(child, path + "/")


def optional(body: str) -> frozenset[str]:
    """The names of the places that a body does without."""
    conditions = re.findall(r"(?:when|each)\s*=\s*[\"']([\w.-]+)[\"']", body)
    return frozenset({found.group(1) for found in _PLACE.finditer(body) if found.group(2)} | set(conditions)) - {
        found.group(1) for found in _PLACE.finditer(body) if not found.group(2) and found.group(1) not in conditions
    }


def constants(body: str, values: Mapping[str, Value]) -> dict[str, str]:
    """The texts of a body's elements by local name, places with a known value filled in: what every request says. What depends on a
    condition is left out.
    """
    found: dict[str, str] = {}
    todo = [_parse(body)]
    while todo:
        element = todo.pop()
        if element.get(f"{{{NAMESPACE}}}when") is not None or element.get(f"{{{NAMESPACE}}}each") is not None:
            continue
        text = _PLACE.sub(lambda place: str(values.get(place.group(1)) or place.group(0)), element.text or "")
        found[element.tag.rpartition("}")[2]] = text.strip()
        todo.extend(element)
    return found


def envelope(operation: Operation, body: str, values: Mapping[str, Value]) -> tuple[bytes, dict[str, str]]:
    """The request's bytes and HTTP headers. Raises FixConfiguration naming a place for which there is no value."""
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    soap = ENVELOPES[operation.version]
    root: Any = etree.Element(f"{{{soap}}}Envelope", nsmap={"soap": soap})
    filled = _filled(_parse(body), values, operation.name)
    if filled is None:
        raise FixConfiguration("soap.request_invalid", operation=operation.name, names="-", why="the whole body was dropped")
    etree.SubElement(root, f"{{{soap}}}Body").append(filled)
    etree.cleanup_namespaces(filled, keep_ns_prefixes=list(filter(None, filled.nsmap)))
    content: bytes = etree.tostring(root, encoding="utf-8", xml_declaration=True)
    if operation.version == "1.2":
        return content, {"Content-Type": f'application/soap+xml; charset=utf-8; action="{operation.action}"'}
    return content, {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{operation.action}"'}


def _parse(body: str) -> Any:
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True)
    try:
        root: Any = etree.fromstring(body.strip().encode(), parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"body is no XML element: {error.msg}") from error
    if root.getroottree().docinfo.doctype:
        raise ValueError("body may have no DOCTYPE")
    return root


def _filled(element: Any, values: Mapping[str, Value], operation: str) -> Any:
    """The element with its values, or None where it is dropped."""
    for condition, wanted in (("when", True), ("unless", False)):
        name = element.attrib.pop(f"{{{NAMESPACE}}}{condition}", None)
        if name is not None and (values.get(name) not in (None, "", ())) is not wanted:
            return None
    try:
        for key, text in list(element.attrib.items()):
            element.set(key, _put(text, values, operation))
        if element.text:
            element.text = _put(element.text, values, operation)
    except _Dropped:
        return None
    for child in list(element):
        repeated = child.attrib.pop(f"{{{NAMESPACE}}}each", None)
        if repeated is None:
            if _filled(child, values, operation) is None:
                element.remove(child)
            continue
        items = values.get(repeated)
        at = element.index(child)
        element.remove(child)
        for item in [items] if isinstance(items, str) else items or ():
            parts: dict[str, Value] = {"item": item} if isinstance(item, str) else {f"item.{name}": part for name, part in item.items()}
            copy = _filled(deepcopy(child), {**values, **parts}, operation)
            if copy is not None:
                element.insert(at, copy)
                at += 1
    return element


def filled_text(text: str, values: Mapping[str, Value], operation: str) -> str | None:
    """A text with its places filled in, None where it holds an optional one without a value. Raises FixConfiguration for any other."""
    try:
        return _put(text, values, operation)
    except _Dropped:
        return None


def _put(text: str, values: Mapping[str, Value], operation: str) -> str:
    def one(found: re.Match[str]) -> str:
        value = values.get(found.group(1))
        if isinstance(value, str):
            if not is_text(value):
                raise FixConfiguration(
                    "soap.request_invalid", operation=operation, names=found.group(1), why="its value has characters that XML does not have"
                )
            return value
        if found.group(2) and value is None:
            raise _Dropped
        raise FixConfiguration(
            "soap.request_invalid", operation=operation, names=found.group(1), why="the body has a place for which there is no value"
        )

    return _PLACE.sub(one, text)


def _item(value: Any) -> str | dict[str, str]:
    if isinstance(value, Mapping):
        return {name: str(part) for name, part in cast("Mapping[str, Any]", value).items()}
    return str(value)


def placed(value: Any, place: str, text: str) -> Any:
    """An argument, all the way down, with a text where it has the place ``{place}``."""
    if isinstance(value, Mapping):
        return {name: placed(one, place, text) for name, one in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [placed(one, place, text) for one in cast("list[Any]", value)]
    return value.replace("{" + place + "}", text) if isinstance(value, str) else value


def values_of(arguments: Mapping[str, Any]) -> dict[str, Value]:
    """Arguments as values of places: single ones by their name, nested ones by their last step, lists of texts as lists."""
    found: dict[str, Value] = {}
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            found |= values_of(cast("Mapping[str, Any]", value))
        elif isinstance(value, bool):
            found[name] = "true" if value else "false"
        elif isinstance(value, list | tuple):
            found[name] = tuple(map(_item, cast("Sequence[Any]", value)))
        elif value is not None:
            found[name] = str(value)
    return found
