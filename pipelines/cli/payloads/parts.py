"""What every payload is made of, and the one that says what went wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A piece of a payload: no key too many, no value of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Payload(Part):
    """One whole JSON object. Each names its schema."""


class Cause(Part):
    code: str
    message: str


class Error(Payload):
    """Anything foreseen that went wrong. ``code`` is stable (docs/guides/errors.md); ``message`` is in the language asked for."""

    schema_: Literal["fortnight.error/1"] = Field(alias="schema")
    code: str
    message: str
