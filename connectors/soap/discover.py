"""What a contract could give: each operation with its shape, and for those that list rows a ``source:`` block guessed from names and types.

Guesses are for a person to review: every one that could be wrong is said in the offer's notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from connectors.capabilities import OperationShape
from connectors.errors import FixConfiguration, SourceError
from connectors.protocol import LiveField, Offer, Stream
from connectors.soap.client import SoapClient
from connectors.soap.components import ComplexType, Contract, Element, Operation, SimpleType
from connectors.soap.config import SourceSpec
from connectors.soap.omissions import chosen, left_out, undigited
from connectors.soap.presets import sunset_at
from connectors.soap.schema import describe, fields, row_element
from connectors.soap.unasked import headers_asked, unasked
from connectors.soap.wsdl import in_words
from connectors.soap.xmltree import local, space

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


def entity_of(name: str) -> str:
    """The entity that an operation reads, in snake case: ``ReadMultiplePurchaseOrders`` → ``purchase_orders``.

    >>> entity_of("getListOfThirdParties")
    'third_parties'
    """
    bare = _VERBS.sub("", name).strip("_") or name
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", bare)
    return re.sub(r"[^0-9a-zA-Z]+", "_", words).strip("_").lower() or bare


Looks = Literal["", "none", "bookmark", "offset", "page", "token", "query_more", "handles"]
_TOKEN = re.compile(r"last_?returned|(next|continuation|page)_?(token|key)|query_?locator|search_?id|cursor$", re.IGNORECASE)
_FURTHER = re.compile(r"(more|next)(_?with_?id)?$", re.IGNORECASE)


def shapes(contract: Contract, service: str = "") -> tuple[OperationShape, ...]:
    """Every operation by name, readable or not, and those that the reading of the contract had to drop, with the reason."""
    found = [OperationShape(name, "", "", (), (), dropped=in_words(why), service=service) for name, why in contract.broken.items()]
    for name in sorted(contract.operations):
        operation = contract.operations[name]
        rows = rows_path(contract, operation) or ""
        inputs, outputs = (tuple(local(one.name) for one in contract.children(side)) for side in (operation.input, operation.output))
        form = f"{operation.version} {operation.style}/{operation.use}"
        looks = _looks(contract, operation, rows) if rows else ""
        found.append(OperationShape(name, rows, looks, inputs, outputs, form, service=service))
    return tuple(sorted(found, key=lambda shape: shape.operation))


def _looks(contract: Contract, operation: Operation, rows: str) -> Looks:
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


def offers(client: SoapClient, system: str, service: str = "") -> Iterator[Offer]:
    """One offer per operation of this service that lists rows. Streams of a further service carry its name before their own."""
    from connectors.soap.pull import count

    contract = client.contract(refresh=True)
    for name in sorted(contract.operations):
        operation = contract.operations[name]
        guessed = guess_source(contract, operation)
        if guessed is None:
            continue
        source = {**({"service": service} if service else {}), **guessed}
        spec = SourceSpec.model_validate(source)
        row = row_element(contract, operation, spec.rows)
        live = fields(contract, row)
        slug = "-".join(filter(None, (service, entity_of(name).replace("_", "-"))))
        schema = describe(
            contract, Stream(system, slug, source, (), ()), spec, client.config.wsdl, client.config.endpoint or operation.endpoint
        )
        key, notes = _key(live, spec)
        rows: int | None = None
        if spec.count:
            try:
                rows = count(client, spec)
            except (SourceError, FixConfiguration) as error:
                notes.append(f"{spec.count.operation} did not answer: {error.say('en')}")
        else:
            notes.append("no count operation: rows are counted by reading their keys")
        if not spec.paging.request:
            notes.append("no paging found: one reply must hold all rows")
        if asked := unasked(contract, operation, spec, client.config.auth):
            notes.append(f"nothing gives these elements of the request: {asked}. Constants stand in source.arguments")
        if headers := headers_asked(operation, client.config.auth):
            notes.append(f"the WSDL has headers for it: {headers}. Credentials in them stand in auth.headers, all else in source.headers")
        if spec.changed_since is None:
            notes.append("no update time to filter by: every pull reads everything")
        if spec.access is None:
            notes.append("no operation tells who may read: nobody will, until `access` is declared")
        if named := undigited(live):
            notes.append(
                f"no digits are stated for {', '.join(named)}: the proposed decimal is a guess; declare what the data needs, and under source.read `from: decimal`"
            )
            notes += _sampled(client, Stream(system, slug, source, (), ()), spec, named)
        if silent := left_out(contract, row):
            notes.append(f"not among the columns: {'; '.join(silent)}")
        notes += chosen(contract, row)
        if subtypes := contract.derived(row.type):
            notes.append(
                f"rows may be of {len(subtypes)} further types: @xsi:type as a column says which, and their elements can be columns"
            )
        notes += _probed(client, Stream(system, slug, source, (), ()), spec)
        if (sunset := sunset_at(space(operation.input.name))) is not None:
            notes.append(f"SOAP goes with {sunset.release}, on {sunset.date} at the earliest; preset {sunset.preset} is for such systems")
        looks = _looks(contract, operation, spec.rows)
        if not spec.paging.request and looks != "none":
            notes.append(f"it looks like {looks} paging, which needs your hand: declare source.paging")
        if not spec.ok:
            notes.append("no result code found: an error inside a reply that HTTP calls good can't be told from an empty list")
        if not spec.row_count:
            notes.append("the reply states no row count: a reply that leaves rows out can't be told from a whole one")
        yield Offer(
            slug,
            row_title(row),
            {**source, "fingerprint": schema.fingerprint, "revision": schema.revision},
            schema,
            key,
            spec.changed_since.field if spec.changed_since else None,
            rows,
            tuple(notes),
        )


def _probed(client: SoapClient, stream: Stream, spec: SourceSpec) -> list[str]:
    """What is wrong with the filter by update time, as the server itself shows it; nothing where it is obeyed."""
    from connectors.soap.probe import probe_filter

    if spec.changed_since is None:
        return []
    try:
        found = probe_filter(client, stream, spec)
    except (SourceError, FixConfiguration) as error:
        return [f"the filter by {spec.changed_since.field} could not be tried: {error.say('en')}"]
    if found.verdict == "ignored":
        return [f"the server ignores the filter by {spec.changed_since.field}: it gave {found.future} rows changed after the year 2100"]
    if found.verdict == "matches_nothing":
        return [f"the filter by {spec.changed_since.field} matches nothing, though there are rows: the server may read another name"]
    return []


def _sampled(client: SoapClient, stream: Stream, spec: SourceSpec, named: tuple[str, ...]) -> list[str]:
    """The digits that the fields have in one small page, with head-room; nothing where a page can't be kept small."""
    from connectors.soap.sample import digits_of

    # What lies in a part of the row needs a column of its own first.
    plain = [one for one in named if "/" not in one and "@" not in one]
    if not plain or not spec.paging.size:
        return []
    try:
        found = digits_of(client, stream, spec, plain)
    except (SourceError, FixConfiguration) as error:
        return [f"no rows could be read to see how many digits they have: {error.say('en')}"]
    told = "; ".join(f"{source}: {most.whole} before and {most.fraction} after the point, {most.roomy}" for source, most in found.items())
    return [f"digits in the first rows, and a type with room for more: {told}"] if told else []


def row_title(row: Element) -> str:
    """What a row is called; an item of an encoded array has no name of its own, but its type has."""
    return row.label or local(row.name if local(row.name) != "*" else row.type)


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


def _key(live: tuple[LiveField, ...], spec: SourceSpec) -> tuple[tuple[str, ...], list[str]]:
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
