"""What ``index omitted`` prints."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipelines.cli.payloads.parts import Part, Payload


class Omitted(Part):
    """A file, a field or a named part of a file that is not in the index. ``code`` is that of ``index.unparsed.<code>``; ``reason`` says it."""

    document: str
    name: str
    code: str
    detail: str
    reason: str


class Omissions(Payload):
    """``fortnight index omitted``: what of its input a candidate does not hold, by reason and document."""

    schema_: Literal["fortnight.index_omitted/1"] = Field(alias="schema")
    index: str
    release: str
    omitted: tuple[Omitted, ...]
