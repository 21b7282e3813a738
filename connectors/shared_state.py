"""A few numbers that threads and processes of one machine change together: one small JSON file under a lock, or memory without a folder."""

from __future__ import annotations

import fcntl
import os
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from connectors.errors import FixConfiguration

T = TypeVar("T", bound=msgspec.Struct)
#: The room of a file: a disk writes so many bytes at once. What fits is written in its place, which costs a tenth of a new file.
_ROOM = 512


class SharedState(Generic[T]):
    """``changing`` gives one holder at a time the newest state, whichever process wrote it.

    A file is replaced whole or not at all, whatever dies in between. It is not forced to disk: a power cut may take the last changes.
    """

    def __init__(self, kind: type[T], folder: Path | None, name: str) -> None:
        """Raises FixConfiguration when the folder can't be made."""
        self._kind, self._lock, self._memory = kind, threading.Lock(), kind()
        self._file = None if folder is None else folder / (re.sub(r"[^\w.-]", "_", name, flags=re.ASCII) + ".json")
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FixConfiguration("transport.state", path=folder, reason=error.strerror or "") from error

    @contextmanager
    def changing(self) -> Generator[T]:
        """The state now; what the holder makes of it is kept, unless an error leaves. Raises FixConfiguration for an unusable file."""
        with self._lock:
            if self._file is None:
                yield self._memory
                return
            try:
                gate = self._file.with_suffix(".lock").open("w")
            except OSError as error:
                raise FixConfiguration("transport.state", path=self._file, reason=error.strerror or "") from error
            with gate:
                # A lock on an open file is gone with the process that held it.
                fcntl.flock(gate, fcntl.LOCK_EX)
                state, before = self._read(self._file)
                yield state
                after = msgspec.json.encode(state)
                if after != before.rstrip():
                    self._put(self._file, after)

    def _put(self, file: Path, content: bytes) -> None:
        try:
            put(file, content)
        except OSError as error:
            raise FixConfiguration("transport.state", path=file, reason=error.strerror or "") from error

    def _read(self, file: Path) -> tuple[T, bytes]:
        try:
            raw = file.read_bytes()
            return msgspec.json.decode(raw, type=self._kind), raw
        except FileNotFoundError:
            return self._kind(), b""
        except (OSError, msgspec.MsgspecError) as error:
            raise FixConfiguration("transport.state", path=file, reason=f"{type(error).__name__}: {error}") from error


def put(file: Path, content: bytes) -> None:
    """Make this JSON the file's content, whole or not at all, whatever dies in between; whoever reads or writes it holds its lock.

    Not forced to disk: a power cut may take the last changes. Raises OSError.
    """
    whole = content.ljust(_ROOM)
    if len(whole) == _ROOM and _in_place(file, whole):
        return
    fresh = file.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_bytes(whole)
    os.replace(fresh, file)


def _in_place(file: Path, whole: bytes) -> bool:
    """Whether one write put it where as many bytes were; a file of another size is left as it is."""
    try:
        there = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return os.fstat(there).st_size == len(whole) and os.pwrite(there, whole, 0) == len(whole)
    finally:
        os.close(there)
