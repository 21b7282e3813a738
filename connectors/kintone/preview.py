"""The pre-deploy check: an app's settings as they will be once its owner presses "Update app", to be held against the contract beforehand.

kintone keeps undeployed settings under ``/preview/``; reading them takes the right to manage the app (cybozu.dev, "Deploy app settings").
"""

from __future__ import annotations

from connectors.capabilities import Preview
from connectors.errors import AccessRefused
from connectors.kintone.address import App
from connectors.kintone.client import Client, Credential
from connectors.kintone.facets import read_slots, told
from connectors.kintone.rules import rights_digest
from connectors.kintone.schema import Form, read_form, schema_of
from connectors.kintone.states import read_process
from connectors.protocol import Schema


def read_preview(client: Client, app: App) -> Preview:
    """Both states, read now: up to fourteen calls, none of them on records. Raises AccessRefused without the right to manage the app."""
    return Preview(
        _schema(client, app, preview=False), _schema(client, app, preview=True), _rights(client, app, False), _rights(client, app, True)
    )


def _schema(client: Client, app: App, *, preview: bool) -> Schema:
    credential: Credential = "person" if client.has_person else "records"
    form: Form = read_form(client, app, preview=preview)
    slots = read_slots(client, app, preview=preview, credential=credential)
    process = read_process(client, app, preview=preview, credential=credential) if form.system_field("STATUS") else None
    return told(schema_of(app, form), form, slots, process)


def _rights(client: Client, app: App, preview: bool) -> str:
    try:
        return rights_digest(client, app, preview=preview)
    except AccessRefused:
        return ""
