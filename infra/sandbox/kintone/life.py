"""What happens in the company's kintone as time passes: orders come, change and go, defects are closed and talked about,
questions are answered.

One day of life is the 24 hours after the origin, and so on. Its events lie in business hours and never in its first half hour, so that
nothing stirs while a test or a person looks around after an advance. They depend on seed and day only; each happens once, in its minute.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from infra.sandbox.clock import JST
from infra.sandbox.company.people import DOMAIN
from infra.sandbox.company.trade import customers, items
from infra.sandbox.kintone import defects, faq, orders
from infra.sandbox.kintone.comments import Comment
from infra.sandbox.kintone.defect_texts import LATER, Remark
from infra.sandbox.kintone.store import App, Record

_OPEN, _CLOSE = time(8, 30), time(18, 30)
_QUIET = timedelta(minutes=30)


@dataclass(frozen=True)
class Event:
    at: datetime
    happen: Callable[[datetime], None]


class Life:
    """Callers hold the domain's lock."""

    def __init__(self, origin: datetime, seed: int, order_app: App, defect_app: App, faq_app: App) -> None:
        self._origin = origin
        self._seed = seed
        self._orders, self._defects, self._faq = order_app, defect_app, faq_app
        self._partners, self._goods = customers(seed), items(seed)
        self._day = 0
        self._next: deque[Event] = deque()
        self._answered = 0
        self.comments = defects.talk(defect_app, seed)
        #: Told of every comment, as ``App.tell`` is of every save.
        self.commented: Callable[[App, Record, Comment], None] | None = None

    def until(self, now: datetime) -> None:
        """Let everything happen whose time has come. Costs one comparison when nothing is due."""
        while True:
            if not self._next:
                if now < self._origin + timedelta(days=self._day):
                    return
                self._next.extend(self._events(self._day))
                self._day += 1
                continue
            if self._next[0].at > now:
                return
            event = self._next.popleft()
            event.happen(event.at)

    def _events(self, day: int) -> list[Event]:
        rng = random.Random(f"life:{self._seed}:{day}")
        happenings: list[Callable[[datetime], None]] = [self._new_order(rng.random()) for _ in range(rng.randrange(20, 41))]
        happenings += [self._edit_order(rng.random()) for _ in range(rng.randrange(10, 21))]
        happenings += [self._delete_order(rng.random()) for _ in range(rng.randrange(1, 3))]
        happenings.append(self._close_defect)
        if day % 3 == 1:
            happenings.append(self._answer)
        rng.shuffle(happenings)
        start = self._origin + timedelta(days=day)
        moments = sorted(rng.random() for _ in happenings)
        hours = _business_hours(start)
        events = [Event(_moment(hours, where), happen) for where, happen in zip(moments, happenings, strict=True)]
        return sorted([*events, *self._remarks(day, hours)], key=lambda one: one.at)

    def _remarks(self, day: int, hours: list[tuple[datetime, datetime]]) -> list[Event]:
        """One to three comments on the newer defects. They have draws of their own: what else happens does not move with them."""
        rng = random.Random(f"remarks:{self._seed}:{day}")
        return [Event(_moment(hours, rng.random()), self._remark(rng.random(), rng.choice(LATER))) for _ in range(rng.randrange(1, 4))]

    def _remark(self, draw: float, remark: Remark) -> Callable[[datetime], None]:
        def happen(at: datetime) -> None:
            app = self._defects
            if not app.ids:
                return
            record = app.records[app.ids[-1 - int(draw * min(len(app.ids), defects.TALKED_OF))]]
            made = defects.say(self.comments, app, record, remark, at)
            if app.tell is not None and self.commented is not None:
                self.commented(app, record, made)

        return happen

    def _new_order(self, draw: float) -> Callable[[datetime], None]:
        def happen(at: datetime) -> None:
            rng = random.Random(f"order:{self._seed}:{draw}")
            app = self._orders
            made = app.add(orders.draw(app, rng, self._partners, self._goods, app.next_id, at))
            _tell(app, "ADD_RECORD", made)

        return happen

    def _edit_order(self, draw: float) -> Callable[[datetime], None]:
        def happen(at: datetime) -> None:
            rng = random.Random(f"edit:{self._seed}:{draw}")
            app = self._orders
            # Mostly recent orders change, now and then an old one.
            reach = len(app.ids) if rng.random() < 0.2 else min(len(app.ids), 600)
            if not reach:
                return
            record = app.records[app.ids[-1 - rng.randrange(reach)]]
            by = rng.choice(orders.SALES)
            if rng.random() < 0.5 and self._step(record):
                app.changed(record, by=by, at=at, steps=2)
                _tell(app, "UPDATE_STATUS", record)
                return
            record.values["備考"] = rng.choice(orders.REMARKS[4:])
            if rows := record.values["明細"]:
                rows[0][1]["数量"] = str(1 + int(rng.random() ** 3 * 60))
            app.fill(record.values)
            app.changed(record, by=by, at=at)
            _tell(app, "UPDATE_RECORD", record)

        return happen

    def _step(self, record: Record) -> bool:
        """One process action, where one is left to do."""
        for _, before, after in orders.ACTIONS:
            if record.values["ステータス"] == before:
                record.values["ステータス"] = after
                record.values["作業者"] = [] if after == orders.STATES[-1] else list(record.values["担当者"])
                return True
        return False

    def _delete_order(self, draw: float) -> Callable[[datetime], None]:
        def happen(_: datetime) -> None:
            ids = self._orders.ids
            if ids:
                number = ids[int(draw * len(ids))]
                record = self._orders.records[number]
                self._orders.remove(number)
                _tell(self._orders, "DELETE_RECORD", record)

        return happen

    def _close_defect(self, at: datetime) -> None:
        app = self._defects
        for number in app.ids:
            record = app.records[number]
            if record.values.get("対応状況") != defects.STATES[-1]:
                record.values["対応状況"] = defects.STATES[-1]
                record.values["完了日"] = at.astimezone(JST).date().isoformat()
                app.changed(record, by=f"ren.nakamura@{DOMAIN}", at=at)
                return

    def _answer(self, at: datetime) -> None:
        writer = faq.WRITERS[self._answered % len(faq.WRITERS)]
        self._faq.add(faq.values_of(faq.later(self._answered), writer, at))
        self._answered += 1


def _tell(app: App, event: str, record: Record) -> None:
    if app.tell is not None:
        app.tell(event, app, record, str(record.values["更新者"]))


def _business_hours(start: datetime) -> list[tuple[datetime, datetime]]:
    """The open hours within the 24 hours after ``start``, less the quiet half hour."""
    found: list[tuple[datetime, datetime]] = []
    end = start + timedelta(days=1)
    for shift in (0, 1):
        day = start.astimezone(JST).date() + timedelta(days=shift)
        low = max(datetime.combine(day, _OPEN, JST), start + _QUIET)
        high = min(datetime.combine(day, _CLOSE, JST), end)
        if low < high:
            found.append((low, high))
    return found


def _moment(hours: list[tuple[datetime, datetime]], where: float) -> datetime:
    """The instant at this share (0 to 1) of the open hours."""
    left = sum(((high - low) for low, high in hours), timedelta()) * where
    for low, high in hours:
        if left < high - low:
            return low + left
        left -= high - low
    return hours[-1][1]
