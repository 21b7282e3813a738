"""What a stream rests on beside its columns: every path and operation that its ``source:`` block names, looked up in the contract.

One list serves the reader fingerprint and drift, so that whatever moves the one has a line of its own in the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from connectors.protocol import Part
from connectors.soap import template
from connectors.soap.components import ComplexType, Contract, Element, Operation, SimpleType, UnknownPath
from connectors.soap.config import SourceSpec
from connectors.soap.pairs import divided
from connectors.soap.sources import Ok, Source
from connectors.soap.xmltree import local

Side = Literal["operation", "reply", "row", "request"]
#: Attributes that the decoder reads of an encoded array, which no schema declares where they stand.
_OF_ARRAYS = frozenset({"arrayType", "arraySize"})


@dataclass(frozen=True)
class Named:
    """One thing that a source block names. ``operation`` is empty for the stream's own; ``rows`` is where the row lies for a path in it."""

    use: str
    side: Side
    path: str
    operation: str = ""
    rows: str = ""


def named(spec: SourceSpec) -> Iterator[Named]:
    """All that the block names, but columns, and what is asked of another service."""
    paging, changed = spec.paging, spec.changed_since
    yield Named("rows", "reply", spec.rows)
    yield from _judged(spec.ok, "ok")
    token = paging.from_ if paging.kind in ("token", "query_more") else ""
    end = paging.end.path if paging.end else ""
    stated = (
        ("message", spec.message),
        ("row_count", spec.row_count),
        ("total", spec.total),
        ("paging.from", token),
        ("paging.end.path", end),
    )
    yield from (Named(use, "reply", path) for use, path in stated if path)
    if paging.by_row:
        yield Named("paging.from", "row", paging.by_row, rows=spec.rows)
    # A list of changed handles is asked for by itself: nothing is filtered.
    by_itself = paging.handles is not None and paging.handles.changed is not None
    if changed is not None and changed.type is None and not by_itself:
        yield Named("changed_since.field", "row", changed.field, rows=spec.rows)
    yield from _asked(spec, by_itself)
    yield from _of_others(spec)


def _judged(ok: Ok | None, use: str, operation: str = "") -> Iterator[Named]:
    for name, path in (("path", ok.path), ("code", ok.code)) if ok else ():
        if path:
            yield Named(f"{use}.{name}", "reply", path, operation)


def _asked(spec: SourceSpec, by_itself: bool) -> Iterator[Named]:
    """What goes into the request; a body written by hand says all of it."""
    if spec.body is not None:
        yield from (Named(f"body.{path}", "request", path) for path in template.elements(spec.body))
        return
    paging, changed = spec.paging, spec.changed_since
    position = paging.request if paging.kind not in ("none", "query_more") and (paging.more is None or paging.kind != "token") else ""
    size = paging.size if paging.kind != "none" else ""
    for use, path in (("paging.request", position), ("paging.size", size)):
        if path:
            yield Named(use, "request", path)
    if changed is not None and changed.request and not by_itself:
        bounds = (("request", changed.request), ("until_request", changed.until_request))
        yield from (Named(f"changed_since.{use}", "request", path) for use, path in bounds if path)
    elif (changed is not None and not by_itself) or spec.chunks is not None:
        known = spec.filter
        yield Named("filter.element", "request", known.element)
        yield Named("filter.field", "request", f"{known.element}/{known.field}")
        yield Named("filter.criteria", "request", f"{known.element}/{known.criteria}")
    yield from (Named(f"arguments.{path}", "request", path) for path in dict.fromkeys(_paths(spec.arguments, "")))


def _paths(arguments: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            yield from _paths(cast("Mapping[str, Any]", value), f"{prefix}{name}/")
            continue
        yield prefix + name
        for item in cast("list[Any]", value) if isinstance(value, list) else ():
            if isinstance(item, Mapping):
                yield from _paths(cast("Mapping[str, Any]", item), f"{prefix}{name}/")


def _of_others(spec: SourceSpec) -> Iterator[Named]:
    """The operations beside the stream's own."""
    paging, files, access = spec.paging, spec.files, spec.access
    if (more := paging.more) is not None:
        yield Named("paging.more.operation", "operation", "", more.operation)
        yield Named("paging.more.rows", "reply", more.rows or spec.rows, more.operation)
        yield from _judged(more.ok, "paging.more.ok", more.operation)
        if more.body is not None:
            yield from (Named(f"paging.more.body.{path}", "request", path, more.operation) for path in template.elements(more.body))
        elif paging.request:
            yield Named("paging.request", "request", paging.request, more.operation)
    if (listing := paging.handles) is not None:
        yield Named("paging.handles.operation", "operation", "", listing.operation)
        yield Named("paging.handles.rows", "reply", listing.rows, listing.operation)
        yield from _sources("paging.handles.source", listing.source, listing.operation, listing.rows)
        yield from _judged(listing.ok, "paging.handles.ok", listing.operation)
        if (since := listing.changed) is not None:
            use, rows = "paging.handles.changed", since.rows or listing.rows
            yield Named(f"{use}.operation", "operation", "", since.operation)
            yield Named(f"{use}.rows", "reply", rows, since.operation)
            yield Named(f"{use}.request", "request", since.request, since.operation)
            if since.until_request:
                yield Named(f"{use}.until_request", "request", since.until_request, since.operation)
            yield from _sources(f"{use}.source", listing.source if since.source is None else since.source, since.operation, rows)
    if spec.count is not None:
        yield Named("count.operation", "operation", "", spec.count.operation)
        yield Named("count.path", "reply", spec.count.path, spec.count.operation)
        asked = _paths(spec.count.arguments, "")
        yield from (Named(f"count.arguments.{path}", "request", path, spec.count.operation) for path in dict.fromkeys(asked))
    if access is not None and access.service is None:
        yield Named("access.operation", "operation", "", access.operation)
        if access.rows:
            columns = (("role", access.role), ("entity", access.entity), ("login", access.login))
            yield from (Named(f"access.{use}", "row", path, access.operation, access.rows) for use, path in columns)
    if files is not None:
        yield Named("files.operation", "operation", "", files.operation)
        stated = (("content", files.content), ("size", files.size), ("message", files.message))
        yield from (Named(f"files.{use}", "reply", path, files.operation) for use, path in stated if path)
        yield from _judged(files.ok, "files.ok", files.operation)
        if files.body is not None:
            yield from (Named(f"files.body.{path}", "request", path, files.operation) for path in template.elements(files.body))
        else:
            named = {"files.argument": files.argument, **{f"files.arguments.{path}": path for path in _paths(files.arguments, "")}}
            yield from (Named(use, "request", path, files.operation) for use, path in named.items())


def _sources(use: str, source: Source, operation: str, rows: str) -> Iterator[Named]:
    """A handle's parts, each by its own path."""
    yield from (Named(use, "row", path, operation, rows) for path in ((source,) if isinstance(source, str) else source) if path)


def found(contract: Contract, called: Operation, one: Named) -> tuple[Element, ...] | None:
    """The elements that lead to it, none of them for an operation; None where it is not there. ``called`` is the stream's own operation."""
    operation = contract.operations.get(one.operation) if one.operation else called
    if operation is None:
        return None
    if one.side == "operation":
        return ()
    path, attribute = divided(one.path)
    try:
        start = operation.input if one.side == "request" else operation.output
        if one.side == "row":
            start = contract.walk(start, divided(one.rows)[0])[-1]
        trail = (start, *contract.reach(start, path)) if path else (start,)
    except UnknownPath:
        return None
    if attribute and attribute not in _OF_ARRAYS and contract.attribute(trail[-1].type, attribute) is None:
        return None
    return trail


@dataclass(frozen=True)
class Found:
    """A part, and the expanded names of the elements that lead to it."""

    part: Part
    names: tuple[str, ...]


def parts(contract: Contract, called: Operation, spec: SourceSpec, columns: Collection[str]) -> tuple[Found, ...]:
    """The parts as they are now, what requests must hold besides last. A part of the row that is one of ``columns`` has its line there."""
    made: list[Found] = []
    for one in named(spec):
        if (one.side == "row" and not one.operation and one.path in columns) or _open(contract, called, one):
            continue
        if one.side == "row" and found(contract, called, replace(one, side="reply", path=one.rows)) is None:
            # It went with its row, and that is a part of its own.
            continue
        trail = found(contract, called, one)
        made.append(Found(_part(contract, called, spec, one), tuple(step.name for step in trail or ())))
    sent = {one.part.path for one in made if one.part.sent}
    more = (Part(f"request.{path}", path, kind, True, sent=True, demanded=True) for path, kind in demanded(contract, called, sent))
    return (*made, *(Found(part, ()) for part in more))


def demanded(contract: Contract, called: Operation, said: Collection[str]) -> Iterator[tuple[str, str]]:
    """The paths and types of elements that every request must have, but those that are named, or of which a part is.

    None of an encoded request: there every accessor may be left out, whatever its schema says (SOAP 1.1 §5.1).
    """
    if called.use == "encoded":
        return

    def inside(element: Element, prefix: str, trail: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        for child in contract.children(element):
            path = prefix + local(child.name)
            if child.minimum == 0 or child.choice or child.type in trail:
                continue
            if any(one.startswith(f"{path}/") for one in said) or (
                path not in said and any(one.minimum > 0 for one in contract.children(child))
            ):
                yield from inside(child, f"{path}/", (*trail, child.type))
            elif path not in said:
                yield path, _type(contract, (child,), "")

    yield from inside(called.input, "", (called.input.type,))


def _part(contract: Contract, called: Operation, spec: SourceSpec, one: Named) -> Part:
    sent = one.side == "request"
    trail = found(contract, called, one)
    path = one.operation if one.side == "operation" else one.path
    if trail is None or not _lets(contract, spec, one, trail):
        return Part(one.use, path, "", sent=sent, beside=tuple(_beside(contract, called, one)))
    if one.side == "operation":
        return Part(one.use, path, _signature(contract.operations[one.operation]))
    attribute = one.path.partition("@")[2]
    required = not sent and all(step.minimum > 0 for step in trail[1:]) and not attribute
    options = _options(contract, trail) if one.use.endswith(("ok.path", "ok.code")) else ()
    return Part(one.use, path, _type(contract, trail[1:] or trail, attribute), required, options, _place(contract, trail), sent)


def _lets(contract: Contract, spec: SourceSpec, one: Named, trail: tuple[Element, ...]) -> bool:
    """Whether a filter that lists the fields it takes still takes ours."""
    if one.use != "filter.field" or spec.changed_since is None:
        return True
    allowed = _options(contract, trail)
    return not allowed or spec.changed_since.field in allowed


def _open(contract: Contract, called: Operation, one: Named) -> bool:
    """Whether it lies where the schema leaves open what may stand there, so that nothing can be said of it."""
    operation = contract.operations.get(one.operation) if one.operation else called
    if operation is None or one.side == "operation":
        return False
    at = operation.input if one.side == "request" else operation.output
    steps = [*(one.rows.split("/") if one.side == "row" else ()), *filter(None, one.path.partition("@")[0].split("/"))]
    for step in steps:
        kind = contract.type(at)
        try:
            (at,) = contract.reach(at, step)
        except UnknownPath:
            # A request's attribute is written as an element's child is; so is the text of an element that has attributes.
            loose = one.side == "request" and (step.startswith(("_", "@")) or contract.attribute(at.type, step) is not None)
            return loose or (kind.open if isinstance(kind, ComplexType) else kind.builtin == "anyType")
    return False


def _beside(contract: Contract, called: Operation, one: Named) -> Iterator[Part]:
    """What it could be now: the path with one step, the one that leads nowhere, by another name that stands there."""
    operation = contract.operations.get(one.operation) if one.operation else called
    if operation is None or one.side == "operation" or "@" in one.path:
        return
    at = operation.input if one.side == "request" else operation.output
    try:
        at = contract.walk(at, divided(one.rows)[0])[-1] if one.side == "row" else at
    except UnknownPath:
        return
    steps = one.path.split("/")
    for number, step in enumerate(steps):
        try:
            (at,) = contract.walk(at, step)
        except UnknownPath:
            for child in contract.children(at):
                other = "/".join([*steps[:number], local(child.name), *steps[number + 1 :]])
                trail = found(contract, called, Named(one.use, one.side, other, one.operation, one.rows))
                if trail is not None:
                    yield Part("", other, _type(contract, trail[1:], ""), place=_place(contract, trail))
            return


def _type(contract: Contract, trail: tuple[Element, ...], attribute: str) -> str:
    last = trail[-1]
    if attribute:
        declared = contract.attribute(last.type, attribute)
        return f"xsd:{contract.simple(declared.type).spelt}" if declared is not None else "xsd:string"
    kind = contract.type(last)
    text = f"xsd:{kind.spelt}" if isinstance(kind, SimpleType) else f"xsd:{contract.simple(kind.text).spelt}" if kind.text else "element"
    return f"list<{text}>" if any(one.many for one in trail) else text


def _place(contract: Contract, trail: tuple[Element, ...]) -> str:
    if len(trail) < 2:
        return ""
    names = ["", *(local(one.name) for one in contract.children(trail[-2])), ""]
    name = local(trail[-1].name)
    if name not in names:
        return ""
    at = names.index(name)
    return f"{names[at - 1]}<{names[at + 1]}"


def _options(contract: Contract, trail: tuple[Element, ...]) -> tuple[str, ...]:
    allowed = contract.simple(trail[-1].type).facets.get("enumeration")
    return allowed if isinstance(allowed, tuple) else ()


def _signature(called: Operation) -> str:
    names = f"{local(called.input.name)} → {local(called.output.name)}"
    return " ".join(filter(None, (f"SOAP {called.version}", f"{called.style}/{called.use}", called.action, names)))
