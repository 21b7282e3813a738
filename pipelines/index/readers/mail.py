"""Outlook messages (.msg): subject, people, date and body through kreuzberg; what is attached is named, not read."""

from __future__ import annotations

from pipelines.index.blocks import markdown_blocks
from pipelines.index.readers.markdown import extract
from pipelines.index.readers.reading import Reading


def read_mail(data: bytes) -> Reading:
    return Reading(tuple(markdown_blocks(extract(data, "application/vnd.ms-outlook"))))
