"""Asks the sandbox's Graph what its description says can be asked, and holds every answer to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from csdl import Csdl, Typed
from csdl_judge import Judge
from sharepoint_talk import Server

#: Each of these is followed, whatever it looks like: sites, drives and lists are few, and differ by what is in them.
EACH = frozenset({f"microsoft.graph.{name}" for name in ("site", "drive", "list")})


class Asking:
    """Asks the sandbox and holds what it answers to the description."""

    def __init__(self, server: Server, csdl: Csdl) -> None:
        self.server, self.csdl = server, csdl
        self.base = str(server.told["graph"])
        self._judge = Judge(csdl)

    def get(self, path: str, **headers: str) -> Any | None:
        """The judged answer; None for a refusal, which is judged too."""
        answer = self.server.get(path if path.startswith("http") else f"/v1.0{path}", headers=headers)
        assert answer.status_code in (200, 302, 400, 403, 404, 423), (path, answer.status_code, answer.text)
        if answer.status_code == 302:
            return None
        payload = answer.json()
        self.judged(path, answer.status_code, payload)
        return payload if answer.status_code == 200 else None

    def judged(self, path: str, status: int, payload: Any) -> None:
        address = urlsplit(path)
        if status != 200:
            found = self._judge.refusal(payload)
        else:
            below = unquote(address.path).removeprefix("/v1.0")
            type_ = self.csdl.answers(below)
            assert type_ is not None, f"the sandbox answers {below}, and Graph's description knows no such address"
            whole = "$select" not in unquote(address.query)
            changes = "/delta" in below
            if type_.many:
                found = self._judge.page(payload, type_, base=self.base, whole=whole, changes=changes)
            else:
                found = self._judge.entity(payload, type_, whole=whole)
        assert not found, (path, found[:5], len(found))

    def pages(self, path: str, **headers: str) -> tuple[list[dict[str, Any]], str]:
        """All members of a collection, every page judged, and the delta link at its end."""
        members: list[dict[str, Any]] = []
        following = path
        while following:
            page = self.get(following, **headers)
            if page is None:
                return members, ""
            members += page["value"]
            following, last = page.get("@odata.nextLink", ""), page.get("@odata.deltaLink", "")
        return members, last

    def walk(self) -> set[str]:
        """Everything that the description offers from its roots on, each of every shape of entity once; what was answered, as type/name."""
        todo = deque([("/sites/root", Typed("microsoft.graph.site")), *((f"/{name}", type_) for name, type_ in self.csdl.roots.items())])
        reached: set[str] = set()
        seen: set[tuple[str, frozenset[str]]] = set()
        while todo:
            path, type_ = todo.popleft()
            answer = self.get(path)
            if answer is None:
                continue
            reached.add(self._step(path))
            members = self.pages(path)[0] if type_.many else [answer]
            for one in members:
                name = one.get("@odata.type", f"#{type_.name}").removeprefix("#")
                shape = (name, frozenset([one["id"]] if name in EACH else one))
                if shape in seen:
                    continue
                seen.add(shape)
                own = f"{path}/{quote(one['id'], safe='!,')}" if type_.many and "id" in one else path
                todo.extend((place, self.csdl.answers(unquote(place)) or Typed("")) for place in self._places(own, one))
                for place in self._places(own, one):
                    todo.extend(self._below(place, name))
            if type_.many:
                todo.extend(self._casts(path, type_, members))
        return reached

    def _step(self, path: str) -> str:
        above, _, last = unquote(path).rpartition("/")
        over = self.csdl.answers(above) if above else None
        return last if over is None else f"{over.name.removeprefix('microsoft.graph.')}/{last}"

    def _places(self, own: str, one: dict[str, Any]) -> Iterator[str]:
        yield own
        drive = one.get("parentReference", {}).get("driveId")
        if drive and "id" in one:
            yield f"/drives/{drive}/items/{one['id']}"

    def _below(self, path: str, name: str) -> Iterator[tuple[str, Typed]]:
        for one in self.csdl.properties(name).values():
            if one.navigation:
                yield f"{path}/{one.name}", one.type
        for function in self.csdl.functions:
            if not function.bound.many and self.csdl.is_a(name, function.bound.name):
                yield f"{path}/{function.name}", function.returns

    def _casts(self, path: str, type_: Typed, members: list[dict[str, Any]]) -> Iterator[tuple[str, Typed]]:
        if "." not in path.rsplit("/", 1)[-1]:
            for name in sorted({one["@odata.type"].removeprefix("#") for one in members if "@odata.type" in one} - {type_.name}):
                yield f"{path}/{name}", Typed(name, True)
        for function in self.csdl.functions:
            if function.bound.many and self.csdl.is_a(type_.name, function.bound.name) and not path.endswith(f"/{function.name}"):
                yield f"{path}/{function.name}", function.returns
