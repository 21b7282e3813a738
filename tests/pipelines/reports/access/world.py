"""A small SharePoint as published tables, made by hand: every finding of the access report stands in it once, and what is none beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake
from ruamel.yaml import YAML

from pipelines.landing.log import signed
from pipelines.landing.published import Published
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.roster import roster_id

AT = pa.timestamp("us", tz="UTC")
FIRST = datetime(2026, 11, 1, 5, tzinfo=UTC)
LATER = datetime(2026, 11, 20, 5, tzinfo=UTC)
NOW = datetime(2026, 11, 27, 1, 30, tzinfo=UTC)
C = "c0111ec7"
TENANT = "t1"
WEB, LIST = f"sharepoint:{C}:web", f"sharepoint:{C}:list:l1"
SAME, OPEN, TIGHT, LOCKED = (f"sharepoint:{C}:item:{name}" for name in ("same", "open", "tight", "locked"))
VISITORS, OWNERS, EMPTY = f"spgroup:{C}:4", f"spgroup:{C}:3", f"spgroup:{C}:9"
OUTER, INNER = f"group:entra:{TENANT}/b", f"group:entra:{TENANT}/a"
ALICE, BOB, GUEST, LEFT, EVE = (f"user:entra:{TENANT}/{name}" for name in ("alice", "bob", "guest", "left", "eve"))
MEMBERS, EVERYONE = f"members:{TENANT}", "everyone:sharepoint"
#: What must never leave: the address of a sharing link and its id.
SECRET = "u!aHR0cHM6Ly9zZWNyZXQ"

SCOPES = pa.schema(
    [("scope", pa.string()), ("title", pa.string()), ("principals", pa.list_(pa.string())), ("resolved", pa.bool_()),
     ("reason", pa.string()), ("parent", pa.string()), ("level", pa.string())]
)  # fmt: skip
MEMBER = pa.schema([("group", pa.string()), ("member", pa.string())])
ACCOUNT = pa.schema([*((name, pa.string()) for name in ("system", "principal", "login", "mail", "name")), ("active", pa.bool_())])
GRANT = pa.schema(
    [*((name, pa.string()) for name in ("scope", "principal", "login", "title", "kind", "role", "via")), ("reads", pa.bool_()),
     ("link_scope", pa.string()), ("link_type", pa.string()), ("link_expires", AT), ("link_password", pa.bool_()),
     ("link_digest", pa.string()), ("first_observed", AT), ("gone_at", AT)]
)  # fmt: skip
PRINCIPAL = pa.schema([("principal", pa.string()), ("title", pa.string())])
ITEM = pa.schema(
    [("item_id", pa.string()), ("name", pa.string()), ("path", pa.string()), ("size", pa.int64()), ("quick_xor_hash", pa.string()),
     ("modified_at", AT), ("modified_by", pa.string()), ("web_url", pa.string()), ("_key", pa.string()), ("_op", pa.string()),
     ("_scope", pa.string())]
)  # fmt: skip


def scope(id: str, title: str, principals: Iterable[str], parent: str = "", level: str = "item", reason: str = "") -> dict[str, Any]:
    return {
        "scope": id, "title": title, "principals": sorted(principals), "resolved": not reason, "reason": reason, "parent": parent, "level": level,
    }  # fmt: skip


def grant(scope: str, principal: str, title: str, kind: str, role: str = "Read", via: str = "direct", **more: Any) -> dict[str, Any]:
    plain = {"login": principal, "reads": True, "link_scope": "", "link_type": "", "link_digest": "", "first_observed": FIRST}
    return {"scope": scope, "principal": principal, "title": title, "kind": kind, "role": role, "via": via, **plain, **more}


def link(scope: str, digest: str, kind: str, principal: str = "", **more: Any) -> dict[str, Any]:
    given = {
        "login": principal,
        "reads": False,
        "link_scope": kind,
        "link_type": "view",
        "link_digest": digest,
        "link_password": False,
        **more,
    }
    return grant(scope, principal, "", "user" if principal else "link", "read", "link", **given)


def item(id: str, path: str, scope: str, size: int = 10, hash: str = "", at: datetime = LATER, op: str = "upsert") -> dict[str, Any]:
    return {
        "item_id": id, "name": path.rpartition("/")[2], "path": path, "size": size, "quick_xor_hash": hash or id, "modified_at": at,
        "modified_by": "bob", "web_url": f"https://sp.example{path}", "_key": id, "_op": op, "_scope": scope,
    }  # fmt: skip


def account(principal: str, name: str, active: bool = True, login: str | None = None) -> dict[str, Any]:
    mail = f"{name.lower()}@sakura-seiki.example" if login is None else login
    return {"system": "sharepoint", "principal": principal, "login": mail, "mail": mail, "name": name, "active": active}


ACCOUNTS = [account(ALICE, "Alice"), account(BOB, "Bob"), account(EVE, "Eve"), account(GUEST, "Guest", login="guest@partner.example"),
            account(LEFT, "Left", active=False)]  # fmt: skip
EDGES = [
    (MEMBERS, ALICE), (MEMBERS, BOB), (MEMBERS, EVE), (EVERYONE, ALICE), (EVERYONE, BOB), (EVERYONE, EVE), (EVERYONE, GUEST),
    (OUTER, INNER), (INNER, ALICE), (INNER, OUTER), (VISITORS, OUTER), (OWNERS, BOB), (OUTER, LEFT), (VISITORS, MEMBERS),
]  # fmt: skip
TABLES: dict[str, list[dict[str, Any]]] = {
    "current": [
        item("1", "/手順/設備.docx", LIST, hash="h1", size=2_000),
        item("2", "/控え/設備.docx", TIGHT, hash="h1", size=2_000),
        item("3", "/公開/図面.pdf", OPEN, size=300_000_000),
        item("4", "/古い/議事録.txt", SAME, at=datetime(2015, 4, 1, tzinfo=UTC)),
        item("5", "/鍵/給与.xlsx", LOCKED),
        item("6", "/消えた.txt", LIST, op="delete"),
        item("7", "/迷子.txt", f"sharepoint:{C}:item:unread"),
    ],
    "scopes": [
        scope(WEB, "品質", [VISITORS, OWNERS, BOB], level="web"),
        scope(LIST, "規程", [VISITORS, OWNERS, BOB], WEB, "list"),
        scope(SAME, "/sites/q/規程/古い", [VISITORS, OWNERS, BOB], LIST, "folder"),
        scope(OPEN, "/sites/q/規程/公開", [EVERYONE, OWNERS, BOB, GUEST, EMPTY], LIST, "folder"),
        scope(TIGHT, "/sites/q/規程/控え", [ALICE, BOB], LIST, "folder"),
        scope(LOCKED, "/sites/q/規程/鍵", [], LIST, "folder", reason="unknown principal x"),
    ],
    "members": [{"group": group, "member": member} for group, member in EDGES],
    "accounts": ACCOUNTS,
    "grants": [
        *(grant(each, VISITORS, "閲覧者", "sitegroup") for each in (WEB, LIST, SAME)),
        *(grant(each, OWNERS, "所有者", "sitegroup", "Full Control") for each in (WEB, LIST, SAME, OPEN)),
        grant(VISITORS, OUTER, "全工場", "group", "member", "group"),
        grant(VISITORS, MEMBERS, "Everyone except external users", "members", "member", "group", first_observed=LATER),
        grant(OWNERS, BOB, "Bob", "user", "member", "group"),
        grant(OPEN, EVERYONE, "Everyone", "everyone", first_observed=LATER),
        grant(OPEN, GUEST, "Guest", "user", login="i:0#.f|membership|guest_partner.example#ext#@t1"),
        grant(OPEN, EMPTY, "空", "sitegroup"),
        grant(TIGHT, ALICE, "Alice", "user"),
        grant(TIGHT, "", "Taro Gone", "orphan", login="i:0#.f|membership|taro@sakura-seiki.example", reads=False),
        grant(TIGHT, EVE, "Eve", "user", "Limited Access", reads=False),
        grant(TIGHT, EVE, "Eve", "user", "Read", gone_at=LATER),
        grant(f"sharepoint:{C}", BOB, "Bob", "user", "site admin", "admin"),
        link(OPEN, "d" * 64, "anonymous"),
        link(OPEN, "c" * 64, "organization", link_password=None),
        link(OPEN, "e" * 64, "organization", BOB, link_expires=datetime(2027, 1, 1, tzinfo=UTC)),
        link(TIGHT, "f" * 64, "users"),
        link(OPEN, "e" * 64, "organization", link_expires=datetime(2027, 1, 1, tzinfo=UTC)),
        link(TIGHT, "f" * 64, "users", GUEST),
    ],
    "principals": [
        {"principal": VISITORS, "title": "閲覧者"}, {"principal": OWNERS, "title": "所有者"}, {"principal": EMPTY, "title": "空"},
        {"principal": OUTER, "title": "全工場"}, {"principal": INNER, "title": "第一工場"}, {"principal": MEMBERS, "title": "全社員"},
        {"principal": EVERYONE, "title": "全員"},
    ],
}  # fmt: skip
SCHEMAS = {"current": ITEM, "scopes": SCOPES, "members": MEMBER, "accounts": ACCOUNT, "grants": GRANT, "principals": PRINCIPAL}
_FIELDS = (
    ("item_id", "string"), ("name", "string"), ("path", "string"), ("size", "int64"), ("quick_xor_hash", "string"),
    ("modified_at", "timestamp[us, UTC]"), ("modified_by", "string"), ("web_url", "string"),
)  # fmt: skip


def contract(stream: str, extra: Iterable[tuple[str, str]] = ()) -> dict[str, Any]:
    """``path`` has a name of our own: the report finds it by the source's."""
    names = {"path": "place"}
    fields = [{"name": names.get(code, code), "source": code, "type": type} for code, type in (*_FIELDS, *extra)]
    return {"stream": stream, "version": 1, "source": {"kind": "library"}, "key": ["item_id"], "fields": fields}


def project(folder: Path, *contracts: dict[str, Any]) -> Project:
    """A project with one SharePoint, and one contract unless others are given."""
    yaml = YAML(typ="safe")
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"name": "sakura-seiki", "environment": "sandbox", "timezone": "Asia/Tokyo", "storage": {"root": "./data"}}
    with (folder / "project.yaml").open("w", encoding="utf-8") as file:
        yaml.dump({**settings, "systems": {"sharepoint": {"kind": "sharepoint"}, "kintone": {"kind": "kintone"}}}, file)
    for one in contracts or (contract("sharepoint/rules"),):
        path = folder / "contracts" / f"{one['stream']}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(one, file)
    return load(folder)


def publish(
    made: Project,
    stream: str,
    tables: Mapping[str, list[dict[str, Any]]],
    read_at: datetime = NOW,
    schemas: Mapping[str, pa.Schema] = SCHEMAS,
) -> None:
    """Write a stream's tables and the record that makes them visible."""
    warehouse = Warehouse(made.root)
    before = warehouse.published(stream)
    named: dict[str, int] = {}
    for name, rows in tables.items():
        table = pa.Table.from_pylist(rows, schema=schemas[name])
        if name == "current":
            renamed = {field.source: field.name for field in made.contract(stream).fields}
            table = table.rename_columns([renamed.get(column, column) for column in table.column_names])
        write_deltalake(
            warehouse.uri(name, stream), table, mode="overwrite", schema_mode="overwrite", commit_properties=signed(warehouse.by)
        )
        found = warehouse.open(name, stream)
        assert found is not None
        named[name] = found.version()
    warehouse.publish(
        Published(
            number=(before.number if before else 0) + 1,
            stream=stream,
            pull_id="p",
            published_at=read_at.isoformat(),
            contract_version=1,
            contract_fingerprint="",
            schema_fingerprint="",
            revision="",
            tables=named,
            counts={},
            access_at=read_at.isoformat(),
        )
    )


def publish_roster(made: Project, at: datetime) -> None:
    """A reading of memberships alone: the organisation is smaller by Eve, the inner group empty, its last member seen leaving."""
    standing = [(MEMBERS, ALICE), (MEMBERS, BOB), (EVERYONE, ALICE), (EVERYONE, BOB), (EVERYONE, GUEST), (OUTER, INNER)]
    history = [{"group": group, "member": member, "first_observed": FIRST, "gone_at": None} for group, member in standing]
    history.append({"group": INNER, "member": ALICE, "first_observed": FIRST, "gone_at": LATER})
    groups = [{"group": group, "unread": ""} for group in (MEMBERS, EVERYONE, OUTER, INNER)]
    schemas = {
        **SCHEMAS,
        "members": pa.schema([*MEMBER, ("first_observed", AT), ("gone_at", AT)]),
        "groups": pa.schema([("group", pa.string()), ("unread", pa.string())]),
    }
    accounts = [one for one in ACCOUNTS if one["principal"] != EVE]
    publish(made, roster_id("sharepoint"), {"members": history, "accounts": accounts, "groups": groups}, at, schemas)


def company(folder: Path) -> Project:
    """The project with everything in it, published."""
    made = project(folder)
    publish(made, "sharepoint/rules", TABLES)
    return made
