"""The chain's rows as the columns of its table, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, cast

import pyarrow as pa

from pipelines.evidence.chain import SCHEMA, ChainRow, Entry, canonical
from pipelines.evidence.claims import BALANCE, CHECKS, CONTRACT, ENDPOINT, INSTANT, Balance, CheckVerdict, ContractRef, Endpoint
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.reasons import Reason

STRING = pa.string()
#: ``params`` is canonical JSON text: reasons carry different parameters, and a column needs one type.
_REASONS = pa.list_(pa.struct([("code", STRING), ("params", STRING)]))
COLUMNS = pa.schema(
    [
        ("schema", STRING),
        ("seq", pa.int64()),
        ("prev", STRING),
        ("hash", STRING),
        ("kind", STRING),
        ("environment", STRING),
        ("clock", STRING),
        ("subject", STRING),
        ("day", pa.date32()),
        ("slot", INSTANT),
        ("trigger", STRING),
        ("pull_id", STRING),
        ("run_id", STRING),
        ("root_run_id", STRING),
        ("tick", STRING),
        ("started_at", INSTANT),
        ("finished_at", INSTANT),
        ("outcome", STRING),
        ("checks", CHECKS),
        ("balance", BALANCE),
        ("contract", CONTRACT),
        ("endpoint", ENDPOINT),
        ("code_version", STRING),
        ("verdict", STRING),
        ("reasons", _REASONS),
        ("actor", STRING),
        ("signature", STRING),
    ]
)
#: Every column, in the order of a row.
NAMES = tuple(COLUMNS.names)


def table_of(rows: Sequence[ChainRow]) -> pa.Table:
    """Rows as the ledger's columns."""
    return pa.Table.from_pylist([_columns(row) for row in rows], schema=COLUMNS)


def rows_of(table: pa.Table) -> Iterator[ChainRow]:
    """The rows of ``Ledger.columns`` with all ``NAMES``. One that does not even parse raises LedgerBroken."""
    yield from parsed(cast(list[dict[str, Any]], table.to_pylist()))


def parsed(listed: Iterable[Mapping[str, Any]]) -> Iterator[ChainRow]:
    """Rows as the table holds them. One that does not even parse raises LedgerBroken."""
    for columns in listed:
        try:
            yield row_of(columns)
        except (ValueError, TypeError, KeyError) as problem:
            raise LedgerBroken("ledger.broken", seq=columns.get("seq"), why=type(problem).__name__) from problem


def _columns(row: ChainRow) -> dict[str, Any]:
    entry = row.entry
    return {
        "schema": SCHEMA,
        "seq": row.seq,
        "prev": row.prev,
        "hash": row.hash,
        **{part.name: getattr(entry, part.name) for part in fields(entry)},
        "checks": [asdict(check) for check in entry.checks],
        "balance": asdict(entry.balance) if entry.balance else None,
        "contract": asdict(entry.contract) if entry.contract else None,
        "endpoint": asdict(entry.endpoint) if entry.endpoint else None,
        "reasons": [{"code": each.code, "params": canonical(dict(each.params)).decode()} for each in entry.reasons],
    }


def row_of(columns: Mapping[str, Any]) -> ChainRow:
    """The row as written. Anything the writer could not have written is a ValueError, TypeError or KeyError."""
    rest = dict(columns)
    if rest.pop("schema") != SCHEMA:
        raise ValueError("written by another version")
    seq, prev, own = rest.pop("seq"), rest.pop("prev"), rest.pop("hash")
    rest["checks"] = tuple(CheckVerdict(**check) for check in rest["checks"])
    rest["balance"] = Balance(**rest["balance"]) if rest["balance"] else None
    rest["contract"] = ContractRef(**rest["contract"]) if rest["contract"] else None
    rest["endpoint"] = Endpoint(**rest["endpoint"]) if rest["endpoint"] else None
    rest["reasons"] = reasons_of(rest["reasons"])
    return ChainRow(Entry(**rest), seq, prev, own)


def reasons_of(listed: Iterable[Mapping[str, str]]) -> tuple[Reason, ...]:
    """Reasons as the table holds them."""
    return tuple(Reason(each["code"], _params(each["params"])) for each in listed)


def _params(text: str) -> dict[str, Any]:
    params = json.loads(text)
    if not isinstance(params, dict) or canonical(params).decode() != text:
        raise ValueError("reason parameters are not canonical JSON")
    return cast(dict[str, Any], params)
