"""Reasons of the ledger and the gate as sentences for a person: equal ones as one, times in the project's zone, fingerprints short."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pipelines.cli.output import language, word
from pipelines.reports.readable import readable

if TYPE_CHECKING:
    from pipelines.evidence.reasons import Reason

#: Reasons that differ by this parameter alone are said as one, where the catalogue has a sentence for many (``gate.many.…``).
_OF_WHOM = ("stream", "name")


@dataclass(frozen=True)
class Teller:
    """Says reasons in ``lang``, with times in the time zone ``zone``. ``streams`` is how many the index has; ``changed`` what of its gate policy
    is another than on record (``changes``), empty where that is not known."""

    lang: str | None
    zone: str
    streams: int = 0
    changed: str = ""

    def say(self, reason: Reason) -> str:
        """A reason as its sentence."""
        if reason.code == "gate.policy_changed" and self.changed:
            return self._said("gate.policy_terms_changed", {"changes": self.changed})
        return self._said(reason.code, self._params(reason))

    def lines(self, reasons: Sequence[Reason]) -> list[str]:
        """Reasons as the lines of a list, in their order; those that are equal but for whom they are about, as one."""
        from connectors.messages import catalogue

        alike: dict[tuple[str, str, str], list[Reason]] = {}
        for each in reasons:
            of_whom = next((name for name in _OF_WHOM if name in each.params), "")
            rest = sorted((name, str(value)) for name, value in each.params.items() if name != of_whom)
            alike.setdefault((each.code, of_whom, repr(rest)), []).append(each)
        lines: list[str] = []
        for (code, of_whom, _), same in alike.items():
            many = "gate.many." + code.partition(".")[2]
            if len(same) == 1 or many not in catalogue():
                lines += [self.say(each) for each in same]
            else:
                lines.append(self._said(many, {**self._params(same[0]), "count": len(same), "names": self._names(same, of_whom)}))
        return lines

    def _names(self, same: Sequence[Reason], of_whom: str) -> str:
        if of_whom == "stream" and len(same) == self.streams:
            return word("gate.many.all", self.lang)
        return (", " if language(self.lang) == "en" else "、").join(str(each.params[of_whom]) for each in same)

    def _params(self, reason: Reason) -> dict[str, Any]:
        # Measured values, units and limits of a readiness fact lie in the ledger in English, so they are said anew.
        if reason.code.startswith("gate.fact_"):
            return {name: fact_word(value, self.lang) for name, value in reason.params.items()}
        return {name: readable(value, self.zone) for name, value in reason.params.items()}

    def _said(self, code: str, params: Mapping[str, Any]) -> str:
        return " ".join(word(code, self.lang, **params).split()).replace(" （", "（")


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """What of a policy's terms is another, as data: ``green_days 14 → 13; streams -kintone/faq``."""
    found: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if isinstance(old, list) and isinstance(new, list):
            was, now = ([_member(one) for one in cast("list[object]", each)] for each in (old, new))
            moved = [*(f"-{one}" for one in was if one not in now), *(f"+{one}" for one in now if one not in was)]
            found += [" ".join([name, *moved])] if moved else []
        elif old != new:
            found.append(f"{name} {old} → {new}")
    return "; ".join(found)


def fact_word(value: object, lang: str | None) -> object:
    """What a readiness fact says, where it is a word and not a number."""
    from connectors.messages import catalogue

    if not isinstance(value, str):
        return value
    if span := re.fullmatch(r"(\d+) to (\d+)", value):
        return word("fact.word.range", lang, low=span[1], high=span[2])
    code = "fact.word." + "_".join(value.lower().split())
    return word(code, lang) if code in catalogue() else value


def _member(one: object) -> str:
    return "=".join(str(part) for part in cast("list[object]", one)) if isinstance(one, list) else str(one)
