"""The kintone server: ``build`` makes the application, ``describe`` says how to reach it."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from infra.sandbox import ca
from infra.sandbox.company.people import person
from infra.sandbox.host import control_routes
from infra.sandbox.kintone.base import APP_IDS, populate
from infra.sandbox.kintone.control import verbs
from infra.sandbox.kintone.directory import REGISTER, api_token, password
from infra.sandbox.kintone.domain import Domain
from infra.sandbox.kintone.gate import Gate
from infra.sandbox.settings import Settings

#: An information-systems person, administrator of the apps, whose account a connector would be given for the directory.
SERVICE_LOGIN = "akari.mori"


def build(settings: Settings) -> Starlette:
    """The whole server; the base data are made here, from the seed and the clock's origin."""
    apps, files, life = populate(settings.clock, settings.seed)
    domain = Domain(settings.clock, settings.seed, apps, files, life)
    REGISTER.clear()
    domain.hooks.base_url = settings.https_url
    routes = control_routes(settings, verbs(domain))
    everything = Route("/{path:path}", Gate(domain), methods=["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"])
    return Starlette(routes=[*routes, everything])


def describe(settings: Settings) -> dict[str, Any]:
    """Addresses, app ids, tokens and logins of the sandbox's kintone."""
    login = person(SERVICE_LOGIN)
    files = ca.paths_in(settings.ca_file.parent)
    return {
        "base_url": settings.https_url,
        "http_url": settings.http_url,
        "ca_file": str(settings.ca_file),
        "apps": dict(APP_IDS),
        "api_tokens": {code: api_token(settings.seed, code) for code in APP_IDS},
        "login": {"user": login.login, "password": password(settings.seed, login)},
        # The same server behind a door that opens to a client certificate only, as SUB.s.cybozu.com does.
        "client_certificate": {
            "base_url": settings.client_url if settings.client_port else "",
            "cert_file": str(files.client_cert_file),
            "key_file": str(files.client_key_file),
            "pfx_file": str(files.client_pfx_file),
            "pfx_password": ca.PFX_PASSWORD.decode(),
        },
    }
