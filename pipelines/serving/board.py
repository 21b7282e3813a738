"""What may answer: the gate's word, the production pointer and the candidates of one index, looked up every few seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from connectors.errors import FixConfiguration, FortnightError
from pipelines.clock import Clock
from pipelines.evidence.gate import GateState
from pipelines.evidence.quick import standing_quick
from pipelines.index.releases import Production, candidate, newest_candidate, production_history
from pipelines.project import Project
from pipelines.serving.reasons import AnswerWithheld, Reason
from pipelines.serving.retrieval import Release, open_for

Label = Literal["production", "candidate", "as_of"]
#: Where an index of a project stands at an instant.
Gate = Callable[[Project, str, datetime], GateState]
#: While another look is under way, a reading this old answers nobody: a suspension is to be seen within so long, also where storage is slow.
SEEN_WITHIN = timedelta(seconds=10)
_REFUSED = {"ineligible": Reason.INELIGIBLE, "suspended": Reason.SUSPENDED, "revoked": Reason.REVOKED}


@dataclass(frozen=True)
class Chosen:
    """The release that answers and as what. ``standing`` is the gate's word."""

    release: Release
    label: Label
    standing: str


@dataclass(frozen=True)
class Board:
    """One look: the gate's state, every position of the pointer (oldest first), and the number of the newest candidate (0: none)."""

    state: GateState
    history: tuple[Production, ...]
    newest: int
    at: datetime

    @property
    def production(self) -> Production | None:
        return self.history[-1] if self.history else None


#: Releases held open, each with what it keeps in memory, its vectors among it: production, the newest, and two of those that somebody looks back
#: to. A service lives through many more.
HELD_OPEN = 4


class Boards:
    """Keeps one index's board, and its releases open. Safe to share between threads."""

    def __init__(self, project: Project, index: str, clock: Clock, refresh: timedelta, gate: Gate = standing_quick) -> None:
        self._project, self._index, self._clock, self._refresh, self._gate = project, index, clock, refresh, gate
        self._looking, self._lock = threading.Lock(), threading.Lock()
        self._board: Board | None = None
        self._open: dict[int, Release] = {}

    def board(self) -> Board:
        """One looks anew, and the others go on with what is known until that is too old: then they wait for the look.

        Raises AnswerWithheld (``gate_unknown``) where ledger or pointer cannot be read: what is not known is not eligible.
        """
        from deltalake.exceptions import DeltaError
        from obstore.exceptions import BaseError

        known, now = self._board, self._clock.now()
        if known is not None and timedelta() <= now - known.at < self._refresh:
            return known
        overdue = known is None or not timedelta() <= now - known.at < max(self._refresh, SEEN_WITHIN)
        if not self._looking.acquire(blocking=overdue):
            assert known is not None
            return known
        try:
            if self._board is not known and self._board is not None:
                return self._board
            state = self._gate(self._project, self._index, now)
            newest = newest_candidate(self._project.root, self._index)
            history = tuple(production_history(self._project.root, self._index))
            self._board = Board(state, history, newest.number if newest else 0, now)
            return self._board
        except (FortnightError, OSError, DeltaError, BaseError) as error:
            self._board = None
            raise AnswerWithheld(Reason.GATE_UNKNOWN, retry_after=30, index=self._index, what=type(error).__name__) from error
        finally:
            self._looking.release()

    def choose(self, *, preview: bool, stale: Reason | None, as_of: datetime | None, facts: Mapping[str, str]) -> Chosen:
        """What answers now. ``stale`` is why the data are too old, ``facts`` what its sentence says.

        Raises AnswerWithheld with the fact where the index may not answer and the caller has no preview right.
        """
        board = self.board()
        state = board.state
        refusal = _REFUSED.get(state.eligibility) or (Reason.NO_RELEASE if board.production is None else stale)
        if refusal is not None and not preview:
            params: dict[str, Any] = {"index": self._index, "green_days": state.green_days, "required_days": state.required_days, **facts}
            raise AnswerWithheld(refusal, **params)
        if as_of is not None:
            then = next((one for one in reversed(board.history) if one.at <= as_of), None)
            if then is None:
                raise AnswerWithheld(Reason.NOTHING_THEN, index=self._index, at=as_of.isoformat())
            return Chosen(self.release(then.release), "as_of", state.eligibility)
        if refusal is None and board.production is not None:
            return Chosen(self.release(board.production.release), "production", state.eligibility)
        if not board.newest:
            raise AnswerWithheld(Reason.NO_RELEASE, index=self._index)
        return Chosen(self.release(board.newest), "candidate", state.eligibility)

    def release(self, number: int) -> Release:
        """One build, opened once while it is asked."""
        from obstore.exceptions import BaseError

        with self._lock:
            found = self._open.pop(number, None)
            try:
                found = found or open_for(self._project.root, candidate(self._project.root, self._index, number))
            except (FixConfiguration, OSError, BaseError) as error:
                raise AnswerWithheld(Reason.UNAVAILABLE, retry_after=30, what=type(error).__name__) from error
            # At the end stands what was asked last.
            self._open[number] = found
            if len(self._open) > HELD_OPEN:
                del self._open[next(iter(self._open))]
            return found
