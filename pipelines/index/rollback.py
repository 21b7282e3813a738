"""Going back: which release was in production before, at an instant, and the one move that makes it so again. Opens no table and no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.errors import AnswerIsNo
from pipelines.index.releases import Manifest, Production, candidate, is_kept, point_production, production_history, undo_stack


@dataclass(frozen=True)
class Model:
    """By which vectors are comparable: another id, revision or dimension is another space."""

    id: str
    revision: str
    dim: int

    def __str__(self) -> str:
        return f"{self.id}@{self.revision}"


def model_of(manifest: Manifest) -> Model:
    return Model(manifest.model_id, manifest.revision, manifest.dim)


def in_production_at(history: Sequence[Production], instant: datetime) -> Production | None:
    """The position that held at an instant (aware); None where nothing was in production yet."""
    held = [position for position in history if position.at <= instant]
    return held[-1] if held else None


def roll_back(root: str, index: str, served: Model, *, at: datetime, actor: str, reason: str, to: int | None = None) -> Production:
    """Point production at the release before, or at ``to``. ``served`` is the model that questions are embedded with today.

    Raises AnswerIsNo, with nothing moved, when there is nothing to go back to, when ``to`` never was in production or is there already, when
    its table is gone, when it was built with another model than ``served``, or when somebody moved the pointer meanwhile.
    """
    history = production_history(root, index)
    if not history:
        raise AnswerIsNo("rollback.nothing_in_production", index=index)
    now = history[-1]
    target = _before(index, history) if to is None else to
    if target == now.release:
        raise AnswerIsNo("rollback.already_there", index=index, release=target)
    if target not in {position.release for position in history}:
        # Any other candidate would reach readers without the gate.
        known = ", ".join(str(number) for number in sorted({position.release for position in history}))
        raise AnswerIsNo("rollback.never_in_production", index=index, release=target, known=known)
    manifest = candidate(root, index, target)
    if model_of(manifest) != served:
        raise AnswerIsNo("rollback.other_model", index=index, release=target, built_with=model_of(manifest), asked_with=served)
    if not is_kept(root, manifest):
        raise AnswerIsNo("rollback.table_gone", index=index, release=target)
    return point_production(root, index, target, at=at, actor=actor, reason=reason, after=now.number)


def _before(index: str, history: Sequence[Production]) -> int:
    stack = undo_stack(history)
    if len(stack) < 2:
        raise AnswerIsNo("rollback.nothing_before", index=index, release=stack[-1])
    return stack[-2]
