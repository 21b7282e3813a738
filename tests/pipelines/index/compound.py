"""Old containers (MS-CFB, [MS-XLS], [MS-OXMSG]) in their smallest form: no library of ours writes them, and companies are full of them."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096


def compound(streams: Mapping[str, bytes]) -> bytes:
    """A container with these streams in its root: small ones in the mini stream, large ones in sectors of their own."""
    mini, mini_fat = b"", list[int]()
    placed: dict[str, int] = {}
    for name, data in streams.items():
        if len(data) < _CUTOFF:
            count = max(1, -(-len(data) // _MINI))
            placed[name] = len(mini_fat)
            mini_fat += [*range(len(mini_fat) + 1, len(mini_fat) + count), _END]
            mini += data.ljust(count * _MINI, b"\0")
    body, fat = b"", [_FAT]

    def put(data: bytes) -> int:
        nonlocal body
        count = -(-len(data) // _SECTOR)
        if not count:
            return _END
        start = len(fat)
        fat.extend([*range(start + 1, start + count), _END])
        body += data.ljust(count * _SECTOR, b"\0")
        return start

    for name, data in streams.items():
        if len(data) >= _CUTOFF:
            placed[name] = put(data)
    mini_start = put(mini)
    packed = struct.pack(f"<{len(mini_fat)}I", *mini_fat)
    mini_fat_start = put(packed + b"\xff" * (-len(packed) % _SECTOR))
    names = sorted(streams, key=lambda name: (len(name), name.upper()))
    entries = [_entry("Root Entry", 5, _FREE, 1 if names else _FREE, mini_start, len(mini))]
    for number, name in enumerate(names, 1):
        after = number + 1 if number < len(names) else _FREE
        entries.append(_entry(name, 2, after, _FREE, placed[name], len(streams[name])))
    entries += [b"\0" * 64 + struct.pack("<HBB3I", 0, 0, 1, _FREE, _FREE, _FREE) + b"\0" * 48] * (-len(entries) % 4)
    directory = put(b"".join(entries))
    assert len(fat) <= _SECTOR // 4, "one sector of the allocation table is enough for a test"
    header = struct.pack(
        "<8s16sHHHHH6sIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"\0" * 16,
        0x3E,
        3,
        0xFFFE,
        9,
        6,
        b"\0" * 6,
        0,
        1,
        directory,
        0,
        _CUTOFF,
        mini_fat_start,
        1 if mini_fat else 0,
        _END,
        0,
    )
    header += struct.pack("<109I", 0, *[_FREE] * 108)
    return header + struct.pack("<128I", *fat, *[_FREE] * (128 - len(fat))) + body


def _entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0"
    head = encoded.ljust(64, b"\0") + struct.pack("<HBB3I", len(encoded), kind, 1, _FREE, right, child)
    return head + b"\0" * 36 + struct.pack("<IQ", start if size else _END, size)


def xls(sheet: str, rows: list[list[str | float]]) -> bytes:
    """A BIFF8 workbook of one sheet: text and numbers."""

    def record(kind: int, data: bytes) -> bytes:
        return struct.pack("<HH", kind, len(data)) + data

    begin = struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 1996, 0, 6)
    name = struct.pack("<BB", len(sheet), 1) + sheet.encode("utf-16-le")
    cells = b""
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            place = struct.pack("<HHH", number, column, 0)
            if isinstance(value, str):
                cells += record(0x0204, place + struct.pack("<HB", len(value), 1) + value.encode("utf-16-le"))
            else:
                cells += record(0x0203, place + struct.pack("<d", value))
    head = record(0x0809, begin) + record(0x0042, struct.pack("<H", 1200))
    at = len(head) + 4 + 6 + len(name) + 4
    book = head + record(0x0085, struct.pack("<IBB", at, 0, 0) + name) + record(0x000A, b"")
    book += record(0x0809, begin[:2] + struct.pack("<H", 0x0010) + begin[4:]) + cells + record(0x000A, b"")
    return compound({"Workbook": book.ljust(_CUTOFF, b"\0")})


def msg(subject: str, body: str) -> bytes:
    """An Outlook message with a subject and a plain body."""
    texts = {0x0037: subject, 0x1000: body, 0x001A: "IPM.Note"}
    rows = b"".join(struct.pack("<HHIII", 0x001F, tag, 6, len(text.encode("utf-16-le")) + 2, 0) for tag, text in texts.items())
    streams = {f"__substg1.0_{tag:04X}001F": text.encode("utf-16-le") for tag, text in texts.items()}
    return compound({**streams, "__properties_version1.0": b"\0" * 32 + rows})
