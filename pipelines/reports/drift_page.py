"""The page for who owns a source: what changed there, what that does, what the pipeline did about it, and how to say yes. Both languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.capabilities import Deployed
from connectors.errors import FixConfiguration
from connectors.messages import Language, sentence
from expectations.changes import Change, Drift
from expectations.contract import Contract
from pipelines.consumers import Use
from pipelines.landing.published import Published
from pipelines.project import Project
from pipelines.reports.html import environment

_TEMPLATE = "drift_page.html.j2"


@dataclass(frozen=True)
class _Row:
    """One change as the page shows it: codes of the catalogue for what it is, does and leads to."""

    change: Change

    @property
    def label(self) -> str:
        return self.change.label or self.change.path

    def say(self, what: str, lang: Language) -> str:
        return sentence(f"drift.{what}.{getattr(self.change, what)}", lang=lang)

    def value(self, text: str, lang: Language) -> str:
        if self.change.kind == "required" and text in ("required", "optional", "nillable"):
            return sentence(f"drift.value.{text}", lang=lang)
        return text or "–"


def render(
    project: Project,
    contract: Contract,
    drift: Drift,
    used: Sequence[Use],
    by: Deployed | None,
    record: Published | None,
    now: datetime,
    *,
    preview: bool = False,
) -> str:
    """The HTML page. Styles are inside; it loads nothing and runs no script. Times are the project's."""
    zone = ZoneInfo(project.file.timezone)

    def time(at: datetime) -> str:
        return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")

    return environment().get_template(_TEMPLATE).render(
        project=project.name,
        zone=project.file.timezone,
        contract=contract,
        rows=[_Row(change) for change in drift.changes],
        blocking=len(drift.blocking),
        breaks=any(change.effect in ("breaks", "misleads") for change in drift.blocking),
        used=used,
        deployed=(by.by, time(by.at)) if by else None,
        published=(record.number, time(datetime.fromisoformat(record.published_at))) if record else None,
        now=time(now),
        preview=preview,
    )  # fmt: skip


def save(path: Path, page: str) -> None:
    """Raises FixConfiguration where the page can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise FixConfiguration("page.unwritable", path=str(path), reason=error.strerror or str(error)) from error
