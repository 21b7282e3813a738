"""Plans over the tiny ERP's contract and raw rows read from bytes, for the decoder's tests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from typing import Any

import pyarrow as pa
from soap_fake import SCHEMA, WSDL, WSDL_URL

from connectors.protocol import Column, Reject
from connectors.soap.bundle import fetch
from connectors.soap.components import Contract
from connectors.soap.decode import Reply, decode
from connectors.soap.plan import compile_plan
from connectors.soap.raw import Block, RawRow
from connectors.soap.steps import Plan
from connectors.soap.values import Rules, Where, batch
from connectors.soap.wsdl import read

FLAT = (
    Column("key", "Key", pa.string(), required=True),
    Column("code", "Code", pa.string(), required=True),
    Column("name", "名称", pa.string()),
    Column("grade", "Grade", pa.string()),
    Column("stock", "Stock", pa.int32()),
    Column("price", "Price", pa.decimal128(10, 2)),
    Column("currency", "Price@currency", pa.string()),
    Column("since", "Since", pa.date32()),
    Column("active", "Active", pa.bool_()),
    Column("city", "Place/City", pa.string()),
    Column("shelf", "Place/Shelf", pa.int16()),
    Column("opens", "Opens", pa.string()),
    Column("modified", "Modified", pa.timestamp("us", "UTC")),
)


@cache
def contract() -> Contract:
    def get(url: str) -> tuple[bytes, str]:
        return (WSDL if url == WSDL_URL else SCHEMA).encode(), "text/xml"

    return read(fetch(WSDL_URL, get))


@cache
def plan(columns: Sequence[Column] = FLAT) -> Plan:
    whole = contract()
    return compile_plan(
        whole, whole.operations["ReadParts"], rows="List/Part", columns=columns, scalars=("ResultCode", "ResultMessage", "RowCount")
    )


def raw(content: bytes, *, columns: Sequence[Column] = FLAT, **how: Any) -> tuple[list[RawRow], Reply, int]:
    """The raw rows, what stood around them, and how many of the rows were read by arrays."""
    rows: list[RawRow] = []
    by_arrays = 0

    def sink(block: Sequence[RawRow]) -> None:
        nonlocal by_arrays
        by_arrays += len(block) if isinstance(block, Block) else 0
        rows.extend(block)

    reply = decode(io.BytesIO(content), plan(columns), sink, **how)
    return rows, reply, by_arrays


def typed(content: bytes, *, columns: Sequence[Column] = FLAT, rules: Rules | None = None, **how: Any) -> tuple[pa.Table, list[Reject]]:
    """The typed rows and the rejects of one reply."""
    batches: list[pa.RecordBatch] = []
    rejects: list[Reject] = []
    done = 0
    compiled = plan(columns)

    def sink(block: Sequence[RawRow]) -> None:
        nonlocal done
        where = Where("ReadParts", "List/Part", done + 1)
        good, bad = batch(
            compiled.cells, block, rules or Rules(), where, key=("code",), versions=[""] * len(block), scope="s", checks=compiled.checks
        )
        batches.append(good)
        rejects.extend(bad)
        done += len(block)

    decode(io.BytesIO(content), compiled, sink, **how)
    return pa.Table.from_batches(batches), rejects
