"""A library's tree as the last pull left it: who lies in which folder, and under which scope. It travels in the cursor, compressed.

Graph's delta tells a folder's rename or deletion only for the folder; what lay in it must be known from before.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import NamedTuple, Self


class File(NamedTuple):
    parent: str
    list_item: str
    scope: str


class Folder(NamedTuple):
    """The root's ``parent`` and ``name`` are empty."""

    parent: str
    name: str


@dataclass
class Tree:
    folders: dict[str, Folder] = field(default_factory=dict[str, Folder])
    files: dict[str, File] = field(default_factory=dict[str, File])

    def copy(self) -> Tree:
        return Tree(dict(self.folders), dict(self.files))

    def paths(self) -> Paths:
        """Folder paths as the tree stands now."""
        return Paths(self.folders)

    def dump(self) -> str:
        """The tree as one ASCII word. Scopes repeat, so files keep only their number."""
        scopes = sorted({file.scope for file in self.files.values()})
        number = {scope: at for at, scope in enumerate(scopes)}
        files = [(id, file.parent, file.list_item, number[file.scope]) for id, file in self.files.items()]
        text = json.dumps({"folders": self.folders, "scopes": scopes, "files": files}, ensure_ascii=False, separators=(",", ":"))
        return b64encode(zlib.compress(text.encode())).decode()

    @classmethod
    def load(cls, word: str | None) -> Self:
        """The inverse of ``dump``; None is the empty tree."""
        if word is None:
            return cls()
        held = json.loads(zlib.decompress(b64decode(word)))
        scopes = held["scopes"]
        return cls(
            {id: Folder(*one) for id, one in held["folders"].items()},
            {id: File(parent, item, scopes[at]) for id, parent, item, at in held["files"]},
        )


class Paths:
    """Folder paths, each worked out once. The root's path is empty, and every other one starts with a slash."""

    def __init__(self, folders: dict[str, Folder]) -> None:
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
