"""The limited process that parses files, one after another: frames in on stdin, frames out on stdout. Started by ``parse.Parser`` only."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import struct
import sys
from typing import Any, BinaryIO

from pipelines.index.formats import read_file
from pipelines.index.readers.reading import Unreadable

LENGTH = struct.Struct(">I")


def write_frame(stream: BinaryIO, *parts: bytes) -> None:
    """Each part as four bytes of length, then the part."""
    for part in parts:
        stream.write(LENGTH.pack(len(part)))
        stream.write(part)
    stream.flush()


def read_exactly(stream: BinaryIO, size: int) -> bytes | None:
    """``size`` bytes, or None where the stream ends first."""
    data = stream.read(size)
    return data if len(data) == size else None


def read_frame(stream: BinaryIO, limit: int) -> bytes | None:
    """One part; None at the stream's end or where it claims to be longer than ``limit``."""
    head = read_exactly(stream, LENGTH.size)
    if head is None:
        return None
    (size,) = LENGTH.unpack(head)
    return None if size > limit else read_exactly(stream, size)


def _allow_cpu(seconds: int) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime) + 1 + seconds, hard))


def _answer(task: dict[str, Any], data: bytes) -> bytes:
    try:
        reading = read_file(task["name"], task["media_type"], data)
    except Unreadable as error:
        return json.dumps({"code": error.code, "detail": error.detail}).encode()
    encoded = json.dumps(dataclasses.asdict(reading), ensure_ascii=False).encode()
    if len(encoded) > task["output_bytes"]:
        return json.dumps({"code": "too_much_text", "detail": f"{len(encoded)} bytes"}).encode()
    return encoded


def main() -> None:
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    replies = os.fdopen(os.dup(1), "wb")
    # A library that prints must not write into the replies.
    os.dup2(2, 1)
    source = sys.stdin.buffer
    while (head := read_frame(source, 1 << 20)) is not None:
        task: dict[str, Any] = json.loads(head)
        data = read_frame(source, 1 << 31)
        if data is None:
            return
        _allow_cpu(task["cpu_seconds"])
        try:
            reply = _answer(task, data)
        except (MemoryError, RecursionError) as error:
            write_frame(replies, json.dumps({"code": "too_big", "detail": type(error).__name__, "ended": True}).encode())
            # After a MemoryError nothing in this process can be trusted: the parent starts another.
            return
        write_frame(replies, reply)


if __name__ == "__main__":
    main()
