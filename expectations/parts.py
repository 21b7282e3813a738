"""Drift of what a stream rests on beside its columns: a code of success, a count, a position, an operation that lists or counts.

Each is named as the contract names it (``ok.path``), for that is the line a person will change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from connectors.protocol import Part
from expectations.changes import Change, Kind, nearest
from expectations.policy import DriftPolicy, Policy
from expectations.wire import wider_type


def parts_changed(live: Sequence[Part], since: Mapping[str, Part] | None, policy: DriftPolicy) -> Iterator[Change]:
    """Every difference of the parts, in the order of the source. ``since`` is None where nothing is known of before.

    What the contract names and the source has not is said even then: the contract is the promise.
    """
    moved: list[tuple[str, str]] = []
    for part in live:
        then = since.get(part.use) if since else None
        if part.demanded:
            continue
        if not part.type:
            new = _renamed(part, then)
            # What lies inside of another part went with it.
            if any(part.path.startswith(f"{old}/") and new in ("", now + part.path.removeprefix(old)) for old, now in moved):
                continue
            moved.append((part.path, new))
            kind, weight = ("renamed", policy.renamed) if new else ("removed", policy.removed)
            near = nearest(part.path, (one.path for one in part.beside)) if since is None else ""
            yield Change(kind, part.use, "", part.path, new, weight, near=near)
        elif then is not None and then.path == part.path:
            yield from _changed(part, then, policy)
    for part in live:
        if part.demanded and since and part.use not in since and not _inside(part.path, moved):
            # Whoever goes on asking the old way leaves it out.
            yield Change("required", part.use, "", "", "required", "stop")


def _inside(path: str, moved: Sequence[tuple[str, str]]) -> bool:
    return any(new and f"{path}/".startswith(f"{new}/") for _, new in moved)


def _renamed(part: Part, then: Part | None) -> str:
    """The path of the one thing of the old type that stands between the old neighbours now."""
    if then is None or not then.place:
        return ""
    alike = [one.path for one in part.beside if one.type == then.type and one.place == then.place]
    return alike[0] if len(alike) == 1 else ""


def _changed(part: Part, then: Part, policy: DriftPolicy) -> Iterator[Change]:
    if part.type != then.type:
        kind, weight = _retyped(part, then, policy)
        yield Change(kind, part.use, "", then.type, part.type, weight)
    if part.required != then.required:
        old, new = ("required", "optional") if then.required else ("optional", "required")
        yield Change("required", part.use, "", old, new, policy.required if then.required else "report")
    if part.options != then.options and part.type == then.type:
        gone, came = (", ".join(sorted(set(a) - set(b))) for a, b in ((then.options, part.options), (part.options, then.options)))
        yield Change("options", part.use, "", gone, came, policy.options)


def _retyped(part: Part, then: Part, policy: DriftPolicy) -> tuple[Kind, Policy]:
    if part.use.endswith("operation"):
        return "call", "stop"
    if part.sent and part.type == f"list<{then.type}>":
        # It may be sent more than once now: who sends it once is still understood.
        return "widened", "report"
    if not part.sent and then.type == f"list<{part.type}>":
        return "narrowed", "report"
    return ("widened", policy.widened) if wider_type(then.type, part.type) else ("retyped", policy.retyped)
