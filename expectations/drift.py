"""Drift: the difference between a contract and the live source, named and weighed before any row is written.

The contract remembers what readers were promised; ``expectations.facts`` what the source looked like when it was last read. Some changes
show only against the second, and some of them move values in every row without moving any row's update time: those say ``reload``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from connectors.access import Account
from connectors.protocol import LiveField, Schema
from expectations.changes import KINDS, Change, Drift, Kind, nearest
from expectations.contract import Contract, FieldSpec
from expectations.facts import Fact, Facts, facts_of
from expectations.parts import parts_changed
from expectations.policy import Policy
from expectations.types import write_type
from expectations.wire import comes_once, facet_changed, is_wire, part_changed, part_text, said_together

__all__ = ["KINDS", "Change", "Drift", "Kind", "address", "ahead", "compare", "emptied", "logins_changed", "rights_changed"]


def compare(contract: Contract, live: Schema, since: Facts | None = None) -> Drift:
    """Every difference between ``contract`` and ``live``, in contract order, added fields last.

    With ``since``, the facts of the last published pull, also what changed beneath the contract since then: identity first.
    """
    compared = _Comparison(contract, live, since)
    changes = (*address(contract, live, since), *compared.fields(contract.fields, live.fields, prefix=""))
    if since is not None and live.decisive and contract.source.get("fingerprint") == live.fingerprint:
        changes = _accepted(changes, compare(contract, live).changes)
    named = contract.accepted.changes if contract.accepted else ()
    changes = tuple(replace(one, policy="report") if one.line in named else one.settled() for one in changes)
    return Drift(contract.stream, contract.version, live.fingerprint, changes, first=since is None, decisive=live.decisive)


def _accepted(changes: Iterable[Change], standing: Iterable[Change]) -> tuple[Change, ...]:
    """The changes where the contract names the interface that is live by its fingerprint: somebody has looked at it as it is now.

    What the contract says otherwise (``standing``) still differs from it, and no fingerprint covers where requests go.
    """
    kept = {(one.kind, one.path, one.old, one.new) for one in standing}
    return tuple(
        one if one.kind == "endpoint" or (one.kind, one.path, one.old, one.new) in kept else replace(one, policy="report")
        for one in changes
    )


def address(contract: Contract, live: Schema, since: Facts | None = None) -> tuple[Change, ...]:
    """The differences of all that is no column: what the address resolves to, and what reading rests on beside the columns."""
    found = tuple(_Comparison(contract, live, since).identity())
    if any(change.path == "style" for change in found):
        # Every path begins at another element then: one line says it all.
        return found
    return (*found, *parts_changed(live.parts, since.parts if since is not None else None, contract.drift))


def ahead(contract: Contract, live: Schema, coming: Schema, *, live_rights: str = "", coming_rights: str = "") -> Drift:
    """What a change of the source that is prepared and not yet in force will bring: differences that are not there today already.

    ``live_rights`` and ``coming_rights`` are fingerprints of the rules of access, empty where unknown.
    """
    today = {(change.kind, change.path, change.old, change.new) for change in compare(contract, live).changes}
    changes = compare(contract, coming, facts_of(live)).changes
    new = tuple(change for change in changes if (change.kind, change.path, change.old, change.new) not in today)
    return Drift(contract.stream, contract.version, coming.fingerprint, (*new, *rights_changed(live_rights, coming_rights)))


def emptied(contract: Contract, before: Mapping[str, float], now: Mapping[str, float]) -> tuple[Change, ...]:
    """Fields that held values when everything was last read and are empty now in practically every row.

    Both map a column to the share of rows without a value (0 to 1), over reads of the whole stream. A field that was deleted and made
    anew under its old code looks the same in the form; only this shows that its values are gone.
    """
    return tuple(
        Change("emptied", field.source, field.label, f"{before[field.name]:.0%}", f"{now[field.name]:.0%}", contract.drift.removed)
        for field in contract.fields
        if before.get(field.name, 1.0) <= 0.5 and now.get(field.name, 0.0) >= 0.99
    )


def rights_changed(before: str, now: str) -> tuple[Change, ...]:
    """The source's rules of access moved (fingerprints, ``Access.view``): to be said, and never read as rows that went."""
    return (Change("rights", "access", "", before[:12], now[:12], "report"),) if before and now and before != now else ()


def logins_changed(before: Iterable[Account], now: Iterable[Account]) -> tuple[Change, ...]:
    """Persons who are known to the source by another login now: the same mail or, where none has it, the same name, and only one such.

    Rows hold logins, and every one of those rows differs without having been saved.
    """
    then, today = list(before), list(now)
    kept = {one.login for one in then} & {one.login for one in today}
    gone = [one for one in then if one.login not in kept]
    came = [one for one in today if one.login not in kept]
    found: list[Change] = []
    for old in gone:
        alike = [one for one in came if old.mail and one.mail == old.mail] or [one for one in came if old.name and one.name == old.name]
        if len(alike) == 1:
            found.append(Change("login", old.login, old.name, old.login, alike[0].login, "report", True))
    return tuple(found)


#: Facets that decide nothing by themselves: where a field stands, and what its options are (compared one by one).
_SILENT = frozenset({"slot", "options", "feature", "precision_known", "digits", "decimal_places"})
#: Facets that cost the source a call of their own and are not told every time.
_SELDOM = frozenset({"states", "actions"})
#: Parts of an address that say which object it is: when one changes, the rows are another object's.
_OBJECT = frozenset({"app_id"})
#: Parts of an address that may change without the rows being others.
_ASIDE = frozenset({"name", "title", "space_id"})


@dataclass(frozen=True)
class _Comparison:
    contract: Contract
    live: Schema
    since: Facts | None

    def identity(self) -> Iterator[Change]:
        """What the address resolves to now against what it was: a renumbered object, another code, another place."""
        if self.since is None:
            return
        before, now = self.since.identity, self.live.identity
        told = said_together(before, now) if "soap" in before else frozenset[str]()
        for part in sorted(before.keys() & now.keys()):
            if before[part] != now[part] and part not in told:
                wire = part_changed(part, before[part], now[part], self.contract.drift) if "soap" in before else None
                if wire is not None:
                    yield Change(wire[0], part, "", *part_text(part, before, now), wire[1])
                    continue
                yield Change("address", part, "", before[part], now[part], self._moved(part, now[part]), part not in _ASIDE)

    def _moved(self, part: str, now: str) -> Policy:
        """Another object under the old address is for a person to approve, and the contract that names it is the approval. No policy lets it
        pass: its rows would take the place of the old one's, and the old one's would be deleted.
        """
        if part not in _OBJECT or str(self.contract.source.get(part, "")) == now:
            return "report"
        policy = self.contract.drift.identity
        return "ask" if policy == "report" else policy

    def fields(self, promised: Sequence[FieldSpec], live: Sequence[LiveField], *, prefix: str) -> list[Change]:
        by_source = {field.source: field for field in live}
        known = {field.source for field in promised}
        spare = [field for field in live if field.source not in known and prefix + field.source not in self.contract.exclude]
        found: list[Change] = []
        for field in promised:
            path = prefix + field.source
            now, then = by_source.get(field.source), self._then(path)
            if now is None:
                found.append(self._gone(field, path, then, spare))
                continue
            found += self._same_code(field, now, path, then)
            if field.fields:
                found += self.fields(field.fields, _inner(now), prefix=path + ".")
        return found + [self._new(field, prefix) for field in spare]

    def _then(self, path: str) -> Fact | None:
        return self.since.fields.get(path) if self.since is not None else None

    def _same_code(self, field: FieldSpec, now: LiveField, path: str, then: Fact | None) -> Iterator[Change]:
        policy, label = self.contract.drift, field.label
        old_type, new_type = field.type.replace(" ", ""), write_type(now.type).replace(" ", "")
        if then is not None and _replaced(then, now):
            old, new = f"{then.vendor_type} ({field.type})", f"{now.vendor_type} ({write_type(now.type)})"
            yield Change("replaced", path, label, old, new, policy.retyped, True)
        elif is_wire(now.vendor_type) and comes_once(field.type, now.type):
            # Who reads a list of what may come often reads one of one item as well.
            yield Change("narrowed", path, label, field.type, write_type(now.type), "report")
        elif old_type != new_type:
            widened = widens(old_type, new_type)
            kind: Kind = "widened" if widened else "retyped"
            reload = then is not None and then.type.replace(" ", "") != new_type
            yield Change(kind, path, label, field.type, write_type(now.type), policy.widened if widened else policy.retyped, reload)
        elif then is not None and then.vendor_type != now.vendor_type and is_wire(now.vendor_type):
            yield Change("retyped", path, label, then.vendor_type, now.vendor_type, policy.retyped)
        if field.required and not now.required:
            yield Change("required", path, label, "required", "nillable" if now.facets.get("nillable") else "optional", policy.required)
        yield from self._options(field, now, path, then)
        if label and now.label and label != now.label:
            yield Change("label", path, label, label, now.label, policy.label)
        if then is not None:
            yield from self._facets(field, now, path, then)

    def _options(self, field: FieldSpec, now: LiveField, path: str, then: Fact | None) -> Iterator[Change]:
        """Options by name; one that went while another came at its place was renamed, and with it every value that is stored."""
        after = _names(now.facets.get("options"))
        since = _names(then.facets.get("options")) if then is not None else ()
        before = field.options or since
        if not before or set(before) == set(after):
            return
        just_now = set(_renamed(since, after))
        # An enumeration of XML Schema has no order: nothing came at the place of what went.
        pairs = [] if is_wire(now.vendor_type) else _renamed(before, after)
        for old, new in pairs:
            yield Change("option_renamed", path, field.label, old, new, self.contract.drift.options, (old, new) in just_now)
        gone = sorted(set(before) - set(after) - {old for old, _ in pairs})
        new = sorted(set(after) - set(before) - {new for _, new in pairs})
        if gone or new:
            yield Change("options", path, field.label, ", ".join(gone), ", ".join(new), self.contract.drift.options)

    def _facets(self, field: FieldSpec, now: LiveField, path: str, then: Fact) -> Iterator[Change]:
        """What the source says of the field beyond its type. A facet it is silent about today says nothing."""
        policy = self.contract.drift
        if not field.required and now.required != then.required:
            yield Change("required", path, field.label, _required(then.required), _required(now.required), policy.required)
        for name in sorted((then.facets.keys() | now.facets.keys()) - _SILENT):
            old, new = then.facets.get(name), now.facets.get(name)
            if old == new:
                continue
            if is_wire(now.vendor_type):
                if not self._told_by_type(name, now, then):
                    wire, weight = facet_changed(name, old, new, policy)
                    yield Change(wire, path, field.label, _facet_text(name, old), _facet_text(name, new), weight)
            elif name in ("expression", "format"):
                yield Change("computed", path, field.label, _text(old), _text(new), policy.options, True)
            elif name in _SELDOM and (old is None or new is None):
                continue
            elif name == "states":
                before, after = _names(old), _names(new)
                yield Change("states", path, field.label, _text(old), _text(new), policy.options, bool(set(before) - set(after)))
            elif name == "lookup":
                yield Change("lookup", path, field.label, _text(old), _text(new), policy.label)
            elif name == "related":
                yield from _related(old, new, policy.label)
            else:
                yield Change("settings", path, field.label, f"{name}={_text(old)}", f"{name}={_text(new)}", policy.label)

    def _told_by_type(self, name: str, now: LiveField, then: Fact) -> bool:
        """Whether another line says it already: the digits of a type that changed, the nil of a field that is no longer required."""
        retyped = then.vendor_type != now.vendor_type or then.type.replace(" ", "") != write_type(now.type).replace(" ", "")
        return then.required != now.required if name == "nillable" else retyped and name != "choice"

    def _gone(self, field: FieldSpec, path: str, then: Fact | None, spare: list[LiveField]) -> Change:
        policy = self.contract.drift
        if then is not None and then.facets.get("feature"):
            # The whole function was switched off; the field itself was not touched.
            return Change("feature", path, field.label, str(then.facets["feature"]), "", policy.removed)
        moved = _rename_candidate(field, then, spare) or self._at_its_place(field, path, spare)
        if moved is not None:
            spare.remove(moved)
            return Change("renamed", path, field.label, field.source, moved.source, policy.renamed)
        nested = self._nested(field, path)
        if nested:
            return Change("restructured", path, field.label, path, nested, policy.removed)
        near = nearest(field.source, (one.source for one in spare)) if self.since is None else ""
        return Change("removed", path, field.label, field.source, "", policy.removed, near=near)

    def _at_its_place(self, field: FieldSpec, path: str, spare: Sequence[LiveField]) -> LiveField | None:
        """The new field of the same type between the same neighbours, where the source tells neighbours and the contract keeps their order."""
        if "." in path:
            return None
        # Attributes stand in no order, and columns from inside of a part are nobody's neighbours.
        names = ["", *(one.source for one in self.contract.fields if "@" not in one.source), ""]
        if field.source not in names:
            return None
        at = names.index(field.source)
        slot, wanted = f"{names[at - 1]}<{names[at + 1]}", field.type.replace(" ", "")
        alike = [new for new in spare if new.facets.get("slot") == slot and write_type(new.type).replace(" ", "") == wanted]
        return alike[0] if len(alike) == 1 else None

    def _nested(self, field: FieldSpec, path: str) -> str:
        """Where the field's code stands now, in another table or outside of any; empty where it stands nowhere."""
        for outer in self.live.fields:
            if outer.source == field.source and "." in path:
                return outer.source
            for inner in outer.children:
                place = f"{outer.source}.{inner.source}"
                if inner.source == field.source and place != path:
                    return place
        return ""

    def _new(self, field: LiveField, prefix: str) -> Change:
        policy, path = self.contract.drift, prefix + field.source
        if self.since is not None and field.facets.get("feature"):
            return Change("feature", path, field.label, "", str(field.facets["feature"]), policy.added)
        return Change("added", path, field.label, "", write_type(field.type), policy.added)


def _inner(field: LiveField) -> tuple[LiveField, ...]:
    """The inner fields of a nested one: as the source describes them, else as its Arrow type has them."""
    import pyarrow as pa

    if field.children:
        return field.children
    kind = field.type.value_type if pa.types.is_list(field.type) else field.type
    return tuple(LiveField(inner.name, "", inner.type, "") for inner in kind) if pa.types.is_struct(kind) else ()


def _rename_candidate(field: FieldSpec, then: Fact | None, spare: Sequence[LiveField]) -> LiveField | None:
    """The one new field that the missing one became; two of them mean nobody knows, so it is a removal.

    The source's own id of the field decides where it gives one. Else the same label and type; else, where everything about the old field
    is remembered, the same kind of field at the same place of the form.
    """
    if then is not None and then.id:
        return next((new for new in spare if new.id == then.id), None)
    wanted = field.type.replace(" ", "")
    alike = [new for new in spare if field.label and new.label == field.label and write_type(new.type).replace(" ", "") == wanted]
    if not alike and then is not None and then.facets.get("slot"):
        alike = [new for new in spare if new.facets.get("slot") == then.facets["slot"] and new.vendor_type == then.vendor_type]
    return alike[0] if len(alike) == 1 else None


def _replaced(then: Fact, now: LiveField) -> bool:
    """Whether another field stands under the code: of another kind, or with another id."""
    if is_wire(then.vendor_type) and is_wire(now.vendor_type):
        return False
    return then.vendor_type != now.vendor_type or bool(then.id and now.id and then.id != now.id)


def _renamed(before: Sequence[str], after: Sequence[str]) -> list[tuple[str, str]]:
    """Options that went and came at the same place."""
    return [(old, new) for old, new in zip(before, after, strict=False) if old not in after and new not in before]


def _names(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _related(before: object, after: object, policy: Policy) -> Iterator[Change]:
    """Fields of related records that look into another place now (``code: place``). Facts of before they were told say nothing."""
    if not isinstance(before, tuple):
        return
    then, now = (dict(one.split(": ", 1) for one in _names(which)) for which in (before, after))
    for code in sorted(then.keys() | now.keys()):
        if then.get(code) != now.get(code):
            yield Change("lookup", code, "", then.get(code, ""), now.get(code, ""), policy)


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


def _facet_text(name: str, value: object) -> str:
    if name == "use":
        return _required(value == "required")
    return "" if value is None else f"{name}={_text(value)}"


def _required(value: bool) -> str:
    return "required" if value else "optional"


_INTS = ("int8", "int16", "int32", "int64")


def widens(old: str, new: str) -> bool:
    """Whether every value of the old type fits the new one."""
    if old in _INTS and new in _INTS:
        return _INTS.index(new) >= _INTS.index(old)
    if old == "float" and new == "double":
        return True
    if old.startswith("decimal128(") and new.startswith("decimal128("):
        (p1, s1), (p2, s2) = (tuple(int(n) for n in t[11:-1].split(",")) for t in (old, new))
        return s2 >= s1 and p2 - s2 >= p1 - s1
    return False
