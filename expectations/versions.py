"""What a new version of a contract does to those who rely on the version before: each difference by name, and whether it breaks the promise.

The promise is what ``Contract.promise`` gives: labels, descriptions, units, owners and numbers of an app are none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from expectations.changes import EFFECTS, Effect
from expectations.contract import Contract, FieldSpec
from expectations.drift import widens

#: So many differences are named in one sentence.
_NAMED = 5
#: From the freest to the strictest that a policy can say. ``evolve`` and ``quarantine`` let a pull go on.
_STRICT = {"report": 0, "evolve": 1, "quarantine": 2, "ask": 3, "stop": 4}
#: From the least to the most guarded.
_GUARDED = {"public": 0, "internal": 1, "confidential": 2}
#: Parts of a contract that say how rows are found and shown, and promise their readers nothing.
_ASIDE = frozenset({"cursor", "exclude", "document", "content", "bands"})


@dataclass(frozen=True)
class Difference:
    """One difference between two versions. ``place`` is a key of the contract (``fields.amount.type``), ``old`` and ``new`` what stands there."""

    place: str
    old: str
    new: str
    effect: Effect

    @property
    def breaks(self) -> bool:
        return self.effect in ("breaks", "misleads")


def differences(before: Contract, after: Contract) -> tuple[Difference, ...]:
    """Every difference in what two versions promise, fields first."""
    return between(before.promise(), after.promise())


def between(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Difference, ...]:
    """The same from the promises as JSON values (``Contract.promise``). Raises ValueError or KeyError for what is none."""
    before, after = ([FieldSpec.model_validate(field) for field in promise["fields"]] for promise in (old, new))
    own = ("fields", "expectations", "drift", "vanishing", "source", "key", "access", "accepted")
    found = [
        *_fields(before, after, "fields"),
        *(Difference(f"{part}", _text(old[part]), _text(new[part]), "breaks") for part in ("key", "access") if old[part] != new[part]),
        *_source(old["source"], new["source"]),
        *_rules(old["expectations"], new["expectations"]),
        *_guards(old["drift"], new["drift"]),
        *_vanishing(old["vanishing"], new["vanishing"]),
        *_accepted(old.get("accepted", ()), new.get("accepted", ())),
    ]
    for part in sorted((old.keys() | new.keys()) - set(own)):
        if part == "cursor" and old[part] and new[part] and old[part]["deletes"] != new[part]["deletes"] == "none":
            # Rows that are gone would be shown for ever.
            found.append(Difference("cursor.deletes", old[part]["deletes"], new[part]["deletes"], "misleads"))
        if old.get(part) != new.get(part):
            found.append(Difference(part, _text(old.get(part)), _text(new.get(part)), "none" if part in _ASIDE else "breaks"))
    return tuple(found)


def in_short(found: Sequence[Difference]) -> str:
    """The differences as one phrase: where, and from what to what."""
    named = [f"{one.place} ({_short(one.old)} → {_short(one.new)})" for one in found[:_NAMED]]
    return ", ".join(named) + (f" … +{len(found) - _NAMED}" if len(found) > _NAMED else "")


def _short(text: str) -> str:
    return (text if len(text) <= 40 else text[:39] + "…") or "·"


def _fields(before: Sequence[FieldSpec], after: Sequence[FieldSpec], place: str) -> Iterator[Difference]:
    then, now = ({field.name: field for field in fields} for fields in (before, after))
    for name, old in then.items():
        here = f"{place}.{name}"
        new = now.get(name)
        if new is None:
            yield Difference(here, old.type, "", "breaks")
            continue
        if old.source != new.source:
            # Readers see the same column; what fills it is another field, which only people can say is the same.
            yield Difference(f"{here}.source", old.source, new.source, "misleads")
        one, other = (text.replace(" ", "") for text in (old.type, new.type))
        if one != other:
            yield Difference(f"{here}.type", old.type, new.type, "extends" if widens(one, other) else "breaks")
        if old.required != new.required:
            yield Difference(
                f"{here}.required", str(old.required).lower(), str(new.required).lower(), "extends" if old.required else "none"
            )
        if old.sensitivity != new.sensitivity:
            guarded = _GUARDED[new.sensitivity] >= _GUARDED[old.sensitivity]
            yield Difference(f"{here}.sensitivity", old.sensitivity, new.sensitivity, "none" if guarded else "breaks")
        if set(old.options) != set(new.options):
            yield Difference(f"{here}.options", ", ".join(old.options), ", ".join(new.options), "extends")
        yield from _fields(old.fields, new.fields, here)
    for name, new in now.items():
        if name not in then:
            yield Difference(f"{place}.{name}", "", new.type, "extends")


def _source(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            # Another fingerprint says that somebody looked; what they accepted there stands beside it, change by change.
            effect: Effect = "none" if name == "fingerprint" else "misleads"
            yield Difference(f"source.{name}", _text(old.get(name)), _text(new.get(name)), effect)


def _accepted(old: Sequence[str], new: Sequence[str]) -> Iterator[Difference]:
    """Changes of the source that are let pass by name from now on, each as its kind does to readers; and those that are named no more."""
    for line in new:
        if line not in old:
            kind = line.partition(" ")[0]
            yield Difference("accepted.changes", "", line, EFFECTS.get(kind, "misleads"))
    yield from (Difference("accepted.changes", line, "", "none") for line in old if line not in new)


def _rules(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    """A rule that is no longer there, or says something else, is a promise less; a further one is a promise more."""
    gone, came = ([rule for rule in rules if rule not in others] for rules, others in ((old, new), (new, old)))
    for rule in gone:
        grown = next((one for one in came if _grown(rule, one)), None)
        if grown is not None:
            came.remove(grown)
            yield Difference("expectations", _text(rule), _text(grown), "extends")
        else:
            yield Difference("expectations", _text(rule), "", "breaks" if rule["severity"] == "critical" else "none")
    yield from (Difference("expectations", "", _text(rule), "none") for rule in came)


def _grown(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a rule is the same with more values allowed, as options of a field come to be more."""
    if "value_set" not in old or "value_set" not in new:
        return False
    rest = [{key: value for key, value in rule.items() if key != "value_set"} for rule in (old, new)]
    return rest[0] == rest[1] and all(value in new["value_set"] for value in old["value_set"])


def _guards(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    for kind, policy in new.items():
        if policy != old[kind]:
            yield Difference(f"drift.{kind}", old[kind], policy, "none" if _STRICT[policy] >= _STRICT[old[kind]] else "breaks")


def _vanishing(old: Mapping[str, float], new: Mapping[str, float]) -> Iterator[Difference]:
    for name, limit in new.items():
        if limit != old[name]:
            yield Difference(f"vanishing.{name}", _text(old[name]), _text(limit), "none" if limit <= old[name] else "breaks")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        named = cast("Mapping[str, Any]", value).items()
        return ", ".join(f"{name}={_text(one)}" for name, one in named if one is not None)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_text(one) for one in cast("Sequence[Any]", value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
