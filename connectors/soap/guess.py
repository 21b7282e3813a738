"""A ``source:`` block guessed from a contract's names and types: where the rows lie, how it went, how pages are asked for, what changed since.

Guesses are for a person to review.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from connectors.protocol import LiveField
from connectors.soap.components import ComplexType, Contract, Element, Operation, SimpleType
from connectors.soap.config import SourceSpec
from connectors.soap.schema import row_element
from connectors.soap.xmltree import local

_DEPTH = 4
_OK = re.compile(
    r"^(result|return|status|error)_?(code|status)?$|_status$|^(処理)?結果(コード|区分)?$|^ステータス(コード)?$", re.IGNORECASE
)
_OK_VALUES = ("OK", "Ok", "ok", "SUCCESS", "Success", "S", "0")
_MESSAGE = re.compile(r"message|label|text|msg|メッセージ", re.IGNORECASE)
_ROW_COUNT = re.compile(r"row_?count|returned.*(number|count)|number_?of_?rows", re.IGNORECASE)
_TOTAL = re.compile(r"^(total_?(count|rows|number|records|hits)?|(総|全)(件|行)数)$", re.IGNORECASE)
_COUNT = re.compile(r"count|total|number", re.IGNORECASE)
_CHANGED = re.compile(r"modif|changed|updated|last_?change|(更新|変更)(日|時)", re.IGNORECASE)
_SINCE = re.compile(
    r"since|(modif|chang|updat).*(from|after)|(from|after).*(modif|chang|updat)|(更新|変更)(日|時).*(から|以降|開始)", re.IGNORECASE
)
_SIZE = re.compile(r"size|limit|max|^(count|take|rows|(取得)?件数)$", re.IGNORECASE)
_VERBS = re.compile(
    r"^(readmultiple|readall|getlistof|getlist|getall|read|get|list|query|search|find|select|fetch|export)(?=[A-Z_])", re.IGNORECASE
)
_DATES = frozenset({"dateTime", "date", "dateTimeStamp"})
_INTEGERS = frozenset({"int", "integer", "long", "short", "nonNegativeInteger", "positiveInteger", "unsignedInt", "unsignedLong"})
_TOKEN = re.compile(r"last_?returned|(next|continuation|page)_?(token|key)|query_?locator|search_?id|cursor$", re.IGNORECASE)
_FURTHER = re.compile(r"(more|next)(_?with_?id)?$", re.IGNORECASE)
Looks = Literal["", "none", "bookmark", "offset", "page", "token", "query_more", "handles"]


def entity_of(name: str) -> str:
    """The entity that an operation reads, in snake case: ``ReadMultiplePurchaseOrders`` → ``purchase_orders``.

    >>> entity_of("getListOfThirdParties")
    'third_parties'
    """
    bare = _VERBS.sub("", name).strip("_") or name
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", bare)
    return re.sub(r"[^0-9a-zA-Z]+", "_", words).strip("_").lower() or bare


#: What holds how it went, and no rows, whatever repeats in there.
_VERDICTS = frozenset({"status", "log"})


def rows_path(contract: Contract, operation: Operation) -> str | None:
    """The path to the nearest repeated element with elements of its own, breadth first."""
    level: list[tuple[str, Element]] = [("", operation.output)]
    for _ in range(_DEPTH):
        below: list[tuple[str, Element]] = []
        for prefix, element in level:
            for child in contract.children(element):
                kind, path = contract.type(child), prefix + local(child.name)
                if isinstance(kind, ComplexType) and kind.elements:
                    if child.many:
                        return path
                    if local(child.name).lower() not in _VERDICTS:
                        below.append((path + "/", child))
        level = below
    return None


def guess_source(contract: Contract, operation: Operation) -> Mapping[str, Any] | None:
    """A full ``source:`` block for an operation that lists rows, or None for one that doesn't."""
    rows = rows_path(contract, operation)
    if rows is None:
        return None
    row = row_element(contract, operation, rows)
    outputs = _leaves(contract, operation.output)
    source: dict[str, Any] = {"operation": operation.name, "rows": rows}
    code = next((one for one in outputs if _OK.search(one[0].rpartition("/")[2])), None)
    if code:
        allowed = code[1].facets.get("enumeration")
        good = [value for value in _OK_VALUES if isinstance(allowed, tuple) and value in allowed]
        source["ok"] = {"path": code[0], "values": good[:1] or ["0" if code[1].builtin in _INTEGERS else "OK"]}
        message = next((name for name, kind in outputs if _MESSAGE.search(name) and kind.builtin == "string" and name != code[0]), None)
        if message:
            source["message"] = message
    count = next((name for name, kind in outputs if _ROW_COUNT.search(name) and kind.builtin in _INTEGERS), None)
    if count:
        source["row_count"] = count
    elif operation.use == "encoded" and rows.endswith("/*"):
        # SOAP 1.1 §5.4.2: an encoded array states its own length.
        source["row_count"] = f"{rows.removesuffix('/*')}@arrayType"
    paging = _paging(contract, operation, row)
    if paging:
        source["paging"] = paging
        total = next((name for name, kind in outputs if _TOTAL.search(name.rpartition("/")[2]) and kind.builtin in _INTEGERS), None)
        if total and total != count:
            source["total"] = total
    changed = _changed_since(contract, operation, row)
    if changed:
        source |= changed
    counter = _counter(contract, operation)
    if counter:
        source["count"] = counter
    access = _access(contract, operation)
    if access:
        source["access"] = access
    return source


def looks_like(contract: Contract, operation: Operation, rows: str) -> Looks:
    """The paging that an operation with these rows looks like; "none" for none."""
    row = row_element(contract, operation, rows)
    kind = _paging(contract, operation, row).get("kind")
    if kind in ("bookmark", "offset", "page"):
        return kind
    stated = [name for name, _ in _leaves(contract, operation.output) if _TOKEN.search(name.rpartition("/")[2])]
    if stated:
        return "query_more" if any(_FURTHER.search(name) for name in contract.operations if name != operation.name) else "token"
    return "handles" if _hands_over(contract, operation, row) else "none"


def _hands_over(contract: Contract, operation: Operation, row: Element) -> bool:
    """Whether the rows are handles: another operation asks for a list of the very same type, and answers with rows of its own."""
    for other in contract.operations.values():
        if other.name == operation.name:
            continue
        asked = [one for child in contract.children(other.input) for one in (child, *contract.children(child))]
        if row.type.startswith("{") and any(one.many and one.type == row.type for one in asked) and rows_path(contract, other):
            return True
    return False


def _leaves(contract: Contract, element: Element) -> list[tuple[str, SimpleType]]:
    """Paths and types of single texts outside of repeated elements, two levels deep."""
    found: list[tuple[str, SimpleType]] = []
    for child in contract.children(element):
        kind = contract.type(child)
        if child.many:
            continue
        if isinstance(kind, SimpleType):
            found.append((local(child.name), kind))
        else:
            inner = [(one, contract.type(one)) for one in kind.elements if not one.many]
            found += [(f"{local(child.name)}/{local(one.name)}", simple) for one, simple in inner if isinstance(simple, SimpleType)]
    return found


def _paging(contract: Contract, operation: Operation, row: Element) -> dict[str, Any]:
    inputs = [(local(one.name), contract.type(one)) for one in contract.children(operation.input) if not one.many]
    simple = [(name, kind) for name, kind in inputs if isinstance(kind, SimpleType)]
    size = next((name for name, kind in simple if _SIZE.search(name) and kind.builtin in _INTEGERS), "")
    bookmark = next((name for name, _ in simple if "bookmark" in name.lower()), None)
    columns = [local(one.name) for one in contract.children(row) if not one.many and isinstance(contract.type(one), SimpleType)]
    start = next((name for name in columns if name.lower() == "key"), None) or next(
        (name for name in columns if "bookmark" in name.lower()), None
    )
    sized = {"size": size} if size else {}
    if bookmark and start:
        return {"kind": "bookmark", "request": bookmark, **sized, "page": 4000, "from": start}
    for kind, pattern in (("offset", r"^(offset|skip|start(_?row)?|first(_?result)?)$"), ("page", r"^page(_?(no|number|index))?$")):
        found = next((name for name, one in simple if re.search(pattern, name, re.IGNORECASE) and one.builtin in _INTEGERS), None)
        if found and size:
            return {"kind": kind, "request": found, **sized, "page": 1000}
    return {}


def _changed_since(contract: Contract, operation: Operation, row: Element) -> dict[str, Any]:
    for element in contract.children(operation.input):
        kind = contract.type(element)
        if not element.many or not isinstance(kind, ComplexType):
            continue
        names = {local(one.name).lower(): one for one in kind.elements}
        field, criteria = names.get("field"), names.get("criteria")
        if field is None or criteria is None:
            continue
        allowed = contract.simple(field.type).facets.get("enumeration")
        for column in contract.children(row):
            name, simple = local(column.name), contract.type(column)
            dated = isinstance(simple, SimpleType) and simple.builtin in _DATES
            if dated and _CHANGED.search(name) and (not isinstance(allowed, tuple) or name in allowed):
                made: dict[str, Any] = {"changed_since": {"field": name, "criteria": "{since}.."}}
                stated = {"element": local(element.name), "field": local(field.name), "criteria": local(criteria.name)}
                return made if stated == {"element": "filter", "field": "Field", "criteria": "Criteria"} else {**made, "filter": stated}
    return _asked_since(contract, operation, row)


def _asked_since(contract: Contract, operation: Operation, row: Element) -> dict[str, Any]:
    """An element of the request that takes the instant itself, where the row says when it was changed."""
    columns = [(local(one.name), contract.type(one)) for one in contract.children(row) if not one.many]
    field = next(
        (name for name, kind in columns if isinstance(kind, SimpleType) and kind.builtin in _DATES and _CHANGED.search(name)), None
    )
    for element in contract.children(operation.input) if field else ():
        name, kind = local(element.name), contract.type(element)
        if isinstance(kind, SimpleType) and not element.many and kind.builtin in _DATES and _SINCE.search(name):
            return {"changed_since": {"field": field, "request": name, "type": "date" if kind.builtin == "date" else "dateTime"}}
    return {}


def _counter(contract: Contract, operation: Operation) -> dict[str, str] | None:
    entity = entity_of(operation.name)
    for name, other in sorted(contract.operations.items()):
        bare = re.sub(r"^(get|read)?_?count_?(of)?_?|_?count$", "", name, flags=re.IGNORECASE)
        if bare == name or entity_of(bare) != entity:
            continue
        leaf = next((path for path, kind in _leaves(contract, other.output) if _COUNT.search(path) and kind.builtin in _INTEGERS), None)
        if leaf:
            return {"operation": name, "path": leaf}
    return None


def _access(contract: Contract, operation: Operation) -> dict[str, str] | None:
    for name, other in sorted(contract.operations.items()):
        rows = rows_path(contract, other) if other is not operation else None
        if rows is None:
            continue
        columns = {local(one.name): one for one in contract.children(row_element(contract, other, rows))}
        picked = {
            part: next((column for column in columns if re.search(pattern, column, re.IGNORECASE)), None)
            for part, pattern in (
                ("role", "^role|permission_?set"),
                ("entity", "^(entity|object|table|page)"),
                ("login", "^(login|user|account|member)"),
            )
        }
        role, entity, login = picked["role"], picked["entity"], picked["login"]
        if not (role and entity and login) or len(columns) > 6:
            continue
        allowed = contract.simple(columns[entity].type).facets.get("enumeration")
        known = next((one for one in allowed if entity_of(one) == entity_of(operation.name)), None) if isinstance(allowed, tuple) else None
        if isinstance(allowed, tuple) and known is None:
            continue
        return {"operation": name, "role": role, "entity": entity, "login": login, **({"is": known} if known else {})}
    return None


def guess_key(live: tuple[LiveField, ...], spec: SourceSpec) -> tuple[tuple[str, ...], list[str]]:
    """The likely key: a required code or number. XSD names no keys for replies, so this is always said to be a guess."""
    required = [one for one in live if one.required and not one.children and one.source != spec.paging.from_]
    for pattern in (r"^(No|Code|Id|ID)$", r"(^|_)(entry_?no|no|id|code)$", r"(番号|コード)$"):
        found = next((one for one in required if re.search(pattern, one.source, re.IGNORECASE)), None)
        if found:
            return (found.source,), [f"key {found.source} is a guess: check that it is unique"]
    # An update time moves with every change: as part of a key it would make each changed row a new one.
    required = [one for one in required if not _CHANGED.search(one.source)]
    return (
        (tuple(one.source for one in required), ["no likely key: all required fields together are proposed"])
        if required
        else ((), ["no likely key: choose one before the first pull"])
    )
