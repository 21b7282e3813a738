"""The bounds of a window as a request says them: an instant in the form that the system compares by, rounded so that no row is left out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from connectors.errors import FixConfiguration
from connectors.protocol import Window
from connectors.soap.components import Contract, Operation, UnknownPath
from connectors.soap.config import SourceSpec
from connectors.soap.request import merged
from connectors.soap.sources import ChangedSince
from connectors.soap.template import names
from connectors.soap.xmltree import local

#: By how much an upper bound may have to move for a form that leaves out seconds, minutes or hours.
_STEPS = (timedelta(0), timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))


def windowed(contract: Contract, called: Operation, spec: SourceSpec, window: Window, stream: str) -> dict[str, Any]:
    """The contract's constant arguments with the window's bounds among them; for a body written by hand, as values of its places.

    Raises FixConfiguration where the contract says no way to ask for this window.
    """
    if window.full or (spec.paging.handles is not None and spec.paging.handles.changed is not None):
        return dict(spec.arguments)
    changed = spec.changed_since
    if changed is None:
        raise FixConfiguration("soap.no_changed_since", stream=stream, operation=spec.operation)
    kind = changed.type or _kind(contract, called, spec, f"{spec.rows}/{changed.field}", stream)
    given = {"since": bound(window.since, kind, spec, up=False), "until": bound(window.until, kind, spec, up=True)}
    if spec.body is not None:
        known = names(spec.body)
        if any(value and name not in known for name, value in given.items() if name == "since" or window.since is None):
            raise FixConfiguration("soap.no_changed_since", stream=stream, operation=spec.operation)
        return {**spec.arguments, **{name: value for name, value in given.items() if value}}
    if changed.request:
        at = {changed.request: given["since"], changed.until_request: given["until"]}
        at = {path: value for path, value in at.items() if path and value}
        if not at:
            raise FixConfiguration("soap.no_changed_since", stream=stream, operation=spec.operation)
        return merged(spec.arguments, at)
    return {**spec.arguments, **_filtered(contract, called, spec, changed, window, given, stream)}


def _filtered(
    contract: Contract,
    called: Operation,
    spec: SourceSpec,
    changed: ChangedSince,
    window: Window,
    given: Mapping[str, str],
    stream: str,
) -> dict[str, Any]:
    form = changed.criteria if window.until is None else changed.until if window.since is None else changed.between
    criteria = form.replace("{since}", given["since"]).replace("{until}", given["until"])
    if spec.filter.element not in {local(child.name) for child in contract.children(called.input)}:
        why = f"the request has no {spec.filter.element}"
        raise FixConfiguration("soap.source_invalid", stream=stream, where="filter.element", why=why)
    # Filters that the contract holds by declaration are kept, and this one is added to them.
    held = spec.arguments.get(spec.filter.element, [])
    return {spec.filter.element: [*held, {spec.filter.field: changed.field, spec.filter.criteria: criteria}]}


def _kind(contract: Contract, called: Operation, spec: SourceSpec, path: str, stream: str) -> str:
    """The built-in of the row's own field, where the contract does not say what the system compares by."""
    try:
        return contract.simple(contract.walk(called.output, path)[-1].type).builtin
    except UnknownPath as error:
        why = f"the row has no {error.step}; if that is no field of the row, say its `type`"
        raise FixConfiguration("soap.source_invalid", stream=stream, where="changed_since.field", why=why) from error


def bound(instant: datetime | None, kind: str, spec: SourceSpec, *, up: bool) -> str:
    """An instant in a form (``date``, ``epoch``, ``epoch_milliseconds``, else a dateTime), rounded outwards; empty for none.

    A plain date has no zone, so it reaches a day further.
    """
    if instant is None:
        return ""
    whole = instant.replace(microsecond=0) + timedelta(seconds=1 if up and instant.microsecond else 0)
    if kind in ("epoch", "epoch_milliseconds"):
        return str(int(whole.timestamp()) * (1000 if kind == "epoch_milliseconds" else 1))
    zone: tzinfo = ZoneInfo(spec.timezone) if spec.timezone else UTC
    form = spec.changed_since.format if spec.changed_since else None
    if kind == "date":
        day = (instant.astimezone(zone) + timedelta(days=1 if up else -1)).date()
        return day.strftime(form) if form else day.isoformat()
    if form:
        return _formed(whole.astimezone(zone), form, up)
    return whole.astimezone(zone).replace(tzinfo=None).isoformat() + ("" if spec.timezone else "Z")


def _formed(moment: datetime, form: str, up: bool) -> str:
    """The moment as text; an upper bound that the form would cut off is moved on to the next moment that it can say."""
    if not up:
        return moment.strftime(form)
    # Compared without a zone: the text and the moment are of the same one.
    plain = moment.replace(tzinfo=None)
    texts = ((moment + step).strftime(form) for step in _STEPS)
    return next(text for text in texts if datetime.strptime(text, form).replace(tzinfo=None) >= plain)  # noqa: DTZ007
