"""The outbox of alerts: each event is kept once in the project's storage, sent to each channel until it arrived, and then remembered as told.

One writer, Dagster's daemon. A crash between sending and noting it repeats a message under the same id; nothing else does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter

from connectors.errors import FortnightError
from connectors.messages import Said, told
from pipelines.evidence.chain import Head
from pipelines.landing.published import open_store
from pipelines.operations import Channel
from pipelines.project import Project
from pipelines.reports.alerts import Event, write
from pipelines.reports.channels import Posted, languages, send

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_DUE, _TOLD, _CHANNELS, _SWEEP = "alerts/due", "alerts/told", "alerts/channels", "alerts/sweep.json"
#: A channel that does not take an alert is tried again after a minute, then after twice as long, up to an hour, for three days.
_FIRST, _LONGEST, _GIVEN_UP = timedelta(minutes=1), timedelta(hours=1), timedelta(days=3)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sweep(_Model):
    """How far the sources of events were read: the ledger's row, Dagster's runs (aware UTC), and where each index stood."""

    seq: int = 0
    runs_until: datetime | None = None
    states: dict[str, str] = {}


class Due(_Model):
    """An event on its way: the ledger's head when it was found, which channels have it, and when the others are tried again."""

    event: dict[str, Any]
    anchor: tuple[int, str]
    found_at: datetime
    arrived: dict[str, datetime] = {}
    attempts: int = 0
    next_at: datetime


class Channeled(_Model):
    """How a channel does: when something last arrived, since when nothing does, and the error's code and parameters."""

    arrived_at: datetime | None = None
    failing_since: datetime | None = None
    code: str = ""
    params: dict[str, str] = {}


M = TypeVar("M", bound=BaseModel)
Send = Callable[[Project, str, Channel, Posted], None]


def read_sweep(project: Project) -> Sweep | None:
    """None before the first: what lies before the alerts were switched on is nobody's news."""
    return _read(open_store(project.root), _SWEEP, Sweep)


def post(project: Project, events: Iterable[Event], anchor: Head, sweep: Sweep, now: datetime) -> int:
    """Keep every event that was not kept before, then how far was read; how many were new. In this order, so that none is lost between."""
    import obstore
    from obstore.exceptions import AlreadyExistsError

    store, new = open_store(project.root), 0
    for event in events:
        if _read(store, f"{_TOLD}/{event.key}.json", Due) is not None:
            continue
        due = Due(event=_plain(event), anchor=(anchor.seq, anchor.hash), found_at=now, next_at=now)
        try:
            obstore.put(store, f"{_DUE}/{event.key}.json", due.model_dump_json().encode(), mode="create")
            new += 1
        except AlreadyExistsError:
            continue
    _write(store, _SWEEP, sweep)
    return new


def deliver(project: Project, now: datetime, sender: Send = send) -> Mapping[str, int]:
    """Try what is due on every channel that wants it; how many messages ``arrived`` and ``failed``. No channel's failure raises."""
    import obstore

    store, counted = open_store(project.root), {"arrived": 0, "failed": 0}
    for name in _names(store, _DUE):
        due = _read(store, f"{_DUE}/{name}", Due)
        if due is None or due.next_at > now:
            continue
        event, wanted = _event(due.event), _wanting(project, due)
        arrived = dict(due.arrived)
        for channel in wanted:
            if channel in arrived:
                continue
            if _sent(project, store, channel, event, due, now, sender):
                arrived[channel] = now
                counted["arrived"] += 1
            else:
                counted["failed"] += 1
        pause = min(_FIRST * 2**due.attempts, _LONGEST)
        after = due.model_copy(update={"arrived": arrived, "attempts": due.attempts + 1, "next_at": now + pause})
        if set(wanted) <= set(arrived) or now - due.found_at > _GIVEN_UP:
            _write(store, f"{_TOLD}/{name}", after)
            obstore.delete(store, f"{_DUE}/{name}")
        else:
            _write(store, f"{_DUE}/{name}", after)
    return counted


def health(project: Project) -> Iterable[tuple[str, bool, Said]]:
    """Each declared channel, whether it does, and what is to be said of it."""
    store = open_store(project.root)
    waiting = [found for name in _names(store, _DUE) if (found := _read(store, f"{_DUE}/{name}", Due)) is not None]
    for name in project.file.alerts.channels:
        state = _read(store, f"{_CHANNELS}/{name}.json", Channeled)
        if state is None:
            yield name, True, told("doctor.alerts_unused")
        elif state.failing_since is None:
            yield name, True, told("doctor.alerts_fine", at=f"{state.arrived_at:%Y-%m-%d %H:%M}Z")
        else:
            count = sum(1 for due in waiting if name not in due.arrived)
            why = told(state.code, **state.params)
            yield name, False, told("doctor.alerts_failing", since=f"{state.failing_since:%Y-%m-%d %H:%M}Z", count=count, why=why)


def _wanting(project: Project, due: Due) -> list[str]:
    return [name for name, channel in project.file.alerts.channels.items() if due.event["kind"] in channel.events]


def _sent(project: Project, store: ObjectStore, name: str, event: Event, due: Due, now: datetime, sender: Send) -> bool:
    alerts, before = project.file.alerts, _read(store, f"{_CHANNELS}/{name}.json", Channeled) or Channeled()
    channel = alerts.channels[name]
    messages = tuple(write(event, Head(*due.anchor), lang, alerts.ui, project.file.timezone) for lang in languages(channel))
    try:
        sender(project, name, channel, Posted(event, messages, now, project.name))
    except FortnightError as error:
        params = {key: str(value) for key, value in error.params.items()}
        since = before.failing_since or now
        _write(store, f"{_CHANNELS}/{name}.json", before.model_copy(update={"failing_since": since, "code": error.code, "params": params}))
        return False
    _write(store, f"{_CHANNELS}/{name}.json", Channeled(arrived_at=now))
    return True


def _plain(event: Event) -> dict[str, Any]:
    return {**asdict(event), "details": [[subject, code, dict(params)] for subject, code, params in event.details]}


def _event(plain: Mapping[str, Any]) -> Event:
    return TypeAdapter(Event).validate_python(plain)


def _names(store: ObjectStore, folder: str) -> list[str]:
    import obstore

    return sorted(str(meta["path"]).rsplit("/", 1)[-1] for chunk in obstore.list(store, prefix=folder) for meta in chunk)


def _read(store: ObjectStore, path: str, model: type[M]) -> M | None:
    import obstore

    try:
        return model.model_validate_json(bytes(obstore.get(store, path).bytes()))
    except FileNotFoundError:
        return None


def _write(store: ObjectStore, path: str, record: BaseModel) -> None:
    import obstore

    obstore.put(store, path, record.model_dump_json().encode())
