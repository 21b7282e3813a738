"""The script that a coverage-guided fuzzer runs in a process of its own: bytes to the SOAP decoder, rows against the reference model.

Arguments are libFuzzer's. It is started by ``test_soap_coverage.py``; by hand: ``python tests/faults/soap_fuzz_target.py -runs=100000 FOLDER``.
"""

from __future__ import annotations

import io
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import atheris

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "connectors" / "soap"), str(Path(__file__).resolve().parents[2])]

with atheris.instrument_imports(include=["connectors.soap"]):
    import pyarrow as pa
    import test_soap_captures as captures
    from soap_oracle import Failure, Field, Rows, Shape, Step, judge
    from soap_oracle_types import Facets, Kind
    from soap_replies import FLAT, plan

    from connectors.protocol import Column
    from connectors.soap.bundle import fetch
    from connectors.soap.decode import IncompleteXml, NotSoap, RawRow, decode
    from connectors.soap.multiref import Referred, resolved
    from connectors.soap.plan import compile_plan
    from connectors.soap.steps import Plan
    from connectors.soap.values import Rules, Where, batch
    from connectors.soap.wsdl import read
    from connectors.soap.xmltree import BrokenXml, UnsafeXml

#: What a reply may cost beyond the imports, in megabytes.
_ROOM = 200
_LIST = Step("List", required=False)
_PRICE = Facets(total_digits=10, fraction_digits=2)


def _optional(name: str) -> Step:
    return Step(name, required=False)


#: ``soap_replies.FLAT`` as the reference model knows it.
SHAPE = Shape(
    "urn:parts",
    "ReadParts_Result",
    ("List", "Part"),
    (
        Field("key", (Step("Key"),), Kind("string"), required=True),
        Field("code", (Step("Code"),), Kind("string"), required=True),
        Field("name", (Step("名称", required=False, nillable=True),), Kind("string")),
        Field("grade", (_optional("Grade"),), Kind("string", Facets(enumeration=("A", "B")))),
        Field("stock", (Step("Stock", required=False, nillable=True),), Kind("int")),
        Field("price", (_optional("Price"),), Kind("decimal", _PRICE, (10, 2))),
        Field("currency", (_optional("Price"),), Kind("string"), attribute="currency"),
        Field("since", (_optional("Since"),), Kind("date")),
        Field("active", (_optional("Active"),), Kind("boolean")),
        Field("city", (_optional("Place"), Step("City")), Kind("string")),
        Field("shelf", (_optional("Place"), Step("Shelf", nillable=True)), Kind("short")),
        Field("opens", (_optional("Opens"),), Kind("time")),
        Field("modified", (_optional("Modified"),), Kind("dateTime")),
    ),
    row_types=("{urn:parts}Part",),
)


def encoded_plan() -> Plan:
    """The list of a PHP ERP, as SOAP-ENC array."""
    contract = read(fetch(captures.URL, lambda _: (captures.WSDL.encode(), "text/xml")))
    columns = (Column("id", "id", FLAT[0].type, required=True), Column("ref", "ref", FLAT[0].type), Column("town", "town", FLAT[0].type))
    return compile_plan(
        contract,
        contract.operations["getListOfThirdParties"],
        rows="thirdparties/*",
        columns=columns,
        scalars=("result/result_code", "thirdparties@arrayType"),
    )


PLANS = (plan(), encoded_plan())


def read_by(the: Plan, content: bytes, **how: Any) -> tuple[list[dict[str, Any]], list[str], Any] | None:
    """Rows, the blamed columns and what stood around; None for a reply that is refused. Any other exception is a find."""
    rows: list[dict[str, Any]] = []
    blamed: list[str] = []
    key = (the.cells[0].column.name,)

    def sink(block: Sequence[RawRow]) -> None:
        good, bad = batch(
            the.cells, block, Rules(), Where("R", the.rows, 1), key=key, versions=[""] * len(block), scope="", checks=the.checks
        )
        rows.extend(good.select([cell.column.name for cell in the.cells]).to_pylist())
        blamed.extend(one.column for one in bad)

    try:
        try:
            said = decode(io.BytesIO(content), the, sink, **how)
        except Referred:
            rows.clear()
            blamed.clear()
            said = decode(resolved(io.BytesIO(content)), the, sink, **how)
    except (BrokenXml, UnsafeXml, NotSoap, IncompleteXml):
        return None
    return None if said.fault is not None or said.missing else (rows, blamed, said.scalars)


def one(data: bytes) -> None:
    for the in PLANS:
        by_events = read_by(the, data, arrays=False)
        by_arrays = read_by(the, data, head=200, chunk=5000)
        assert repr(by_events) == repr(by_arrays), "arrays and events read different rows"
        if the is not PLANS[0] or by_events is None:
            continue
        expected = judge(data, SHAPE)
        assert not isinstance(expected, Failure), f"rows out of a reply that is refused: {expected.why}"
        if isinstance(expected, Rows):
            assert repr(by_events[0]) == repr([_as_arrow(dict(row)) for row in expected.rows]), "other rows than the reference model's"
            assert len(by_events[1]) == len(expected.rejected), "other rejects than the reference model's"
            assert all(column in wanted.columns for column, wanted in zip(by_events[1], expected.rejected, strict=True))


def _as_arrow(row: dict[str, Any]) -> dict[str, Any]:
    """The model's values written as Arrow gives them back: the scale of the column, its time zone object."""
    batch_ = pa.RecordBatch.from_pylist([row], schema=pa.schema([(column.name, column.type) for column in FLAT]))
    return batch_.to_pylist()[0]


def main() -> None:
    # libFuzzer compares the peak, and so does this: Linux counts it in kilobytes.
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    atheris.Setup([*sys.argv, f"-rss_limit_mb={base + _ROOM}"], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
