"""The stable codes this room speaks in, each with the names of its parameters; the sentences stand in connectors/messages/gate.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.messages import Language, sentence

Scalar = str | int | float | bool | None

#: code → the parameters it carries. A code never changes its meaning; a new meaning is a new code.
CODES: Mapping[str, tuple[str, ...]] = {
    # Why a claim does not count.
    "seal.wrong_environment": ("claimed", "expected"),
    "seal.simulated_clock": (),
    "seal.sandbox_endpoint": (),
    "seal.runless": ("pull_id",),
    "seal.by_hand": ("pull_id",),
    "seal.run_unknown": ("run_id",),
    "seal.backfill": ("run_id",),
    "seal.manual": ("run_id",),
    "seal.not_in_tick": ("run_id", "trigger"),
    "seal.tick_of_other_stream": ("run_id", "tick"),
    "seal.for_freshness": ("tick",),
    "seal.off_calendar": ("tick",),
    "seal.slot_disagrees": ("claimed", "witnessed"),
    "seal.root_disagrees": ("claimed", "witnessed"),
    # Why a day is not green.
    "seal.slot_missed": ("slot",),
    "seal.run_without_claim": ("slot", "run_id", "status"),
    "seal.pull_failed": ("slot", "error"),
    "seal.pull_stopped": ("slot",),
    "seal.run_failed": ("slot", "run_id", "status"),
    "seal.run_unfinished": ("slot", "run_id"),
    "seal.late": ("slot", "finished_at"),
    "seal.clock_skew": ("slot", "run_id"),
    "seal.claims_contradict": ("slot", "pull_id"),
    "seal.no_checks": ("slot",),
    "seal.check_missing": ("slot", "check"),
    "seal.check_failed": ("slot", "check"),
    "seal.check_warned": ("slot", "check"),
    "seal.check_unconfirmed": ("slot", "check"),
    "seal.check_disagrees": ("slot", "check"),
    "seal.unbalanced": ("slot", "source", "accounted"),
    "seal.balance_unverified": ("slot",),
    "seal.drift_waiting": ("slot", "count"),
    "seal.stale": ("gap_hours", "limit_hours"),
    "seal.endpoint_changed_in_day": (),
    "seal.window_declared_late": ("starts_at", "declared_at"),
    "seal.window_by_one": ("starts_at", "declared_by"),
    # Notes beside a verdict.
    "seal.healed": ("slot", "attempts"),
    "seal.excused_window": ("slot", "why"),
    "seal.no_slots": (),
    "seal.calendar_changed_late": ("in_force", "edited"),
    "seal.runless_event": ("kind", "name", "at"),
    "seal.runless_events": ("kind", "name", "count", "since", "until"),
    "seal.judged_under": ("policy", "last_good_at"),
    # Rows other people push.
    "fact.measured": ("name", "value", "unit", "limit", "evidence"),
    "amendment.excluded": ("why",),
    "decision.contract_accepted": ("before", "after", "change", "promises"),
    "decision.why": ("why",),
    "decision.bound": ("seq", "head", "nonce"),
    "decision.people": ("fingerprint", "roster"),
    "decision.promote": ("release", "content_hash"),
    "decision.week_one": ("contracts",),
    "decision.window": ("starts_at", "ends_at"),
    "decision.slot": ("starts_at", "ends_at"),
    "decision.head": ("seq", "head"),
    "gate.policy_set": ("fingerprint",),
    "gate.policy_terms": ("terms",),
    "gate.configured": ("fingerprint",),
    "gate.changed_outside_slot": ("fingerprint",),
    "calendar.recorded": ("fingerprint", "terms"),
    # Why a signed row does not count.
    "decision.unbound": (),
    "decision.replayed": (),
    "decision.other_chain": ("seq",),
    "decision.stale": ("days",),
    "decision.bad_signature": (),
    "decision.unknown_key": ("actor",),
    "decision.not_the_actor": ("actor", "holder"),
    "decision.key_expired": ("actor", "expires"),
    "decision.unknown_verb": ("verb",),
    "decision.wrong_role": ("actor", "roles"),
    # Why an index is not eligible.
    "gate.sealed_ahead": ("today", "day"),
    "gate.fact_other_limit": ("name", "limit", "wanted"),
    "gate.no_streams": (),
    "gate.no_sealed_day": ("stream", "required_days"),
    "gate.streak_short": ("stream", "green_days", "required_days"),
    "gate.day_not_sealed": ("stream", "day"),
    "gate.contract_changed": ("stream", "day"),
    "gate.endpoint_changed": ("stream", "day"),
    "gate.seal_policy_changed": ("stream", "day"),
    "gate.policy_not_recorded": (),
    "gate.policy_changed": ("recorded", "current"),
    "gate.policy_since": ("day",),
    "gate.fact_missing": ("name",),
    "gate.fact_failed": ("name", "value", "unit", "limit"),
    "gate.fact_expired": ("name", "measured_on", "valid_days"),
    "gate.fact_from_future": ("name", "measured_on"),
    "gate.week_one_unsigned": (),
    "gate.contract_not_accepted": ("stream", "fingerprint"),
    "gate.reviews_missed": ("days",),
    "gate.two_bad_in_a_row": ("day",),
    "gate.three_bad_in_fourteen": ("day",),
    "gate.budget_spent": ("bad_days",),
    "gate.suspended_by": ("actor",),
    "gate.revoked_by": ("actor",),
    # Why there is no day to seal yet.
    "gate.first_day_open": ("stream", "day", "closes_at"),
    "gate.nothing_pulled": (),
    # What the calendar will lack.
    "calendar.ends": ("year", "next"),
    # Where a chain breaks.
    "ledger.unreadable": ("detail",),
    "ledger.not_canonical": (),
    "ledger.seq_gap": ("expected", "found"),
    "ledger.prev_wrong": (),
    "ledger.hash_wrong": (),
    "ledger.cut": ("anchor",),
    "ledger.cut_known": ("known",),
    "ledger.file_unreadable": ("file", "reason"),
    "ledger.details_missing": (),
}


@dataclass(frozen=True)
class Reason:
    """One coded reason with its parameters. Rows written by another version may carry codes this one does not know."""

    code: str
    params: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar], hash=False)

    def say(self, lang: Language = "en") -> str:
        """The sentence for a person."""
        return sentence(self.code, self.params, lang)


def reason(code: str, **params: Scalar) -> Reason:
    """A reason this version knows. A code without an entry, or with other parameters than it promises, is a ValueError."""
    if code not in CODES:
        raise ValueError(f"reason code {code} is not in the catalogue: add it to CODES and to gate.toml")
    if set(params) != set(CODES[code]):
        raise ValueError(f"reason {code} carries {sorted(CODES[code])}, not {sorted(params)}")
    return Reason(code, params)
