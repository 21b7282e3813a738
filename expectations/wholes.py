"""What a rule asks of a column, or of the table, as a whole: one value out of the profile, and the bounds it is held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from expectations.counts import Count, Different, Total
from expectations.kernels import in_type
from expectations.literal import literal
from expectations.profile import Profile
from expectations.rules import Rule, bound_of


@dataclass(frozen=True)
class Whole:
    """``value`` is held to ``low`` and ``high`` and ``said`` to people; ``is_value``: it is a value of the column itself. None is no value."""

    value: Any
    low: Any
    high: Any
    said: str
    is_value: bool = False


def whole_of(rule: Rule, given: Mapping[str, Any], count: Count, profile: Profile, live_rows: int) -> Whole | None:
    """What such a rule looks at. None where nothing came that it could speak of."""
    if rule.about == "table":
        same = given.get("value")
        low, high = (given.get("min_value"), given.get("max_value")) if same is None else (same, same)
        return Whole(live_rows, low, high, str(live_rows))
    if not profile.rows:
        return None
    column = profile.columns[count.columns[0]]
    if "value_set" in given:
        assert isinstance(count, Different)
        return _sets(rule, given, count)
    name = rule.name.removeprefix("expect_column_").removesuffix("_to_be_between")
    low, high = (None if given.get(side) is None else bound_of(rule, given[side], count.kind) for side in ("min_value", "max_value"))
    if name in ("min", "max"):
        value = column.low if name == "min" else column.high
        return Whole(value, low, high, str(value), is_value=True)
    low, high = (None if bound is None else float(bound) for bound in (low, high))
    if name == "proportion_of_non_null_values":
        share = (column.rows - column.nulls) / column.rows
        return Whole(share, low, high, f"{share:.4g}")
    if isinstance(count, Total):
        number = float(count.sum) if name == "sum" else float(count.sum) / count.looked if count.looked else None
        return Whole(number, low, high, str(number), is_value=True)
    assert isinstance(count, Different)
    if name == "unique_value_count":
        return Whole(count.count, low, high, str(count.count))
    share = count.count / count.looked if count.looked else None
    return Whole(share, low, high, "no value" if share is None else f"{share:.4g}")


def _sets(rule: Rule, given: Mapping[str, Any], count: Different) -> Whole:
    """How many values are there that should not, or are missing: none may."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = count.kind
    typed = [literal(value, kind) for value in given["value_set"]]
    wanted = in_type(typed, kind).unique()
    there: Any = pa.array([], kind) if not count.count else count.values
    strange = there.filter(pc.invert(pc.is_in(there, value_set=wanted)))
    absent = wanted.filter(pc.invert(pc.is_in(wanted, value_set=there)))
    # What no value of such a column can be is missing, too.
    never = len(set(typed)) - len(wanted)
    told = {"strange": _few(strange), "absent": _few(absent) + (f" and {never} that no value can be" if never else "")}
    wrong = {
        "be_in_set": {"strange": len(strange)},
        "contain_set": {"absent": len(absent) + never},
        "equal_set": {"strange": len(strange), "absent": len(absent) + never},
    }[rule.name.removeprefix("expect_column_distinct_values_to_")]
    said = "; ".join(f"{number} {side}: {told[side]}" for side, number in wrong.items() if number)
    return Whole(sum(wrong.values()), None, 0, said or "none strange, none absent", is_value=bool(said))


def _few(values: Any) -> str:
    shown = [str(one) for one in values.slice(0, 5).to_pylist()]
    return ", ".join(shown) + (" …" if len(values) > 5 else "")
