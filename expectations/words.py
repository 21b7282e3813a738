"""A rule's arguments as a person reads them in a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from expectations.rules import Rule


def expected_of(rule: Rule, given: Mapping[str, Any]) -> str:
    """``at least 1``, ``one of A、B``, ``matches ^S``; the rule's own words where it has no arguments."""
    told: list[str] = []
    if given.get("min_value") is not None or given.get("max_value") is not None:
        told.append(_between(given))
    if "value" in given:
        told.append(str(given["value"]))
    if "value_set" in given:
        words = {"not_be_in_set": "none of", "contain_set": "all of", "equal_set": "just"}
        how = next((word for part, word in words.items() if rule.name.endswith(part)), "one of")
        told.append(f"{how} " + "、".join(str(value) for value in given["value_set"]))
    if "regex" in given or "regex_list" in given:
        how = "does not match" if "not_match" in rule.name else "matches"
        told.append(f"{how} " + " | ".join(map(str, given.get("regex_list", [given.get("regex")]))))
    if rule.about == "pair":
        sign = "=" if rule.name.endswith("equal") else "≥" if given.get("or_equal") else ">"
        told.append(f"{given['column_A']} {sign} {given['column_B']}")
    if not told:
        words = {"not_be_null": "no nulls", "be_null": "nulls only", "unique": "no value twice"}
        told.append(next((word for part, word in words.items() if rule.name.endswith(part)), "held"))
    if given.get("mostly", 1) != 1:
        told.append(f"for {given['mostly']:.4g} of them" if not isinstance(given["mostly"], int) else "for none of them")
    return ", ".join(told)


def _between(given: Mapping[str, Any]) -> str:
    low, high = given.get("min_value"), given.get("max_value")
    least = f"{'more than' if given.get('strict_min') else 'at least'} {low}"
    most = f"{'less than' if given.get('strict_max') else 'at most'} {high}"
    if high is None:
        return least
    if low is None:
        return most
    return f"{low} to {high}" if not given.get("strict_min") and not given.get("strict_max") else f"{least}, {most}"
