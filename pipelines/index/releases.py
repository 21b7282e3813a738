"""Numbered, immutable builds of an index and the pointer that names the one in production. Records are put if absent; the highest number is the truth."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.index.embedding import Spent
from pipelines.index.store import EXACT_LIMIT, LanceStore, Weights
from pipelines.index.store.generation import tag_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore


#: The pointer that serving follows, and the one that drills move: the same records, side by side.
PRODUCTION, DRILL = "production", "drill"


#: The reason of a signed position in the first form of its record.
_SIGNED = re.compile(r"signed in rows (\d+) and (\d+); ledger head (\d+) ([0-9a-f]{64})")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Input(_Record):
    """What of a stream went in: the number of its published record, the versions of its tables, its contract's version."""

    published: int
    tables: Mapping[str, int]
    contract_version: int


class Coverage(_Record):
    """Of ``chunks``, how many have principals; ``scopes_unresolved`` gives each scope without any and why. ``share`` is 1.0 when all are resolved."""

    chunks: int
    resolved: int
    scopes_unresolved: Mapping[str, str]

    @property
    def share(self) -> float:
        return self.resolved / self.chunks if self.chunks else 0.0


class Omission(_Record):
    """A file or field that gave no document (see ``index.unparsed.<code>``)."""

    document: str
    name: str
    code: str
    detail: str


class Anchor(_Record):
    """The ledger's last row when a release was built: a head that must stand in the chain for ever."""

    seq: int
    hash: str


class Manifest(_Record):
    """What a release is made of. ``reused`` is not stored: it says that a build found nothing new and hands back this earlier candidate.

    Its chunks are ``version`` of ``table``, which other candidates of the same ``generation`` (form of a row, model, chunker) share. A manifest of
    before there were generations names none: its chunks are in an older form, and the next build begins anew. ``weights`` are how its hits are fused (None: the default), ``embedded`` what its vectors cost.
    ``ledger_head`` anchors the ledger as it was then (None: nothing was written yet).
    """

    schema_: str = Field(default="fortnight.release/1", alias="schema")
    index: str
    number: int
    created_at: datetime
    inputs: Mapping[str, Input]
    model_id: str
    revision: str
    dim: int
    chunker: str
    table: str
    documents: Mapping[str, int]
    chunks: int
    access: Coverage
    omitted: tuple[Omission, ...]
    content_hash: str
    generation: str = ""
    version: int = 0
    weights: Weights | None = None
    embedded: Spent = Spent()
    ledger_head: Anchor | None = None
    reused: bool = Field(default=False, exclude=True)

    @property
    def release(self) -> str:
        return f"{self.index}/{self.number}"


class Production(_Record):
    """One position of the production pointer. ``number`` counts positions; ``release`` is the number of the build it names.

    ``rows`` are the two rows of the ledger that it was signed in and ``ledger_head`` the ledger's then; None for a position that nobody signed for
    (a rollback). ``reason`` is for people alone: anybody may write anything there.
    """

    schema_: str = Field(default="fortnight.production/2", alias="schema")
    index: str
    number: int
    release: int
    content_hash: str
    at: datetime
    actor: str
    reason: str
    rows: tuple[int, int] | None = None
    ledger_head: Anchor | None = None

    @model_validator(mode="before")
    @classmethod
    def _first_form(cls, told: Any) -> Any:
        # What was written before the two had fields of their own said them as a whole reason.
        if (
            isinstance(told, dict)
            and told.get("schema") == "fortnight.production/1"
            and (said := _SIGNED.fullmatch(str(told.get("reason"))))
        ):
            return {**told, "rows": (int(said[1]), int(said[2])), "ledger_head": {"seq": int(said[3]), "hash": said[4]}}
        return cast("Any", told)


def open_objects(root: str) -> ObjectStore:
    """The object store at ``root``: a folder (made when absent) or a URI."""
    from obstore.store import LocalStore, from_url

    return from_url(root) if "://" in root else LocalStore(prefix=root, mkdir=True)


def generation_uri(root: str, index: str) -> str:
    """Where the tables of an index lie."""
    return f"{root.rstrip('/')}/indexes/{index}/generations"


def open_release(root: str, manifest: Manifest, exact_limit: int = EXACT_LIMIT) -> LanceStore:
    """The chunks of a build, ready to be searched."""
    return LanceStore(generation_uri(root, manifest.index), manifest.table, manifest.dim, exact_limit, manifest.version)


def is_kept(root: str, manifest: Manifest) -> bool:
    """Whether the chunks of a build are still held: its version is tagged. Opens no table."""
    import obstore

    name = f"{tag_of(manifest.number, manifest.version)}.json"
    folder = f"indexes/{manifest.index}/generations/{manifest.table}.lance/_refs/tags"
    found = (str(meta["path"]) for chunk in obstore.list(open_objects(root), prefix=folder) for meta in chunk)
    return any(path.endswith(f"/{name}") for path in found)


def _numbers(store: ObjectStore, folder: str) -> list[int]:
    import obstore

    names = (str(meta["path"]).rsplit("/", 1)[-1] for chunk in obstore.list(store, prefix=folder) for meta in chunk)
    return sorted(int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdigit())


def _read(store: ObjectStore, path: str) -> bytes:
    import obstore

    return bytes(obstore.get(store, path).bytes())


def _put_if_absent(store: ObjectStore, path: str, record: _Record) -> bool:
    import obstore
    from obstore.exceptions import AlreadyExistsError

    try:
        obstore.put(store, path, record.model_dump_json(by_alias=True).encode(), mode="create")
    except AlreadyExistsError:
        return False
    return True


def candidates(root: str, index: str) -> list[Manifest]:
    """All candidates of an index, oldest first."""
    store, folder = open_objects(root), f"indexes/{index}/candidates"
    return [Manifest.model_validate_json(_read(store, f"{folder}/{number}.json")) for number in _numbers(store, folder)]


def candidate(root: str, index: str, number: int) -> Manifest:
    """One candidate. Raises FixConfiguration when there is none of that number."""
    store, folder = open_objects(root), f"indexes/{index}/candidates"
    if number not in _numbers(store, folder):
        raise FixConfiguration("index.no_such_release", index=index, number=number)
    return Manifest.model_validate_json(_read(store, f"{folder}/{number}.json"))


def newest_candidate(root: str, index: str) -> Manifest | None:
    store, folder = open_objects(root), f"indexes/{index}/candidates"
    numbers = _numbers(store, folder)
    return Manifest.model_validate_json(_read(store, f"{folder}/{numbers[-1]}.json")) if numbers else None


def record_candidate(root: str, manifest: Manifest) -> None:
    """Make a whole build a candidate. Raises AnswerIsNo when another build took the number meanwhile."""
    if not _put_if_absent(open_objects(root), f"indexes/{manifest.index}/candidates/{manifest.number}.json", manifest):
        raise AnswerIsNo("index.built_meanwhile", index=manifest.index, number=manifest.number)


def production_history(root: str, index: str) -> list[Production]:
    """Every position of the pointer, oldest first."""
    store, folder = open_objects(root), f"indexes/{index}/{PRODUCTION}"
    return [Production.model_validate_json(_read(store, f"{folder}/{number}.json")) for number in _numbers(store, folder)]


def undo_stack(history: Sequence[Production]) -> list[int]:
    """The releases that the pointer went forward over, oldest first, the one in production last.

    Going back to a release forgets those that were put there after it: 1, 2, 3, 2 leaves 1, 2.
    """
    stack: list[int] = []
    for position in history:
        if position.release in stack:
            del stack[stack.index(position.release) + 1 :]
        else:
            stack.append(position.release)
    return stack


def production(root: str, index: str) -> Production | None:
    """Where the pointer stands now; None before the first promotion."""
    return _position(root, index, PRODUCTION)


def drill_position(root: str, index: str) -> Production | None:
    """Where the drill's own pointer stands; None before the first drill. Nobody is served by it."""
    return _position(root, index, DRILL)


def _position(root: str, index: str, pointer: str) -> Production | None:
    store, folder = open_objects(root), f"indexes/{index}/{pointer}"
    numbers = _numbers(store, folder)
    return Production.model_validate_json(_read(store, f"{folder}/{numbers[-1]}.json")) if numbers else None


def point_production(
    root: str,
    index: str,
    release: int,
    *,
    at: datetime,
    actor: str,
    reason: str,
    after: int = 0,
    rows: tuple[int, int] | None = None,
    ledger_head: Anchor | None = None,
) -> Production:
    """Move the pointer (promotion and rollback alike). ``after`` is the position the caller decided upon, 0 for none.

    Raises FixConfiguration for a release that does not exist, AnswerIsNo when the pointer moved meanwhile.
    """
    return _point(root, index, PRODUCTION, release, at, actor, reason, after, rows, ledger_head)


def point_drill(root: str, index: str, release: int, *, at: datetime, actor: str, reason: str, after: int = 0) -> Production:
    """Move the drill's pointer, exactly as production's is moved."""
    return _point(root, index, DRILL, release, at, actor, reason, after)


def _point(
    root: str,
    index: str,
    pointer: str,
    release: int,
    at: datetime,
    actor: str,
    reason: str,
    after: int,
    rows: tuple[int, int] | None = None,
    ledger_head: Anchor | None = None,
) -> Production:
    manifest = candidate(root, index, release)
    store, folder = open_objects(root), f"indexes/{index}/{pointer}"
    now_at = max(_numbers(store, folder), default=0)
    record = Production(
        index=index,
        number=after + 1,
        release=release,
        content_hash=manifest.content_hash,
        at=at,
        actor=actor,
        reason=reason,
        rows=rows,
        ledger_head=ledger_head,
    )
    if now_at != after or not _put_if_absent(store, f"{folder}/{record.number}.json", record):
        raise AnswerIsNo("index.pointer_moved", index=index, expected=after, found=max(now_at, after + 1) if now_at == after else now_at)
    return record
