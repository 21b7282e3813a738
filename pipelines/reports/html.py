"""What our pages share in Python: how templates are opened (everything escaped, nothing undefined) and how a number is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def environment() -> Environment:
    """Templates of this package. Names come from sources: whatever stands in one is text on the page, never markup."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("pipelines.reports", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def thousands(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"
