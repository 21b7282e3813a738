"""Drift: the difference between a contract and the live source, named and weighed before any row is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from connectors.protocol import LiveField, Schema
from expectations.contract import Contract, FieldSpec, Policy
from expectations.types import write_type

Kind = Literal["added", "removed", "renamed", "retyped", "widened", "required", "options", "label"]


@dataclass(frozen=True)
class Change:
    """One named difference. ``path`` is the source code (inner fields as ``table.field``); ``policy`` is what the contract says to do."""

    kind: Kind
    path: str
    label: str
    old: str
    new: str
    policy: Policy

    @property
    def blocks(self) -> bool:
        return self.policy in ("ask", "stop")


@dataclass(frozen=True)
class Drift:
    """All differences of one stream. ``unchanged`` when the fingerprints are equal and nothing had to be compared."""

    stream: str
    contract_version: int
    fingerprint: str
    changes: tuple[Change, ...]

    @property
    def blocking(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.blocks)


def compare(contract: Contract, live: Schema) -> Drift:
    """Every difference between ``contract`` and ``live``, in contract order, added fields last."""
    changes = _fields(contract, contract.fields, live.fields, prefix="", excluded=frozenset(contract.exclude))
    return Drift(contract.stream, contract.version, live.fingerprint, tuple(changes))


def _fields(
    contract: Contract, promised: Sequence[FieldSpec], live: Sequence[LiveField], *, prefix: str, excluded: frozenset[str]
) -> list[Change]:
    policy = contract.drift
    by_source = {field.source: field for field in live}
    known = {field.source for field in promised}
    spare = [field for field in live if field.source not in known and prefix + field.source not in excluded]
    found: list[Change] = []
    for field in promised:
        path = prefix + field.source
        now = by_source.get(field.source)
        if now is None:
            moved = _rename_candidate(field, spare)
            if moved is not None:
                spare.remove(moved)
                found.append(Change("renamed", path, field.label, field.source, moved.source, policy.renamed))
            else:
                found.append(Change("removed", path, field.label, field.source, "", policy.removed))
            continue
        old_type, new_type = field.type.replace(" ", ""), write_type(now.type).replace(" ", "")
        if old_type != new_type:
            widened = _widens(old_type, new_type)
            kind: Kind = "widened" if widened else "retyped"
            found.append(Change(kind, path, field.label, field.type, write_type(now.type), policy.widened if widened else policy.retyped))
        if field.required and not now.required:
            found.append(Change("required", path, field.label, "required", "optional", policy.required))
        if field.options:
            options = now.facets.get("options", ())
            before, after = set(field.options), set(options) if isinstance(options, tuple) else set[str]()
            if before != after:
                gone, new = sorted(before - after), sorted(after - before)
                found.append(Change("options", path, field.label, ", ".join(gone), ", ".join(new), policy.options))
        if field.label and now.label and field.label != now.label:
            found.append(Change("label", path, field.label, field.label, now.label, policy.label))
        if field.fields:
            found += _fields(contract, field.fields, _inner(now), prefix=path + ".", excluded=excluded)
    found += [Change("added", prefix + field.source, field.label, "", write_type(field.type), policy.added) for field in spare]
    return found


def _inner(field: LiveField) -> tuple[LiveField, ...]:
    """The inner fields of a nested one: as the source describes them, else as its Arrow type has them."""
    import pyarrow as pa

    if field.children:
        return field.children
    kind = field.type.value_type if pa.types.is_list(field.type) else field.type
    return tuple(LiveField(inner.name, "", inner.type, "") for inner in kind) if pa.types.is_struct(kind) else ()


def _rename_candidate(field: FieldSpec, spare: Sequence[LiveField]) -> LiveField | None:
    """The one new field with the same label and type; two of them mean nobody knows, so it is a removal."""
    alike = [
        new
        for new in spare
        if field.label and new.label == field.label and write_type(new.type).replace(" ", "") == field.type.replace(" ", "")
    ]
    return alike[0] if len(alike) == 1 else None


_INTS = ("int16", "int32", "int64")


def _widens(old: str, new: str) -> bool:
    """Whether every value of the old type fits the new one."""
    if old in _INTS and new in _INTS:
        return _INTS.index(new) >= _INTS.index(old)
    if old == "float" and new == "double":
        return True
    if old.startswith("decimal128(") and new.startswith("decimal128("):
        (p1, s1), (p2, s2) = (tuple(int(n) for n in t[11:-1].split(",")) for t in (old, new))
        return s2 >= s1 and p2 - s2 >= p1 - s1
    return False
