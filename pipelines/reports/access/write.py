"""The report as it is kept: one Delta table for each figure under ``reports/access/<system>/`` of the storage root, and the page."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.landing.storing import storing
from pipelines.reports.access.figures import FIGURES, Answer, Figure, Limits, Measured, missing, sql_of
from pipelines.reports.access.report import Report, StreamRead
from pipelines.reports.access.tables import Tables, open_tables

if TYPE_CHECKING:
    from pipelines.project import Project

#: The system columns of a figure's table: when the report was made, and the query that gave the row's table.
_MADE = "_made_at"


def make_report(project: Project, system: str, limits: Limits, top: int = 20) -> Report:
    """Answer every figure over what is published now and keep each answer whole as a Delta table. Raises as ``open_tables`` does."""
    place = f"{project.root.rstrip('/')}/reports/access/{system}"
    with storing(project.root):
        tables = open_tables(project, system)
        figures = tuple(_measure(tables, figure, limits, top, f"{place}/{figure.code}") for figure in FIGURES)
        (first,) = tables.rows("SELECT min(first_scan) AS first_scan FROM firsts")
    streams = tuple(StreamRead(pin.contract.stream, pin.snapshot.record.number, pin.read_at) for pin in tables.pins)
    return Report(
        project.name, project.environment, project.file.timezone, system, limits.now, limits, top, streams, first["first_scan"], figures,
        tuple(tables.views.items()), place, tables.roster.access_at if tables.roster else None,
    )  # fmt: skip


def _measure(tables: Tables, figure: Figure, limits: Limits, top: int, place: str) -> Measured:
    sql = sql_of(figure, limits)
    if lacking := missing(figure, tables):
        return Measured(figure, sql, None, lacking)
    answer = Answer(tables.run(sql), top)
    _keep(place, answer, limits.now)
    return Measured(figure, sql, answer.value, "", answer.columns, tuple(answer.head), place)


def _keep(place: str, answer: Answer, made_at: datetime) -> None:
    """Write the whole answer as the table's newest version, streamed; older versions stay readable beside it."""
    import pyarrow as pa
    from deltalake import write_deltalake

    at = pa.timestamp("us", tz="UTC")
    schema = pa.schema([*answer.reader.schema, pa.field(_MADE, at)])

    def stamped() -> pa.RecordBatchReader:
        made = (pa.record_batch([*batch.columns, pa.array([made_at] * batch.num_rows, at)], schema=schema) for batch in answer.batches())
        return pa.RecordBatchReader.from_batches(schema, made)

    write_deltalake(place, stamped(), mode="overwrite", schema_mode="overwrite")


def page_path(project: Project, system: str, out: Path | None) -> Path:
    """Where the page is written: ``.fortnight/access/<system>.html`` unless said otherwise."""
    return (out or project.home / "access") / f"{system}.html"


def write_page(report: Report, project: Project, out: Path | None = None) -> Path:
    """Write the HTML page and say where."""
    from pipelines.reports.access.page import render

    path = page_path(project, report.system, out)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(report), encoding="utf-8")
    return path
