"""What a reader gives: blocks and what of the file it left out by rule, or the reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.index.blocks import Block


class Unreadable(ValueError):
    """This file gives no document. ``code`` stands in the catalogue as ``index.unparsed.<code>``; ``detail`` is short and holds no content."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}")


@dataclass(frozen=True)
class Left:
    """A part of a file that is left out by rule (a hidden sheet, a scanned page): ``code`` as for Unreadable, ``detail`` says where."""

    code: str
    detail: str


@dataclass(frozen=True)
class Reading:
    """All blocks of a file in reading order, and the parts that are named as left out."""

    blocks: tuple[Block, ...]
    left: tuple[Left, ...] = ()
