"""Writing records: values checked by type, lookups copied, CALC fields computed, revisions guarded. All of a request or none of it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from infra.sandbox.kintone.call import Answer, Call, integer, json_answer
from infra.sandbox.kintone.directory import GROUP_NAMES, NAMES, ORGANISATION_NAMES, REGISTER
from infra.sandbox.kintone.errors import KintoneError, invalid
from infra.sandbox.kintone.files import take
from infra.sandbox.kintone.forms import LIST_TYPES, Field
from infra.sandbox.kintone.matching import parse_date, parse_datetime, parse_time
from infra.sandbox.kintone.store import App, Record, minute

MAX_RECORDS = 100
_COMPUTED = frozenset({"CALC", "REFERENCE_TABLE", "RECORD_NUMBER", "STATUS", "STATUS_ASSIGNEE", "CATEGORY"})
_STAMPED = frozenset({"CREATOR", "MODIFIER", "CREATED_TIME", "UPDATED_TIME"})


def post_record(call: Call) -> Answer:
    app = call.app("recordAddable")
    added = _add(call, app, [(call.params.get("record") or {}, "record")])[0]
    _tell(call, app, "ADD_RECORD", added)
    return json_answer({"id": str(added.id), "revision": str(added.revision)})


def post_records(call: Call) -> Answer:
    app = call.app("recordAddable")
    sent = call.items("records", most=MAX_RECORDS, required=True)
    added = _add(call, app, [(one, f"records[{place}]") for place, one in enumerate(sent)])
    return json_answer({"ids": [str(one.id) for one in added], "revisions": [str(one.revision) for one in added]})


def put_record(call: Call) -> Answer:
    app = call.app("recordEditable")
    record = _edit(call, app, [(call.params, "")])[0]
    _tell(call, app, "UPDATE_RECORD", record)
    return json_answer({"revision": str(record.revision)})


def put_records(call: Call) -> Answer:
    app = call.app("recordEditable")
    sent = call.items("records", most=MAX_RECORDS, required=True)
    if call.flag("upsert"):
        return _upserted(call, app, sent)
    edited = _edit(call, app, [(one, f"records[{place}].") for place, one in enumerate(sent)])
    return json_answer({"records": [{"id": str(one.id), "revision": str(one.revision)} for one in edited]})


def _upserted(call: Call, app: App, sent: list[Any]) -> Answer:
    """Records named by an updateKey that nothing has are added; the others are changed. All or none."""
    call.check(app, "recordAddable")
    new: list[int] = []
    for place, one in enumerate(sent):
        try:
            _addressed(app, one if isinstance(one, dict) else {}, f"records[{place}].")
        except KintoneError as error:
            if error.code != "GAIA_RE01" or not one.get("updateKey"):
                raise
            new.append(place)
    old = [(one, f"records[{place}].") for place, one in enumerate(sent) if place not in new]
    cells: list[tuple[Any, str]] = []
    for place in new:
        key = sent[place]["updateKey"]
        cells.append(((sent[place].get("record") or {}) | {str(key["field"]): {"value": key["value"]}}, f"records[{place}].record"))
    ready = _checked_edits(call, app, old)
    added = dict(zip(new, _add(call, app, cells), strict=True))
    edited = iter(_save(call, app, ready))
    kept = [(added[place], "INSERT") if place in added else (next(edited), "UPDATE") for place in range(len(sent))]
    return json_answer({"records": [{"id": str(one.id), "revision": str(one.revision), "operation": what} for one, what in kept]})


def delete_records(call: Call) -> Answer:
    app = call.app("recordDeletable")
    numbers = [integer(one, f"ids[{place}]") for place, one in enumerate(call.items("ids", most=MAX_RECORDS, required=True))]
    revisions = call.items("revisions", most=MAX_RECORDS)
    rights = call.rights(app)
    for place, number in enumerate(numbers):
        record = app.records.get(number)
        if record is None:
            raise KintoneError("GAIA_RE01", {"id": number})
        if not rights.of(record).deletable:
            raise KintoneError("CB_NO02")
        if place < len(revisions):
            _guard(record, revisions[place])
    for number in dict.fromkeys(numbers):
        app.remove(number)
    return json_answer({})


def put_status(call: Call) -> Answer:
    """Run one process action. It counts two revisions, as on the real service."""
    app = call.app("recordEditable")
    number = call.number("id")
    record = app.records.get(number)
    if record is None:
        raise KintoneError("GAIA_RE01", {"id": number})
    _guard(record, call.params.get("revision"))
    if not call.rights(app).of(record).editable:
        raise KintoneError("CB_NO02")
    name = call.text("action")
    target = [to for action, state, to in app.process.actions if action == name and state == record.values["ステータス"]]
    if not app.process.enabled or not target:
        raise KintoneError("GAIA_ST02")
    assignee = REGISTER.stable(call.text("assignee", ""))
    if assignee and assignee not in NAMES:
        raise invalid("assignee", "user", value=assignee)
    record.values["ステータス"] = target[0]
    record.values["作業者"] = [assignee] if assignee else []
    app.changed(record, by=call.caller.code, at=call.domain.clock.now(), steps=2)
    _tell(call, app, "UPDATE_STATUS", record)
    return json_answer({"revision": str(record.revision)})


def put_assignees(call: Call) -> Answer:
    """Who the work lies with; one revision."""
    app = call.app("recordEditable")
    number = call.number("id")
    record = app.records.get(number)
    if record is None:
        raise KintoneError("GAIA_RE01", {"id": number})
    _guard(record, call.params.get("revision"))
    if not app.process.enabled:
        raise KintoneError("GAIA_ST02")
    if not call.rights(app).of(record).editable:
        raise KintoneError("CB_NO02")
    codes = [REGISTER.stable(code) for code in call.texts("assignees", most=100)]
    for place, code in enumerate(codes):
        if code not in NAMES:
            raise invalid(f"assignees[{place}]", "user", value=code)
    record.values["作業者"] = codes
    app.changed(record, by=call.caller.code, at=call.domain.clock.now())
    return json_answer({"revision": str(record.revision)})


def _tell(call: Call, app: App, event: str, record: Record) -> None:
    """Webhooks hear of single saves; of bulk operations they hear nothing."""
    if app.tell is not None:
        app.tell(event, app, record, call.caller.code)


def _add(call: Call, app: App, sent: list[tuple[Any, str]]) -> list[Record]:
    now = minute(call.domain.clock.now())
    ready: list[dict[str, Any]] = []
    for cells, path in sent:
        values: dict[str, Any] = {one.key: one.empty() for one in app.fields}
        values |= {"作成者": call.caller.code, "更新者": call.caller.code, "作成日時": now, "更新日時": now}
        if app.process.enabled:
            values |= {"ステータス": app.process.states[0], "作業者": []}
        values |= _read(call, app, cells, path, stamps=True)
        _copy_lookups(call, app, values, frozenset(values), path)
        _check(app, values, path, None, ready)
        ready.append(values)
    return [app.add(app.fill(values)) for values in ready]


def _edit(call: Call, app: App, sent: list[tuple[Any, str]]) -> list[Record]:
    return _save(call, app, _checked_edits(call, app, sent))


def _checked_edits(call: Call, app: App, sent: list[tuple[Any, str]]) -> list[tuple[Record, dict[str, Any]]]:
    rights = call.rights(app)
    ready: list[tuple[Record, dict[str, Any]]] = []
    for change, path in sent:
        if not isinstance(change, dict):
            raise invalid(path.rstrip("."), "required")
        record = _addressed(app, change, path)
        _guard(record, change.get("revision"))
        if not rights.of(record).editable:
            raise KintoneError("CB_NO02")
        values = _read(call, app, change.get("record") or {}, f"{path}record", stamps=False)
        if any(rights.accessibility(code, record) != "WRITE" for code in change.get("record") or {}):
            raise KintoneError("CB_NO02")
        _copy_lookups(call, app, values, frozenset(values), f"{path}record")
        _check(app, record.values | values, f"{path}record", record, [])
        ready.append((record, values))
    return ready


def _save(call: Call, app: App, ready: list[tuple[Record, dict[str, Any]]]) -> list[Record]:
    for record, values in ready:
        record.values |= values
        app.fill(record.values)
        app.changed(record, by=call.caller.code, at=call.domain.clock.now())
    return [record for record, _ in ready]


def _addressed(app: App, change: dict[str, Any], path: str) -> Record:
    key = change.get("updateKey")
    if key is None:
        if change.get("id") is None:
            raise invalid(f"{path}id", "required")
        number = integer(change["id"], f"{path}id")
        record = app.records.get(number)
        if record is None:
            raise KintoneError("GAIA_RE01", {"id": number})
        return record
    found = app.find(str(key.get("field"))) if isinstance(key, dict) else None
    if found is None or found[1] is not None or not found[0].unique:
        raise KintoneError("GAIA_UN03")
    for record in app.records.values():
        if record.values.get(found[0].key) == str(key.get("value")):
            return record
    raise KintoneError("GAIA_RE01", {"id": key.get("value")})


def _guard(record: Record, revision: Any) -> None:
    if revision not in (None, "", -1, "-1") and integer(revision, "revision") != record.revision:
        raise KintoneError("GAIA_CO02")


def _read(call: Call, app: App, cells: Any, path: str, *, stamps: bool) -> dict[str, Any]:
    """The stored values of sent cells. Unknown codes and computed fields are ignored, as the service does."""
    if not isinstance(cells, dict):
        raise invalid(path, "required")
    values: dict[str, Any] = {}
    for one in app.fields:
        cell = cells.get(one.code)
        if not isinstance(cell, dict) or "value" not in cell or one.type in _COMPUTED:
            continue
        where = f"{path}.{one.code}.value"
        if one.type in _STAMPED:
            if stamps:
                call.check(app, "appEditable")
                values[one.key] = _stamp(one, cell["value"], where)
        elif one.type == "SUBTABLE":
            values[one.key] = [_row(app, one, row, f"{where}[{place}]") for place, row in enumerate(_list(cell["value"], where))]
        elif one.type == "FILE":
            values[one.key] = _files(call, app, cell["value"], where)
        else:
            values[one.key] = _value(one, cell["value"], where)
    return values


def _files(call: Call, app: App, value: Any, path: str) -> list[dict[str, str]]:
    keys = [(entry or {}).get("fileKey") if isinstance(entry, dict) else None for entry in _list(value, path)]
    return [take(call, app.key, key, f"{path}[{place}].fileKey") for place, key in enumerate(keys)]


def _row(app: App, table: Field, row: Any, path: str) -> tuple[int, dict[str, Any]]:
    cells = row.get("value") if isinstance(row, dict) else None
    if not isinstance(cells, dict):
        raise invalid(path, "required")
    values: dict[str, Any] = {}
    for cell in table.inner:
        sent = cells.get(cell.code)
        given = isinstance(sent, dict) and "value" in sent and cell.type not in _COMPUTED
        values[cell.key] = _value(cell, sent["value"], f"{path}.value.{cell.code}.value") if given and sent else cell.empty()
    # A row without its id is a new row, even where it looks like an old one.
    return (integer(row["id"], f"{path}.id"), values) if row.get("id") else app.row(values)


def _value(one: Field, value: Any, path: str) -> Any:
    kind = one.type
    if kind in LIST_TYPES:
        return _choices(one, _list(value, path), path)
    if value is None or value == "":
        return one.empty()
    if kind == "NUMBER":
        return _plain_number(value, path)
    if not isinstance(value, str):
        raise invalid(path, "text")
    if kind in ("RADIO_BUTTON", "DROP_DOWN") and value not in one.options:
        raise invalid(path, "option", value=value)
    if kind == "DATE":
        return parse_date(value, path)
    if kind == "TIME":
        return parse_time(value, path)
    if kind == "DATETIME":
        return parse_datetime(value, path)[:16] + ":00Z"
    return value


def _choices(one: Field, value: list[Any], path: str) -> list[Any]:
    if one.type in ("CHECK_BOX", "MULTI_SELECT"):
        for name in value:
            if name not in one.options:
                raise invalid(path, "option", value=name)
        return list(value)
    known = {"ORGANIZATION_SELECT": ORGANISATION_NAMES, "GROUP_SELECT": GROUP_NAMES}.get(one.type, NAMES)
    codes = [entry.get("code") if isinstance(entry, dict) else entry for entry in value]
    if known is NAMES:
        codes = [REGISTER.stable(str(code)) for code in codes]
    for code in codes:
        if code not in known:
            raise invalid(path, "user", value=code)
    return codes


def _plain_number(value: Any, path: str) -> str:
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise invalid(path, "number") from error
    if isinstance(value, bool) or not number.is_finite() or abs(number.adjusted()) > 60:
        raise invalid(path, "number")
    return format(number, "f")


def _stamp(one: Field, value: Any, path: str) -> str:
    if one.type in ("CREATED_TIME", "UPDATED_TIME"):
        return parse_datetime(str(value), path)[:16] + ":00Z"
    code = REGISTER.stable(str(value.get("code") if isinstance(value, dict) else value))
    if code not in NAMES:
        raise invalid(path, "user", value=code)
    return str(code)


def _list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise invalid(path, "list")
    return value


def _check(app: App, values: dict[str, Any], path: str, own: Record | None, others: list[dict[str, Any]]) -> None:
    """Hold values to required and unique; ``others`` are records to be made by the same request."""
    for one in app.fields:
        value = values.get(one.key)
        if one.required and value in (None, "", []):
            raise invalid(f"{path}.{one.code}.value", "required")
        if one.unique and value:
            twins = [record for record in app.records.values() if record is not own and record.values.get(one.key) == value]
            if twins or any(other.get(one.key) == value for other in others):
                raise invalid(f"{path}.{one.code}.value", "unique")


def _copy_lookups(call: Call, app: App, values: dict[str, Any], sent: frozenset[str], path: str) -> None:
    for one in app.fields:
        if one.lookup is None or one.key not in sent or not values.get(one.key):
            continue
        code, key, mappings = one.lookup
        master = call.domain.app_of(code)
        source = next((record for record in master.records.values() if record.values.get(key) == values[one.key]), None)
        if source is None:
            raise KintoneError("GAIA_LO04", {"value": values[one.key]}, {f"{path}.{one.code}.value": ("user", {"value": values[one.key]})})
        # What is copied is a snapshot: a later change in the master leaves it as it is.
        for here, there in mappings:
            values[here] = source.values.get(there, "")
