"""Every way an answer can end, as stable codes; their sentences stand in the catalogue as ``serving.<code>``."""

from __future__ import annotations

from enum import StrEnum

from connectors.errors import AnswerIsNo
from connectors.messages import Language, sentence


class Reason(StrEnum):
    """``ANSWERED`` to ``UNKNOWN_PERSON`` come with an answer; the others are refusals, and no text leaves."""

    ANSWERED = "answered"
    NO_MATCH = "no_match"
    NOTHING_VISIBLE = "nothing_visible"
    UNKNOWN_PERSON = "unknown_person"
    OVERLAY_STALE = "overlay_stale"
    MEMBERSHIP_STALE = "membership_stale"
    OTHER_MODEL = "other_model"
    SUSPENDED = "suspended"
    AUDIT_UNAVAILABLE = "audit_unavailable"

    def say(self, lang: Language = "en") -> str:
        return sentence(f"serving.{self.value}", lang=lang)


class AnswerWithheld(AnswerIsNo):
    """The question was refused, or its answer could not be audited: nothing of it left."""

    def __init__(self, reason: Reason, **params: object) -> None:
        self.reason = reason
        super().__init__(f"serving.{reason.value}", **params)
