"""What one run knows of its app: where it is today, its form, and what the last published pull remembered of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.errors import AddressUnknown
from connectors.kintone.address import App, resolve
from connectors.kintone.client import Client
from connectors.kintone.config import SourceSpec, source_spec
from connectors.kintone.schema import Form, fingerprint, form_of, read_form
from connectors.kintone.standing import Look
from connectors.protocol import Stream


@dataclass(frozen=True)
class Memory:
    """What the last published pull left in its cursor. ``top`` is the highest id seen; ``precision`` holds for ``revision``. ``look`` is
    the last whole look at the form."""

    app_id: str = ""
    name: str = ""
    revision: str = ""
    fingerprint: str = ""
    precision: tuple[int, int] | None = None
    top: int | None = None
    look: Look | None = None


@dataclass(frozen=True)
class Run:
    """One stream's app as this run found it. ``replaced``: it is not the app that the last published pull read.

    ``look`` is what the form is from, for the next run to remember; None where the source tells no time to remember it by. ``believed``:
    it is an earlier run's, and this one did not ask.
    """

    spec: SourceSpec
    app: App
    form: Form
    fingerprint: str
    memory: Memory
    replaced: bool
    look: Look | None = None
    believed: bool = False


def remembered(state: Mapping[str, Any] | None) -> Memory:
    """The memory in a cursor's state; an empty one where there is none."""
    state = state or {}
    precision: Any = state.get("precision")
    return Memory(
        app_id=str(state.get("app_id", "")),
        name=str(state.get("name", "")),
        revision=str(state.get("revision", "")),
        fingerprint=str(state.get("fingerprint", "")),
        precision=(int(precision[0]), int(precision[1])) if precision else None,
        top=None if state.get("top") is None else int(state["top"]),
        look=Look.read(state.get("look")),
    )


def begin(client: Client, stream: Stream, guest_space: int | None) -> Run:
    """The app of the stream, looked up now, and its form: one call where the form still stands as it was last read (``standing``), else
    two, or three when the app's settings moved since the last pull.

    Raises AddressUnknown when it is not there, and when another app stands behind the address whose fields are not those of the app
    read before: that may be a different app altogether, and only a person can tell.
    """
    spec = source_spec(stream.id, stream.source)
    memory = remembered(stream.options.get("last_cursor"))
    app = resolve(client, spec, stream=stream.id, guest_space=guest_space, last_id=memory.app_id, last_name=memory.name)
    same = memory.app_id in ("", app.id)
    now, look = client.transport.server_time, memory.look
    believed = look is not None and look.stands(app.id, app.modified, now, client.doubts.raised(app.id))
    if look is not None and believed:
        form = form_of(look.properties, look.revision, look.precision, app)
    else:
        form = read_form(client, app, remembered=(memory.revision, memory.precision) if same and memory.precision else None)
        precision = form.precision if form.precision_known else None
        look = Look(app.id, now, app.modified, form.revision, form.properties, precision) if now and app.modified else None
    found = fingerprint(form)
    if not same and memory.fingerprint not in ("", found) and str(spec.app_id) != app.id:
        raise AddressUnknown(
            "kintone.app_replaced",
            host=client.host,
            stream=stream.id,
            app_code=spec.app_code or spec.app_name or "-",
            before=memory.app_id,
            app=app.id,
            name=app.name,
        )
    return Run(spec, app, form, found, memory, replaced=not same, look=look, believed=believed)
