"""A site of a test's own in a tenant of this process: how it is pulled, what was published of it, what stands there."""

from __future__ import annotations

from typing import Any

import httpx
from sharepoint_house import SYSTEM, Target

from infra.sandbox.company.people import PEOPLE, person
from pipelines.pull.outcome import Result

LIBRARY, OTHER, LIST, PAGES = (f"{SYSTEM}/{name}" for name in ("library-1", "library-2", "list-1", "pages-1"))
CONTENT = {"kind": "file", "ref": "item_id", "name": "name", "media_type": "media_type", "size": "size"}
GUEST = next(one for one in PEOPLE if one.guest)
EMMA, YUI, MISAKI, OWNER = (person(key).login for key in ("emma.wilson", "yui.takahashi", "misaki.sato", "kenta.suzuki"))


class Killed(BaseException):
    """The process is gone; nobody catches this."""


def done(target: Target, stream: str = LIBRARY, **request: Any) -> Result:
    result = target.pull(stream, **request)
    assert result.error is None, result.error
    return result


def equal_to_the_source(target: Target, stream: str = LIBRARY) -> None:
    rows, wanted = target.rows(stream), target.wanted(stream)
    assert rows.keys() == wanted.keys()
    assert {key: row["_source_version"] for key, row in rows.items()} == {key: one["etag"] for key, one in wanted.items()}
    if target.source(stream)["kind"] == "library":
        assert {key: row["path"] for key, row in rows.items()} == {key: "/" + one["path"].partition("/")[2] for key, one in wanted.items()}


def deltas(wire: list[httpx.Request]) -> list[httpx.Request]:
    return [one for one in wire if one.url.path.endswith("/root/delta")]


def readers(target: Target, path: str, stream: str = LIBRARY) -> frozenset[str]:
    key = next(key for key, one in target.wanted(stream).items() if one["path"] == path)
    return target.readers()[stream][key]


def table(target: Target, name: str, stream: str = LIBRARY) -> list[dict[str, Any]]:
    rows = target.warehouse.read(name, stream)
    assert rows is not None
    return rows.to_pylist()
