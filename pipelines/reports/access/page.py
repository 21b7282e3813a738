"""The report as one bilingual HTML page: top rows of each figure, its query beside it, and where the whole table lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors.messages import Language, catalogue, sentence
from pipelines.reports.access.figures import SECTIONS, Measured
from pipelines.reports.access.report import Report
from pipelines.reports.html import environment, thousands

_TEMPLATE = "access/access_report.html.j2"
#: Columns of the whole table that a page has no room for: ids, and what is said inside another cell.
_HIDDEN = frozenset({"scope", "principal", "hash", "collection", "first_scan", "older"})
#: Columns whose values are words of ours and are said in both languages.
_WORDS = frozenset({"level", "kind", "how", "state", "change", "link_scope", "link_type", "publication"})

#: Columns that hold a path: they break where they must, and need room.
_PATHS = frozenset({"place", "parent_place", "path", "narrowest_place", "widest_place"})


@dataclass(frozen=True)
class Cell:
    """One cell: ``en`` is empty where the two languages say the same, ``style`` the class of the page that fits what it holds."""

    ja: str
    en: str = ""
    style: str = ""


def render(report: Report) -> str:
    """The HTML page. Styles are inside; it loads nothing and runs no script."""
    zone = ZoneInfo(report.timezone)

    def day(when: datetime | None) -> str:
        return "–" if when is None else f"{when.astimezone(zone):%Y-%m-%d}"

    def cells(row: Mapping[str, Any], columns: tuple[str, ...]) -> list[Cell]:
        return [cell_of(column, row, zone) for column in columns]

    return (
        environment()
        .get_template(_TEMPLATE)
        .render(
            report=report, made=report.made_at.astimezone(zone), first=day(report.first_scan), day=day, zone=zone, sections=SECTIONS,
            figure=report.figure, columns_of=columns_of, is_number=is_number, cells=cells, say=lambda code, lang: words(code, lang, report),
            thousands=thousands, again=command(report), place=lambda code: f"reports/access/{report.system}/{code}",
        )
    )  # fmt: skip


def columns_of(measured: Measured) -> tuple[str, ...]:
    """The columns that the page shows."""
    return tuple(column for column in measured.columns if column not in _HIDDEN)


def is_number(measured: Measured, column: str) -> bool:
    """Whether the column holds numbers, so that it stands to the right with them."""
    return any(type(row[column]) is int for row in measured.head)


def cell_of(column: str, row: Mapping[str, Any], zone: ZoneInfo) -> Cell:
    """One value for people: instants in the project's time zone, a grant's age only as far as anybody knows it, words in both languages."""
    value = row[column]
    if value is None:
        return Cell("–")
    if column == "first_observed" and row.get("older"):
        scan = {"day": f"{row['first_scan'].astimezone(zone):%Y-%m-%d}"}
        return Cell(sentence("access.older", scan, "ja"), sentence("access.older", scan, "en"), "age")
    if isinstance(value, datetime):
        return Cell(f"{value.astimezone(zone):%Y-%m-%d %H:%M}")
    if isinstance(value, bool):
        return _word(str(value).lower())
    if isinstance(value, int):
        return Cell(thousands(value), style="n")
    return _word(str(value)) if column in _WORDS else Cell(str(value), style="path" if column in _PATHS else "")


def _word(value: str) -> Cell:
    code = f"access.value.{value.replace(' ', '_')}"
    return Cell(sentence(code, lang="ja"), sentence(code, lang="en"), "word") if code in catalogue() else Cell(value)


def words(code: str, lang: Language, report: Report) -> str:
    """A sentence of the report with its limits filled in."""
    limits = report.limits
    return sentence(f"access.{code}", {"years": limits.stale_years, "megabytes": f"{limits.oversized_mb:,}"}, lang)


def command(report: Report) -> str:
    """The command that makes exactly this report again."""
    limits = report.limits
    parts = ["fortnight access report", report.system]
    parts += [f"--stale-years {limits.stale_years}", f"--oversized-mb {limits.oversized_mb}", f"--top {report.top}", "--json"]
    return " ".join(parts)
