"""The sandbox ERP as a web application: its three services, what a client needs to reach them, and the control verbs."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware

from infra.sandbox import host
from infra.sandbox.breaks import Breakage
from infra.sandbox.erp import mishaps, ntlm
from infra.sandbox.erp.breaks import BREAKS, Erp
from infra.sandbox.erp.front import Service
from infra.sandbox.erp.hanbai.service import Hanbai
from infra.sandbox.erp.hanbai.service import describe as describe_hanbai
from infra.sandbox.erp.kikan import service as kikan
from infra.sandbox.erp.kikan.service import SakuraErp
from infra.sandbox.erp.zumen.service import Zumen
from infra.sandbox.erp.zumen.service import describe as describe_zumen
from infra.sandbox.settings import Settings


def describe(settings: Settings) -> dict[str, Any]:
    """Where each WSDL is and who may read: ``wsdl``, ``user``, ``password`` of SakuraErp, which is also behind Windows
    authentication (``ntlm``); the other two under their names, with keys of their own."""
    return {
        "wsdl": f"{settings.https_url}{SakuraErp.path}?wsdl",
        "user": kikan.USER,
        "password": kikan.password(settings.seed),
        "ntlm": {
            "wsdl": f"{settings.https_url}{kikan.WINDOWS_PATH}?wsdl",
            "user": kikan.USER,
            "password": kikan.password(settings.seed),
            "domain": ntlm.DOMAIN,
        },
        "hanbai": describe_hanbai(settings),
        "zumen": describe_zumen(settings),
    }


def build(settings: Settings) -> Starlette:
    """The application, its base data made. Every verb takes ``service`` (default SakuraErp) beside what its own docstring says."""
    queue = mishaps.Mishaps()
    services: list[Service] = [SakuraErp(settings, queue), Hanbai(settings, queue), Zumen(settings, queue)]
    control = _Control(Erp({one.name: one for one in services}, queue))
    routes = [route for one in services for route in one.routes()]
    accounts = [(domain, kikan.USER, kikan.password(settings.seed)) for domain in (ntlm.DOMAIN, "")]
    ntlm.accounts(settings.state / "ntlm-accounts", accounts)
    return Starlette(routes=[*routes, *host.control_routes(settings, control.verbs())], middleware=[Middleware(_Windows)])


class _Windows:
    """Lets what lies behind Windows authentication in by its door only."""

    def __init__(self, app: ntlm.Application) -> None:
        self._app, self._door = app, ntlm.Door(app)

    async def __call__(self, scope: ntlm.Scope, receive: ntlm.Receive, send: ntlm.Send) -> None:
        behind = scope["type"] == "http" and scope["path"] == kikan.WINDOWS_PATH
        await (self._door if behind else self._app)(scope, receive, send)


class _Control:
    """The control verbs. ``advance`` and ``clock`` are the host's."""

    def __init__(self, erp: Erp) -> None:
        self._erp = erp
        self._breakage = Breakage(erp, BREAKS)

    def verbs(self) -> dict[str, host.Verb]:
        return {
            "truth": self.truth,
            "evolve": self.evolve,
            "grow": self.grow,
            "enlarge": self.enlarge,
            "fault": self.fault,
            "break": self._breakage.do,
            "breaks": lambda _: {"breaks": self._breakage.listed()},
            "heal": self.heal,
            "advanced": self.advanced,
        }

    def truth(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"entity", "count_only"?}``: what is there now, as it is sent."""
        return self._erp.service(body).truth(body)

    def evolve(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"kind", "name"?, "to"?, "type"?, "value"?}``: a change of the contract; kind ``restore`` undoes them all."""
        service = self._erp.service(body)
        service.evolve({name: value for name, value in body.items() if name != "service"})
        return {"entity": service.evolving, "elements": service.elements()}

    def grow(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"rows"}``: so many more sales invoices, dated before all others."""
        return self._erp.hanbai.grow(int(body["rows"]))

    def enlarge(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"number", "megabytes"}``: the file of this drawing gets so big; 0 gives it its own size again."""
        return self._erp.zumen.enlarge(str(body["number"]), float(body["megabytes"]))

    def fault(self, body: dict[str, Any]) -> dict[str, Any]:
        """One mishap, as ``mishaps.asked`` reads it."""
        made = self._erp.mishaps.add(mishaps.asked(body, self._erp.service(body).name))
        return {"kind": made.kind, "count": made.count}

    def heal(self, body: dict[str, Any]) -> dict[str, Any]:
        """Undo breaks and forget mishaps; ``name`` heals that one break only. ``unmet`` is how many mishaps without a name were waiting."""
        name = body.get("name")
        healed, _ = self._breakage.heal(name)
        return {"healed": healed, "unmet": self._erp.mishaps.heal() if name is None else 0}

    def advanced(self, _: dict[str, Any]) -> None:
        for service in self._erp.services.values():
            service.store.catch_up()
