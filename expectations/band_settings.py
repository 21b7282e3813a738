"""The ``bands:`` section of a contract: what a person says about the bands that a stream's own green days teach."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from expectations.literal import as_float

Severity = Literal["critical", "warning", "info"]
#: What is held to a band: live rows, rows changed a day, age of the newest cursor value, and of each column the share of empty values, the
#: number of different values, and the lowest and highest value.
Kind = Literal["live", "changed", "freshness", "nulls", "distinct", "range"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BandSetting(_Strict):
    """What a value outside does, and bounds that a person fixed: they stand in the place of the learned ones, from the first day.

    In the unit of the kind: rows, rows a day, hours, a share from 0 to 1, values; the range of dates and instants in ISO 8601.
    """

    severity: Severity = "warning"
    min: float | str | None = None
    max: float | str | None = None

    @model_validator(mode="after")
    def _readable(self) -> Self:
        low, high = as_bound(self.min), as_bound(self.max)
        if low is not None and high is not None and low > high:
            raise ValueError(f"min {self.min} lies above max {self.max}")
        return self


def as_bound(written: float | str | None) -> float | None:
    """A bound that a person fixed, as a number; dates and instants in ISO 8601 as seconds since 1970. Raises ValueError where it is neither."""
    if written is None or not isinstance(written, str):
        return written
    try:
        return float(written)
    except ValueError:
        return as_float(datetime.fromisoformat(written))


def _off(value: Any) -> Any:
    # YAML 1.1 readers take the bare word for a truth value.
    return "off" if value is False else value


Setting = Annotated[BandSetting | Literal["off"], BeforeValidator(_off)]


class ColumnBands(_Strict):
    """Of one column, in the place of what the section says of all."""

    nulls: Setting | None = None
    distinct: Setting | None = None
    range: Setting | None = None


class Bands(_Strict):
    """Each kind with its setting, or ``off``. Days before ``since`` teach nothing: the way to say that the new level is right."""

    since: date | None = None
    live: Setting = BandSetting()
    changed: Setting = BandSetting()
    freshness: Setting = BandSetting()
    nulls: Setting = BandSetting()
    distinct: Setting = BandSetting()
    range: Setting = BandSetting()
    columns: dict[str, ColumnBands] = Field(default_factory=dict[str, ColumnBands])

    def of(self, kind: Kind, column: str = "") -> BandSetting | None:
        """The setting of a band; None where it is off."""
        own = getattr(self.columns[column], kind, None) if column in self.columns else None
        setting: BandSetting | Literal["off"] = own if own is not None else getattr(self, kind)
        return None if setting == "off" else setting
