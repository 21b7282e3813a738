"""The cache of made files: content-addressed in the state folder, so that only the first start of a seed renders anything."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infra.sandbox.sharepoint.content.document import Document
from infra.sandbox.sharepoint.content.quickxor import quick_xor_hash
from infra.sandbox.sharepoint.content.render import render


@dataclass(frozen=True)
class Stored:
    """One made file: where, how many bytes, its quickXorHash in base64."""

    file: Path
    size: int
    quick_xor: str

    def read(self) -> bytes:
        return self.file.read_bytes()


class Shelf:
    """Files by ``Document.key``. Not thread-safe: the world's lock is held by whoever stores."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index_file = folder / "index.json"
        folder.mkdir(parents=True, exist_ok=True)
        self._index: dict[str, list[int | str]] = json.loads(self._index_file.read_text()) if self._index_file.exists() else {}

    def store(self, documents: Iterable[Document]) -> list[Stored]:
        """The files of ``documents``, made where they are not there yet."""
        made = [self._one(document) for document in documents]
        fresh = self._index_file.with_suffix(".new")
        fresh.write_text(json.dumps(self._index))
        os.replace(fresh, self._index_file)
        return made

    def empty(self, extension: str) -> Stored:
        """A file of no bytes."""
        path = self._folder / f"empty.{extension}"
        path.touch()
        return Stored(path, 0, quick_xor_hash(b""))

    def _one(self, document: Document) -> Stored:
        key = document.key
        path = self._folder / f"{key}.{document.extension}"
        if key not in self._index or not path.exists():
            data = render(document)
            path.write_bytes(data)
            self._index[key] = [len(data), quick_xor_hash(data)]
        size, quick_xor = self._index[key]
        return Stored(path, int(size), str(quick_xor))
