"""The runbook: where the section of a reason code stands, and which codes a runbook must have a section for."""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.evidence.reasons import CODES

#: Codes that stand beside a good day or say what somebody did: nothing is to be done about them.
QUIET = frozenset(
    {
        "seal.healed",
        "seal.excused_window",
        "seal.no_slots",
        "seal.judged_under",
        "gate.policy_set",
        "gate.policy_terms",
        "gate.configured",
        "gate.first_day_open",
        "gate.nothing_pulled",
    }
)
_HEADING = re.compile(r"(#{1,6})\s+(.*)")


def red_codes() -> tuple[str, ...]:
    """Every code that can keep a day from being green, or an index from being eligible, in order."""
    return tuple(code for code in CODES if code.split(".")[0] in ("seal", "gate", "ledger") and code not in QUIET)


def anchor(code: str) -> str:
    """The anchor of a heading that is the code, as GitHub, GitLab and Azure DevOps make it: lower case, without dots."""
    return code.lower().replace(".", "")


def link_of(runbook: str, code: str) -> str:
    """Where to read what to do: the runbook's address or path with the section's anchor; empty where there is no runbook."""
    return f"{runbook}#{anchor(code)}" if runbook else ""


def section_of(path: Path | None, code: str) -> str:
    """The section under the heading that names the code, as Markdown without its heading; empty where there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path is not None else []
    except (OSError, UnicodeDecodeError):
        return ""
    found: list[str] = []
    depth = 0
    for line in lines:
        heading = _HEADING.match(line)
        if heading and depth and len(heading[1]) <= depth:
            break
        if depth:
            found.append(line)
        elif heading and re.search(rf"(?<![\w.]){re.escape(code)}(?![\w.])", heading[2]):
            depth = len(heading[1])
    return "\n".join(found).strip()
