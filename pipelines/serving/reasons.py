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
    #: The gate and the pointer.
    INELIGIBLE = "ineligible"
    REVOKED = "revoked"
    STALE = "stale"
    NO_RELEASE = "no_release"
    NOTHING_THEN = "nothing_then"
    GATE_UNKNOWN = "gate_unknown"
    #: Who asks.
    NO_TOKEN = "no_token"
    BAD_TOKEN = "bad_token"
    APP_ONLY = "app_only"
    GROUPS_UNKNOWN = "groups_unknown"
    KEYS_UNKNOWN = "keys_unknown"
    NOT_ALLOWED = "not_allowed"
    #: How much.
    TOO_MANY = "too_many"
    TOO_MANY_AT_ONCE = "too_many_at_once"
    BUDGET_SPENT = "budget_spent"
    #: What the service stands on.
    UNAVAILABLE = "unavailable"
    DRAINING = "draining"

    def say(self, lang: Language = "en") -> str:
        return sentence(f"serving.{self.value}", lang=lang)


class AnswerWithheld(AnswerIsNo):
    """The question was refused, or its answer could not be audited: nothing of it left. ``retry_after`` in seconds, where waiting helps."""

    def __init__(self, reason: Reason, *, retry_after: float | None = None, **params: object) -> None:
        self.reason = reason
        self.retry_after = retry_after
        super().__init__(f"serving.{reason.value}", **params)
