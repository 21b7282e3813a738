"""A library's tree as the last pull left it: who lies in which folder, and under which scope. It is the connector's memory (``Page.kept``).

Graph's delta tells a folder's rename or deletion only for the folder; what lay in it must be known from before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

import pyarrow as pa

from connectors.protocol import UNRESOLVED

Kind = Literal["file", "folder", "package"]
_COLUMNS = ("parent", "name", "list_item", "own", "scope", "kind")
SCHEMA = pa.schema([(name, pa.string()) for name in ("_key", "_op", *_COLUMNS)])
#: So many items are turned into columns at once.
_SLICE = 10_000


class Node(NamedTuple):
    """One item. ``name`` is a folder's, as a file's stands in its row; the root's ``parent`` and ``name`` are empty.

    ``own`` is the scope of its own role assignments, empty where it inherits, ``unresolved`` where that is not known; ``scope`` is the
    one that holds for it.
    """

    parent: str
    name: str
    list_item: str
    kind: Kind
    own: str = ""
    scope: str = UNRESOLVED

    @property
    def is_row(self) -> bool:
        """Files, and packages such as OneNote notebooks, which are one thing to their readers."""
        return self.kind != "folder"


@dataclass
class Tree:
    """Items by their id."""

    nodes: dict[str, Node] = field(default_factory=dict[str, Node])

    def copy(self) -> Tree:
        return Tree(dict(self.nodes))

    @property
    def rows(self) -> int:
        return sum(1 for node in self.nodes.values() if node.kind != "folder")

    def folders(self) -> dict[str, Node]:
        return {id: node for id, node in self.nodes.items() if node.kind != "file"}

    def paths(self) -> Paths:
        """Folder paths as the tree stands now."""
        return Paths(self.folders())

    def settle(self, own: Callable[[Node], str], default: str) -> None:
        """Give every item its scope: the nearest own one above it, itself included, else ``default``. ``own`` says the own scope of an item."""
        above: dict[str, str] = {}
        folders = self.folders()

        def own_of(node: Node) -> str:
            return own(node) if node.parent else ""

        def scope_of(folder: str) -> str:
            chain: list[str] = []
            at = folder
            while at not in above:
                node = folders.get(at)
                if node is None or at in chain:
                    above[at] = UNRESOLVED
                elif mine := own_of(node):
                    above[at] = mine
                elif not node.parent:
                    above[at] = default
                else:
                    chain.append(at)
                    at = node.parent
            for below in chain:
                above[below] = above[at]
            return above[folder]

        for id, node in self.nodes.items():
            mine = own_of(node)
            scope = mine or (scope_of(node.parent) if node.parent else default)
            if mine != node.own or scope != node.scope:
                self.nodes[id] = node._replace(own=mine, scope=scope)

    @classmethod
    def load(cls, kept: pa.Table | None) -> Self:
        """The tree that was kept; the empty one where none was."""
        if kept is None:
            return cls()
        shared: dict[str, str] = {}
        nodes: dict[str, Node] = {}
        for batch in kept.to_batches(max_chunksize=_SLICE):
            columns = {name: batch.column(name).to_pylist() for name in ("_key", *_COLUMNS)}
            # Parents and scopes repeat: one string object for each.
            parents, owns, scopes = ([shared.setdefault(one, one) for one in columns[name]] for name in ("parent", "own", "scope"))
            made = zip(parents, columns["name"], columns["list_item"], columns["kind"], owns, scopes, strict=True)
            nodes.update(zip(columns["_key"], map(Node._make, made), strict=True))
        return cls(nodes)

    def changes(self, before: Tree, *, anew: bool) -> Iterator[pa.RecordBatch]:
        """What to keep, in slices: everything ``anew``, else what differs from ``before``."""
        gone = [] if anew else [id for id in before.nodes if id not in self.nodes]
        wanted: Collection[str] = self.nodes if anew else [id for id, node in self.nodes.items() if before.nodes.get(id) != node]
        ids = [*gone, *wanted]
        for at in range(0, len(ids) or int(anew), _SLICE):
            part = ids[at : at + _SLICE]
            nodes = [self.nodes.get(id) for id in part]
            columns = [[None if node is None else getattr(node, name) for node in nodes] for name in _COLUMNS]
            ops = ["delete" if node is None else "upsert" for node in nodes]
            yield pa.record_batch([pa.array(column, pa.string()) for column in (part, ops, *columns)], schema=SCHEMA)


class Paths:
    """Folder paths, each worked out once. The root's path is empty, and every other one starts with a slash."""

    def __init__(self, folders: Mapping[str, Node]) -> None:
        self._folders = folders
        self._known: dict[str, str | None] = {}

    def of(self, folder: str) -> str | None:
        """The path of a folder, or None where it or a folder above it is not in the tree."""
        chain: list[str] = []
        at = folder
        while at not in self._known:
            held = self._folders.get(at)
            if held is None or at in chain:
                self._known[at] = None
                break
            if not held.parent:
                self._known[at] = ""
                break
            chain.append(at)
            at = held.parent
        path = self._known[at]
        for below in reversed(chain):
            path = None if path is None else f"{path}/{self._folders[below].name}"
            self._known[below] = path
        return path
