"""The errors of this room, as branches of the one tree in connectors/errors.py.

FixConfiguration ── CalendarError   the frozen calendar does not cover the day, or a slot lies after the closing hour
                 ├─ ClockWentBack   now lies before the last sealed instant: a clock is wrong
                 └─ ClockAhead      more days would be sealed at once than anybody slept through: the clock is wrong, or a person says that it is not
AnswerIsNo       ── LedgerBroken    the chain does not hold: nothing may be built on it
Interrupted      ── HeadMoved       someone else wrote first: read again, then write
                 └─ LedgerBusy      another sealer is at work: wait for it
"""

from __future__ import annotations

from connectors.errors import AnswerIsNo, FixConfiguration, Interrupted


class CalendarError(FixConfiguration):
    pass


class ClockWentBack(FixConfiguration):
    pass


class ClockAhead(FixConfiguration):
    pass


class LedgerBroken(AnswerIsNo):
    pass


class HeadMoved(Interrupted):
    pass


class LedgerBusy(Interrupted):
    pass
