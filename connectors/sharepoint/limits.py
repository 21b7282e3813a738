"""How much of a tenant's limits one app takes, as the project file says it, and the name it goes by.

Microsoft's numbers are those of "Avoid getting throttled in SharePoint Online" (units of one app in one tenant, by licences).
"""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connectors.transport import product

#: Licences up to which a tier goes, with its units a minute; the last one has no end.
_MINUTE = ((1_000, 1_250), (5_000, 2_500), (15_000, 3_750), (50_000, 5_000), (None, 6_250))
#: Every tier has 960 times as many units in 24 hours.
_DAY = 960


class Limits(BaseModel):
    """``licences`` of the tenant give the units; ``units_per_minute`` and ``units_per_day`` name them where Microsoft agreed to others.

    ``share`` is how much of both this app takes. ``bandwidth`` in bytes a second is for downloads, all workers together; without it they
    are not held. ``company`` stands in the User-Agent, by which Microsoft tells well-behaved traffic and whom to write to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    licences: int | None = Field(default=None, ge=1)
    units_per_minute: int | None = Field(default=None, ge=1)
    units_per_day: int | None = Field(default=None, ge=1)
    share: float = Field(default=0.5, gt=0, le=1)
    bandwidth: int | None = Field(default=None, ge=1)
    company: str = Field(default="Fortnight", min_length=1, max_length=60)

    @field_validator("company")
    @classmethod
    def _in_a_header(cls, value: str) -> str:
        if not (value.isascii() and value.isprintable()) or "|" in value:
            raise ValueError("stands in a header, between bars: write it in ASCII and without |")
        return value.strip()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.licences is not None and (self.units_per_minute is not None or self.units_per_day is not None):
            raise ValueError("give licences, or units_per_minute and units_per_day")
        return self

    @property
    def minute(self) -> float:
        """Units this app takes in any 60 seconds."""
        return (self.units_per_minute or self._tier) * self.share

    @property
    def day(self) -> int:
        """Units this app takes in any 24 hours."""
        return max(1, int((self.units_per_day or (self.units_per_minute or self._tier) * _DAY) * self.share))

    @property
    def user_agent(self) -> str:
        return f"NONISV|{self.company}|{product()}"

    @property
    def _tier(self) -> int:
        # Nobody said how many there are: the smallest tenant's units are never too many.
        licences = self.licences or 1
        return next(units for most, units in _MINUTE if most is None or licences <= most)
