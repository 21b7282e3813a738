"""Answers, refusals and status as they leave: from what reception gave to what the wire carries, the same for every door."""

from __future__ import annotations

from datetime import datetime
from math import ceil

from connectors.errors import FortnightError
from connectors.messages import Language, sentence
from pipelines.serving.callers.roles import Action, may
from pipelines.serving.doors.wire import AnswerBody, Cost, Freshness, Inside, Piece, RefusalBody, Source, StatusBody, StreamAge
from pipelines.serving.feedback import CostOfUse
from pipelines.serving.reasons import AnswerWithheld, Reason
from pipelines.serving.reception import Reception, Served, Situation
from pipelines.serving.retrieval import Hit

#: HTTP's word for each refusal. 409: a fact about the index that waiting does not change; 503: something that may come back.
STATUS = {
    Reason.NO_TOKEN: 401,
    Reason.BAD_TOKEN: 401,
    Reason.APP_ONLY: 403,
    Reason.NOT_ALLOWED: 403,
    Reason.NOTHING_THEN: 404,
    Reason.INELIGIBLE: 409,
    Reason.SUSPENDED: 409,
    Reason.REVOKED: 409,
    Reason.NO_RELEASE: 409,
    Reason.OTHER_MODEL: 409,
    Reason.TOO_MANY: 429,
    Reason.TOO_MANY_AT_ONCE: 429,
    Reason.BUDGET_SPENT: 429,
}
_LANGUAGES: tuple[Language, Language] = ("ja", "en")


def said(code: str) -> dict[str, str]:
    """A sentence of the catalogue in both languages."""
    return {lang: sentence(code, lang=lang) for lang in _LANGUAGES}


def status_of(error: FortnightError) -> int:
    if isinstance(error, AnswerWithheld):
        return STATUS.get(error.reason, 503)
    return 404 if error.code == "serving.no_such_answer" else 503


def refusal(error: FortnightError, trace_id: str) -> RefusalBody:
    wait = error.retry_after if isinstance(error, AnswerWithheld) else None
    return RefusalBody(
        code=error.code,
        message={lang: error.say(lang) for lang in _LANGUAGES},
        trace_id=trace_id,
        retry_after=ceil(wait) if wait is not None else None,
    )


def answer(served: Served) -> AnswerBody:
    found, now = served.answer, served.at
    streams = sorted({hit.stream for hit in found.hits})
    oldest = served.sources.oldest or now
    return AnswerBody(
        trace_id=found.trace_id,
        index=found.index,
        release=found.release,
        label=served.label,
        eligibility=served.standing,
        reason=found.reason.value,
        message={lang: found.reason.say(lang) for lang in _LANGUAGES},
        notice=said("serving.notice"),
        freshness=Freshness(
            access_read_at=served.today.overlay.read_at,
            access_age_seconds=_age(served.today.overlay.read_at, now),
            membership_read_at=served.today.read_at,
            membership_age_seconds=_age(served.today.read_at, now),
            release_built_at=served.release.manifest.created_at,
            oldest_source_age_seconds=_age(oldest, now),
            # Only of streams that a piece comes from: that an index has others is nobody's business.
            sources=tuple(_stream(name, served.sources.pulled_at[name], now) for name in streams if name in served.sources.pulled_at),
            degraded=served.today.degraded,
        ),
        hits=tuple(_piece(hit) for hit in found.hits),
    )


def status(reception: Reception, seen: Situation) -> StatusBody:
    """What the caller may know of how the index stands. What useful answers cost is counted only for who may see it."""
    production, refused = seen.board.production, seen.refusal
    return StatusBody(
        index=reception.index,
        eligibility=seen.board.state.eligibility,
        production=production.release if production else None,
        answers=refused is None,
        code=refused.code if refused is not None else "serving.answered",
        message={lang: refused.say(lang) for lang in _LANGUAGES} if refused is not None else said("serving.ready"),
        roles=tuple(sorted(role.value for role in seen.roles)),
        access_age_seconds=_age(seen.today.overlay.read_at, seen.at),
        degraded=seen.today.degraded,
        inside=_inside(seen, reception.cost()) if may(seen.roles, Action.INSPECT) else None,
    )


def _inside(seen: Situation, cost: CostOfUse) -> Inside:
    return Inside(
        streams=tuple(_stream(name, at, seen.at) for name, at in sorted(seen.today.pulled_at.items())),
        green_days=seen.board.state.green_days,
        required_days=seen.board.state.required_days,
        reasons=tuple(reason.code for reason in seen.board.state.reasons),
        newest_candidate=seen.board.newest,
        cost=Cost(
            value_jpy=cost.value_jpy,
            numerator_jpy=cost.numerator_jpy,
            denominator=cost.denominator,
            since=cost.since,
            definition=said("audit.cost_definition"),
        ),
    )


def _piece(hit: Hit) -> Piece:
    made = hit.provenance
    return Piece(
        rank=hit.rank,
        score=hit.score,
        chunk=hit.chunk,
        title=hit.title,
        heading_path=hit.heading_path,
        text=hit.snippet,
        source=Source(
            stream=hit.stream,
            document=hit.document,
            row=made.row,
            version=made.version,
            pull_id=made.pull_id,
            url=hit.url,
            columns=made.columns,
        ),
    )


def _stream(name: str, at: datetime, now: datetime) -> StreamAge:
    return StreamAge(stream=name, pulled_at=at, age_seconds=_age(at, now))


def _age(at: datetime, now: datetime) -> int:
    return max(0, round((now - at).total_seconds()))
