"""The numbers of a pull against what its own green days showed: one row per band, and a sentence for what lies outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from connectors.messages import Said, joined, told
from expectations.bands import LEAST, Band, Numbers, Taught, bands_of
from expectations.contract import Contract
from expectations.suite import judge_bands
from pipelines.pull.outcome import Check

#: Numbers that plot themselves: so many of a check at most, for each is a chart of its own.
PLOTS = 30
_VERDICT = {"critical": "FAIL", "warning": "warn", "info": "info"}


def bands_check(contract: Contract, numbers: Numbers, history: Sequence[Taught], *, asked: bool) -> Check:
    """Numbers outside their bands are warnings, unless the contract gives them another weight. A window that was ``asked`` for is no day."""
    plots = _plots(contract, numbers)
    if asked:
        return Check("bands", True, "warning", told("check.bands_past"), (), plots)
    bands = bands_of(contract.bands, numbers, history, _temporal(contract))
    held = judge_bands(bands)
    shown = [_Shown(contract, band) for band in bands]
    rows = tuple(one.row(ok) for one, ok in zip(shown, held, strict=True))
    out = [one for one, ok in zip(shown, held, strict=True) if not ok]
    wrong = [one for one in out if one.band.severity != "info"]
    critical = [one for one in wrong if one.band.severity == "critical"]
    days = len({taught.day for taught in history})
    summary = told("check.bands", held=len(bands) - len(out), total=len(bands))
    if not bands:
        summary = told("check.bands_learning", days=min(days, LEAST), least=LEAST)
    if out:
        worst = sorted(out, key=lambda one: list(_VERDICT).index(one.band.severity))
        said = [one.sentence() for one in worst[:3]]
        more = [told("check.more_wrong", count=len(out) - 3)] if len(out) > 3 else []
        summary = told("check.bands_outside", summary=summary, what=joined([*said, *more], "; "))
    counted = {"bands": float(len(bands)), "outside": float(len(out)), "green_days": float(days)}
    return Check("bands", not wrong, "critical" if critical else "warning", summary, rows, {**counted, **plots})


def _temporal(contract: Contract) -> Mapping[str, bool]:
    return {field.name: field.type.startswith(("date", "timestamp")) for field in contract.fields}


def _plots(contract: Contract, numbers: Numbers) -> dict[str, float]:
    """Stable names in ASCII: a chart goes on only under the name it began with."""
    found: dict[str, float] = {"rows_read": float(numbers.rows), "live": float(numbers.live)}
    if numbers.changed is not None:
        found["changed_a_day"] = round(numbers.changed, 3)
    if numbers.freshness is not None:
        found["age_hours"] = round(numbers.freshness, 3)
    if numbers.rows:
        named = [field.name for field in contract.fields if field.name.isascii() and not field.required and field.name in numbers.columns]
        for name in named[: PLOTS - 3 - len(found)]:
            found[f"nulls_{name}"] = round(numbers.columns[name].nulls / numbers.rows, 6)
    return found


class _Shown:
    """One band as people read it."""

    def __init__(self, contract: Contract, band: Band) -> None:
        self.band = band
        fields = {field.name: field for field in contract.fields}
        self._temporal = band.kind == "range" and _temporal(contract)[band.column]
        # A check is read by more people than the data.
        self._hidden = band.kind == "range" and fields[band.column].sensitivity == "confidential"

    def row(self, ok: bool) -> Mapping[str, str]:
        band = self.band
        return {
            "expectation": f"band_{band.kind}",
            "column": band.column,
            "expected": self._expected(),
            "observed": self._observed(),
            "learned": f"{self._seen()} in {band.days} green days" if band.days else "contract",
            "verdict": "pass" if ok else _VERDICT[band.severity],
        }

    def sentence(self) -> Said:
        band = self.band
        facts = {"what": told(f"band.{band.kind}", column=band.column), "expected": self._expected(), "observed": self._observed()}
        return told("check.band_outside", days=band.days, seen=self._seen(), **facts) if band.days else told("check.band_fixed", **facts)

    def _expected(self) -> str:
        low, high = self.band.low, self.band.high
        if self._hidden:
            return told("band.hidden")
        if low is None:
            return f"≤ {self._number(high)}"
        return f"≥ {self._number(low)}" if high is None else f"{self._number(low)}–{self._number(high)}"

    def _observed(self) -> str:
        if self._hidden:
            return told("band.hidden")
        return self._both(self.band.observed, self.band.upper)

    def _seen(self) -> str:
        if self._hidden or self.band.seen is None:
            return told("band.hidden")
        return self._both(*self.band.seen)

    def _both(self, low: float, high: float) -> str:
        return self._number(low) if low == high else f"{self._number(low)}–{self._number(high)}"

    def _number(self, value: float | None) -> str:
        if value is None:
            return ""
        if self._temporal:
            return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M") if -62e9 < value < 253e9 else f"{value:.0f} s"
        if self.band.kind == "nulls":
            return f"{value:.1%}"
        return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
