"""Parsing from the outside: files go to one limited worker process, which is killed and started anew when a file misbehaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from pipelines.index.blocks import Block
from pipelines.index.parse_worker import read_frame, write_frame
from pipelines.index.readers.reading import Left


@dataclass(frozen=True)
class Limits:
    """What one file may cost: seconds of CPU, seconds on the wall, bytes of address space (of the whole worker), bytes in and out."""

    cpu_seconds: int = 90
    wall_seconds: float = 120.0
    memory_bytes: int = 3 << 30
    input_bytes: int = 100_000_000
    output_bytes: int = 20_000_000


@dataclass(frozen=True)
class Parsed:
    """All of a file, but for what ``left`` names: parts left out by rule, each with its code and where it was."""

    blocks: tuple[Block, ...]
    left: tuple[Left, ...] = ()


@dataclass(frozen=True)
class Unparsed:
    """Why a file gives no document: ``code`` is in the catalogue as ``index.unparsed.<code>``. Never half a document."""

    code: str
    detail: str = ""


class Parser:
    """A context manager around one worker; ``parse`` never raises for what a file holds."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._process: subprocess.Popen[bytes] | None = None
        # A folder of our own: a library that the worker unpacks and then loads must not be one that somebody else put there.
        self._folder = tempfile.TemporaryDirectory(prefix="fortnight-parse-")
        self.started = 0

    def __enter__(self) -> Parser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()
        self._folder.cleanup()

    def _end(self) -> None:
        """End the worker."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                # What was not taken by a dead worker is not worth an error.
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue

    def parse(self, name: str, media_type: str, data: bytes) -> Parsed | Unparsed:
        """Blocks of the file, or the reason why there are none."""
        limits = self._limits
        if len(data) > limits.input_bytes:
            return Unparsed("too_big", f"{len(data)} bytes")
        process = self._worker()
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None and stdout is not None
        task = {"name": name, "media_type": media_type, "cpu_seconds": limits.cpu_seconds, "output_bytes": limits.output_bytes}
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limits.wall_seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            write_frame(cast("Any", stdin), json.dumps(task).encode(), data)
            reply = read_frame(cast("Any", stdout), limits.output_bytes + 1024)
        except BrokenPipeError:
            reply = None
        finally:
            timer.cancel()
        if reply is None:
            process.kill()
            code = process.wait()
            self._end()
            if late.is_set() or code == -signal.SIGXCPU:
                return Unparsed("too_slow", f"{limits.wall_seconds if late.is_set() else limits.cpu_seconds:g} s")
            return Unparsed("worker_died", f"exit {code}")
        answer: dict[str, Any] = json.loads(reply)
        if answer.get("ended"):
            self._end()
        if "code" in answer:
            return Unparsed(answer["code"], answer["detail"])
        return Parsed(tuple(_block(raw) for raw in answer["blocks"]), tuple(Left(**raw) for raw in answer["left"]))

    def _worker(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        # No variable of ours is handed down: the environment holds secrets, and the worker reads strangers' files.
        environment = {
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *(path for path in sys.path if path)]),
            "PYTHONUTF8": "1",
            "RAYON_NUM_THREADS": "1",
            "TOKIO_WORKER_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",
            "TMPDIR": self._folder.name,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.index.parse_worker", str(self._limits.memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        self.started += 1
        return self._process


def _block(raw: dict[str, Any]) -> Block:
    rows = tuple(tuple(row) for row in raw["rows"])
    return Block(raw["kind"], raw["text"], raw["level"], rows, raw["page"], raw["span"], tuple(raw["lines"]))
