"""The figures of the report: which there are, what each needs to be measured, and the one SQL text that is both run and printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any

from pipelines.reports.access.tables import Tables

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Figure:
    """One figure. ``code`` names its query (``queries/<code>.sql``) and its sentences; ``needs`` are the tables and columns without which
    nothing can be said. ``alarm``: a number above zero is something to look at, not just a size."""

    code: str
    needs: tuple[str, ...] = ()
    alarm: bool = False

    @property
    def template(self) -> str:
        return _text(self.code)


#: The report, section by section, in the order of the page.
SECTIONS: Mapping[str, tuple[Figure, ...]] = {
    "reach": (
        Figure("streams", ("scopes",)),
        Figure("agreement", ("agreement",)),
        Figure("widest", ("scopes", "members")),
        Figure("reach", ("scopes", "members", "accounts")),
    ),
    "oversharing": (
        Figure("everyone", ("scopes", "grants"), alarm=True),
        Figure("open_links", ("scopes", "grants"), alarm=True),
        Figure("links", ("grants",)),
        Figure("guest_links", ("scopes", "grants", "members"), alarm=True),
        Figure("guests", ("members", "accounts"), alarm=True),
    ),
    "inheritance": (
        Figure("inheritance", ("scopes.parent", "grants")),
        Figure("drift", ("scopes.parent", "grants")),
        Figure("reinherit", ("scopes.parent", "grants")),
    ),
    "orphans": (
        Figure("unresolved", ("scopes",), alarm=True),
        Figure("orphans", ("grants",), alarm=True),
        Figure("disabled", ("accounts", "members", "grants"), alarm=True),
        Figure("empty_groups", ("grants", "members"), alarm=True),
        Figure("admins", ("grants",)),
        Figure("ownerless", ("scopes", "grants", "members"), alarm=True),
    ),
    "content": (
        Figure("audiences", ("items.hash", "scopes"), alarm=True),
        Figure("duplicates", ("items.hash",)),
        Figure("stale", ("items.modified_at",)),
        Figure("oversized", ("items.size",)),
        Figure("versions", ("versions",)),
        Figure("checked_out", ("items.publication",), alarm=True),
    ),
    "history": (Figure("changes", ("grants",)),),
}
FIGURES: tuple[Figure, ...] = tuple(figure for figures in SECTIONS.values() for figure in figures)


@dataclass(frozen=True)
class Limits:
    """What stale and oversized mean here, and when it is now (aware UTC)."""

    now: datetime
    stale_years: int = 3
    oversized_mb: int = 100

    def values(self) -> Mapping[str, str]:
        """The limits as SQL."""
        now = self.now.astimezone(UTC)
        day = 28 if (now.month, now.day) == (2, 29) else now.day
        before = now.replace(year=now.year - self.stale_years, day=day, hour=0, minute=0, second=0, microsecond=0)
        return {"now": _instant(now), "stale_before": _instant(before), "oversized_bytes": str(self.oversized_mb * 1_000_000)}


@dataclass(frozen=True)
class Measured:
    """A figure with its answer. ``value`` is how many rows the query gives, None where ``missing`` names what no stream has; ``head`` the
    first rows of them, ``table`` where all lie."""

    figure: Figure
    sql: str
    value: int | None
    missing: str = ""
    columns: tuple[str, ...] = ()
    head: tuple[Mapping[str, Any], ...] = ()
    table: str = ""

    @property
    def code(self) -> str:
        return self.figure.code


@dataclass
class Answer:
    """A query being answered: batches go through to whoever keeps them; counted and, for the first ``top`` rows, kept on the way."""

    reader: pa.RecordBatchReader
    top: int
    value: int = 0
    head: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.reader.schema.names)

    def batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self.reader:
            self.value += batch.num_rows
            if len(self.head) < self.top:
                self.head += batch.slice(0, self.top - len(self.head)).to_pylist()
            yield batch


def sql_of(figure: Figure, limits: Limits) -> str:
    """The query with today's limits written into it: run again later, it counts by the same ones."""
    return Template(figure.template).substitute(limits.values())


def missing(figure: Figure, tables: Tables) -> str:
    """The first of its needs that no stream has, empty where all are there."""
    return next((need for need in figure.needs if not tables.has(need)), "")


@cache
def _text(code: str) -> str:
    return resources.files("pipelines.reports.access").joinpath("queries", f"{code}.sql").read_text(encoding="utf-8").strip()


def _instant(when: datetime) -> str:
    return f"arrow_cast('{when.isoformat(timespec='seconds')}', 'Timestamp(Microsecond, Some(\"UTC\"))')"
