"""The books of one pull: what the source had equals what landed, plus what was quarantined, plus what was excluded. Always."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Balance:
    """Row counts after a pull. ``source`` is the source's own count of live rows, ``landed`` the live rows of the current table."""

    source: int
    landed: int
    quarantined: int
    excluded: int = 0
    verified: bool = True

    @property
    def difference(self) -> int:
        """Rows the source has and we cannot account for; negative when we hold rows it no longer has."""
        return self.source - self.landed - self.quarantined - self.excluded

    @property
    def balanced(self) -> bool:
        return self.verified and self.difference == 0
