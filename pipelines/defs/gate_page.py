"""What an operator reads on an index's check and asset pages: numbers that plot, the days as letters, the reasons with their runbook sections."""

from __future__ import annotations

import dagster as dg

from connectors.messages import sentence
from pipelines.defs.calendar_picture import CalendarRow, as_markdown, strip_markdown
from pipelines.defs.checks import table_schema
from pipelines.evidence.gate import GateState
from pipelines.evidence.reasons import Reason
from pipelines.evidence.spans import LETTERS
from pipelines.project import Project
from pipelines.reports.readable import readable
from pipelines.reports.runbook import link_of, section_of

#: Sections of the runbook shown in place; a page of more is a book.
_SECTIONS = 5


def calendar_rows(state: GateState) -> list[CalendarRow]:
    return [CalendarRow(stream.stream, tuple(stream.days), stream.green_days) for stream in state.streams]


def calendar_metadata(state: GateState) -> dict[str, dg.MetadataValue]:
    """Of the asset page: where the index stands, as a picture and as numbers that plot."""
    return {
        "green_days": dg.MetadataValue.int(state.green_days),
        "required_days": dg.MetadataValue.int(state.required_days),
        "eligibility": dg.MetadataValue.text(state.eligibility),
        "fortnight": dg.MetadataValue.md(strip_markdown(calendar_rows(state))),
        "calendar_picture": dg.MetadataValue.md(as_markdown(calendar_rows(state), state.required_days)),
    }


def state_metadata(project: Project, state: GateState) -> dict[str, dg.MetadataValue]:
    """Of the check page: the day-by-day table, what stands in the way, and what to do about it."""
    days = sorted({day for stream in state.streams for day, _ in stream.days})
    names = ["stream", "green", *[f"{day:%m-%d}" for day in days]]
    table: list[dg.TableRecord] = []
    for row in calendar_rows(state):
        known = dict(row.days)
        cells = {f"{day:%m-%d}": LETTERS.get(known[day], "?") if day in known else "" for day in days}
        table.append(dg.TableRecord({"stream": row.stream, "green": f"{row.green_days} of {state.required_days}", **cells}))
    reasons = _reasons(state)
    return {
        **calendar_metadata(state),
        "streams_ready": dg.MetadataValue.int(sum(1 for stream in state.streams if stream.green_days >= state.required_days)),
        "calendar": dg.MetadataValue.table(table, schema=table_schema(names)),
        "letters": dg.MetadataValue.text("G green · R red · – missing · E excused · · not sealed"),
        "reasons": dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "about": about,
                        "code": reason.code,
                        "reason": sentence(
                            reason.code, {name: readable(value, project.file.timezone) for name, value in reason.params.items()}
                        ),
                        "runbook": _where(project, state, reason),
                    }
                )
                for about, reason in reasons
            ],
            schema=table_schema(["about", "code", "reason", "runbook"]),
        ),
        **_runbook(project, state, reasons),
    }


def _reasons(state: GateState) -> list[tuple[str, Reason]]:
    """Why it is not eligible, and for each stream what last set its count back."""
    found = [(state.index, reason) for reason in state.reasons]
    return found + [(stream.stream, stream.last_reason) for stream in state.streams if stream.last_reason is not None]


def _where(project: Project, state: GateState, reason: Reason) -> str:
    return link_of(project.index(state.index).runbook, reason.code)


def _runbook(project: Project, state: GateState, reasons: list[tuple[str, Reason]]) -> dict[str, dg.MetadataValue]:
    """A link for each code where the runbook has an address; its section itself where it is a file that no browser reaches."""
    runbook, found = project.index(state.index).runbook, dict[str, dg.MetadataValue]()
    for code in list(dict.fromkeys(reason.code for _, reason in reasons))[:_SECTIONS]:
        if "://" in runbook:
            found[f"runbook {code}"] = dg.MetadataValue.url(link_of(runbook, code))
        elif text := section_of(project.folder / runbook if runbook else None, code):
            found[f"runbook {code}"] = dg.MetadataValue.md(text)
    return found
