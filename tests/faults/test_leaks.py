"""Random people ask a built index in every way there is; a plain evaluation of who may read what decides whether a word got out that should not have."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pytest
from conformance.live import write_contract, write_yaml
from mcp import Client, MCPError
from soaking import rounds
from starlette.testclient import TestClient

from pipelines.index.build import build_candidate
from pipelines.index.inputs import stream_inputs
from pipelines.index.parse import Parser
from pipelines.index.releases import candidate, open_release
from pipelines.index.store import Weights
from pipelines.landing.published import Published
from pipelines.landing.warehouse import Warehouse
from pipelines.project import load
from pipelines.serving import retrieval
from pipelines.serving.audit.row import AuditRow
from pipelines.serving.callers.tokens import Caller, Tokens
from pipelines.serving.desk import as_person, directories, newest_access, pinned
from pipelines.serving.doors.http import app_of
from pipelines.serving.doors.mcp import server_of
from pipelines.serving.metrics import Metrics
from pipelines.serving.reasons import AnswerWithheld
from pipelines.serving.reception import Reception
from pipelines.serving.retrieval import Release, Service
from tests.pipelines.serving.served_house import MONDAY, Hands, House

INDEX, TENANT = "support", "tenant.example"
STREAMS = ("kintone/faq", "kintone/old", "sharepoint/manuals")
#: Every text of a row carries a mark of its own: what leaks can be read off anything that leaves, wherever it stands in it.
MARK = re.compile(r"[TBN]\d{2}x\d{3}")
WORDS = (
    "主軸の温度",
    "冷却水の交換",
    "納期の回答",
    "見積りの依頼",
    "軸受の予圧",
    "SX-200 manual",
    "ﾈｼﾞの締付",
    "原価は98万円",
    "寺",
    "再発防止",
)
#: Guests, people of one system only, somebody who left, somebody linked nowhere, a name that looks like another's.
NAMES = ("sato", "mori", "suzuki", "tanaka", "ito", "abe", "left", "nobody", "ѕato")
PEOPLE = (*(f"{name}@x.example" for name in NAMES), "gai@partner.example")


@dataclass
class World:
    """Who is in what and what stands where, today. The oracle reads this and nothing of the product's."""

    accounts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    edges: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    scopes: dict[str, dict[str, tuple[bool, list[str]]]] = field(default_factory=dict)
    rows: dict[str, dict[int, dict[str, str]]] = field(default_factory=dict)
    narrow: dict[str, str] = field(default_factory=dict)

    def reached(self, mail: str, stream: str) -> set[str]:
        """What one stream's own directory says the person is, group by group."""
        every = [account for one in self.accounts.values() for account in one]
        closed = {account["principal"] for account in every if not account["active"]}
        own = {a["principal"] for a in self.accounts[stream] if mail in (a["login"], a["home"]) and a["principal"] not in closed}
        reached = own | ({f"everyone:{stream.partition('/')[0]}"} if own else set())
        while more := {group for group, member in self.edges[stream] if member in reached} - reached:
            reached |= more
        return reached

    def principals(self, mail: str, stream: str) -> set[str]:
        """Of its own system as the stream saw it; of the other as far as all streams of that system agree."""
        own = stream.partition("/")[0]
        found = self.reached(mail, stream)
        for system in {s.partition("/")[0] for s in STREAMS} - {own}:
            found |= set.intersection(*(self.reached(mail, s) for s in STREAMS if s.startswith(f"{system}/")))
        return found

    def marks(self, mail: str) -> set[str]:
        """All marks that the person may see."""
        seen: set[str] = set()
        for stream in STREAMS:
            mine = self.principals(mail, stream)
            open_ = {name for name, (resolved, who) in self.scopes[stream].items() if resolved and mine & set(who)}
            for row in self.rows[stream].values():
                if row["scope"] in open_:
                    seen |= {row["title"], row["body"]} | ({row["note"]} if self.narrow[stream] in open_ else set())
        return seen


def account(system: str, mail: str) -> dict[str, Any]:
    name = mail.partition("@")[0]
    guest = mail.endswith("@partner.example")
    login = f"{name}_partner.example#EXT#@{TENANT}" if guest else mail
    return {
        "system": system,
        "principal": f"user:{system}:{name}",
        "login": login,
        "mail": mail,
        "name": name,
        "active": name != "left",
        "home": mail,
    }


def generated(dice: random.Random, rows: int) -> World:
    world = World()
    for s, stream in enumerate(STREAMS):
        system = stream.partition("/")[0]
        linked = [m for m in PEOPLE if not m.startswith("nobody") and not (system == "kintone" and m[:3] in ("ito", "gai"))]
        world.accounts[stream] = [account(system, mail) for mail in linked if not (system == "sharepoint" and mail[:3] == "abe")]
        groups = [f"group:{system}:{n}" for n in range(8)]
        users = [one["principal"] for one in world.accounts[stream]]
        # Groups within groups, circles among them.
        world.edges[stream] = [(dice.choice(groups), dice.choice(users + groups)) for _ in range(14)]
        other = "sharepoint" if system == "kintone" else "kintone"
        anybody = [*groups, *users, f"everyone:{system}", f"group:{other}:1", f"everyone:{other}"]
        world.scopes[stream] = {f"s{n}": (n % 7 != 6, dice.sample(anybody, dice.choice((0, 1, 1, 2, 3)))) for n in range(18)}
        world.narrow[stream] = "narrow"
        world.scopes[stream]["narrow"] = (True, dice.sample(groups + users, 3))
        named = {n: {kind: f"{kind[0].upper()}{s:02}x{n:03}" for kind in ("title", "body", "note")} for n in range(rows)}
        world.rows[stream] = {n: {**marks, "scope": dice.choice(list(world.scopes[stream]))} for n, marks in named.items()}
    return world


def later(dice: random.Random, before: World) -> World:
    """The next morning: rows deleted, others moved to another scope, people out of groups, scopes narrowed or unresolved."""
    after = World(before.accounts, {}, {}, {}, before.narrow)
    for stream in STREAMS:
        after.edges[stream] = [edge for edge in before.edges[stream] if dice.random() > 0.2]
        after.scopes[stream] = {
            name: (resolved and dice.random() > 0.1, [one for one in who if dice.random() > 0.2])
            for name, (resolved, who) in before.scopes[stream].items()
        }
        moved = {
            n: {**row, "scope": dice.choice(list(before.scopes[stream]))} if dice.random() < 0.1 else row
            for n, row in before.rows[stream].items()
        }
        after.rows[stream] = {n: row for n, row in moved.items() if dice.random() > 0.1}
    return after


def publish(house: House, world: World) -> None:
    warehouse = Warehouse(house.project.root)
    for stream in STREAMS:
        rows = [
            {
                "id": n,
                "_key": str(n),
                "_scope": row["scope"],
                "_op": "upsert",
                "_row_hash": f"h{n}",
                "_pull_id": warehouse.by,
                "_source_version": "1",
            }
            | {
                "title": f"{row['title']} {WORDS[n % len(WORDS)]}",
                "body": f"{WORDS[n % 7]}について。{row['body']}",
                "note": f"社外秘 {row['note']} {WORDS[n % 3]}",
            }
            for n, row in world.rows[stream].items()
        ]
        scopes = [
            {
                "scope": name,
                "title": name,
                "principals": who if resolved else [],
                "reason": "" if resolved else "unknown",
                "resolved": resolved,
            }
            for name, (resolved, who) in world.scopes[stream].items()
        ]
        strings = pa.list_(pa.string())
        tables = {
            "current": pa.Table.from_pylist(rows),
            "scopes": pa.Table.from_pylist(
                scopes,
                pa.schema(
                    [
                        ("scope", pa.string()),
                        ("title", pa.string()),
                        ("principals", strings),
                        ("reason", pa.string()),
                        ("resolved", pa.bool_()),
                    ]
                ),
            ),
            "accounts": pa.Table.from_pylist([{k: v for k, v in one.items() if k != "home"} for one in world.accounts[stream]]),
            "members": pa.Table.from_pylist(
                [{"group": group, "member": member} for group, member in world.edges[stream]],
                pa.schema([("group", pa.string()), ("member", pa.string())]),
            ),
        }
        for table, found in tables.items():
            warehouse.replace(table, stream, found)
        before = warehouse.published(stream)
        warehouse.publish(
            Published(
                number=before.number + 1 if before else 1,
                stream=stream,
                pull_id=warehouse.by,
                published_at=house.clock.now().isoformat(),
                contract_version=1,
                contract_fingerprint="c",
                schema_fingerprint="s",
                revision="1",
                tables=warehouse.versions(stream),
                counts={},
                restricted={"note": world.narrow[stream]},
            )
        )


class Kept:
    """An audit that keeps its rows here, and can be broken."""

    def __init__(self) -> None:
        self.rows: list[AuditRow] = []
        self.broken = False

    def record(self, row: AuditRow) -> None:
        if self.broken:
            raise OSError("disk full")
        self.rows.append(row)

    def open(self) -> None:
        """Nothing waits for a table here."""

    def settle(self) -> None:
        """Nor here."""


@dataclass
class Asked:
    """A release of yesterday, today's world, and all that a question needs."""

    house: House
    world: World
    release: Release
    service: Service
    asker: Callable[[str], Any]
    chunks: Mapping[str, str]
    seen: Mapping[str, set[str]]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder, dice = tmp_path_factory.mktemp("leaks"), random.Random(20)
    systems = {name: {"kind": "kintone", "base_url": f"https://{name}.example"} for name in ("kintone", "sharepoint")}
    indexes = {INDEX: {"streams": list(STREAMS)}}
    write_yaml(folder / "project.yaml", {"name": "house", "environment": "staging", "systems": systems, "indexes": indexes})
    made = load(folder)
    fields: list[dict[str, Any]] = [{"name": "id", "source": "$id", "type": "int64", "required": True}]
    fields += [{"name": name, "source": name, "type": "string"} for name in ("title", "body", "note")]
    for stream in STREAMS:
        told = {"stream": stream, "version": 1, "source": {}, "key": ["id"], "fields": fields}
        write_contract(made, {**told, "document": {"title": "title", "body": ["body", "note"]}})
    house = House(load(folder), Hands(MONDAY))
    built = generated(dice, 60)
    publish(house, built)
    with Parser() as parser:
        streams = stream_inputs(house.project, INDEX, Warehouse(house.project.root))
        number = build_candidate(house.project.root, INDEX, streams, house.embedder, now=house.clock.now(), parser=parser).number
    house.promote(number)
    house.later(hours=1)
    world = later(dice, built)
    publish(house, world)

    manifest = candidate(house.project.root, INDEX, number)
    pins = pinned(house.project, INDEX, Warehouse(house.project.root))
    found, read_at = directories(house.project, pins)
    release = Release(manifest, open_release(house.project.root, manifest))
    service = Service(house.embedder, newest_access(house.project, pins, INDEX), Kept())
    everything = frozenset(f"user:{s}:{m.partition('@')[0]}" for m in PEOPLE for s in ("kintone", "sharepoint"))
    everything |= {f"{kind}" for s in ("kintone", "sharepoint") for kind in (f"everyone:{s}", *(f"group:{s}:{n}" for n in range(8)))}
    vector = house.embedder.embed_query(["x"])[0].tolist()
    whole = release.store.search("x", vector, everything, 1000, lambda chunk: True)
    return Asked(
        house,
        world,
        release,
        service,
        lambda mail: as_person(mail, found, read_at, "0" * 32, "test"),
        {one.chunk.id: one.chunk.text for one in whole.ranked},
        {mail: world.marks(mail) for mail in PEOPLE},
    )


def questions(dice: random.Random, asked: Asked) -> str:
    """Words of the texts, marks of rows one may not see, and what might break a filter."""
    row = dice.choice(list(asked.world.rows[dice.choice(STREAMS)].values()))
    odd = ("') OR true --", "a%_'\"\\", "group:kintone:1", "*", "acl IS NULL")
    return dice.choice((*WORDS, *odd, row["title"], row["body"], row["note"], f"{row['note']} {dice.choice(WORDS)}"))


ONLY = {"hybrid": None, "text": Weights(1.0, 0.0), "vector": Weights(0.0, 1.0)}


def ask(asked: Asked, path: str, mail: str, query: str, chunk: str, k: int) -> retrieval.Answer:
    asker, now = asked.asker(mail), asked.house.clock.now()
    if path in ONLY:
        service = replace(asked.service, weights=ONLY[path] or asked.service.weights)
        return retrieval.search(asked.release, query, asker, k, service, now=now)
    return getattr(retrieval, path)(asked.release, chunk, asker, asked.service, now=now)


def leaked(told: object, allowed: set[str]) -> set[str]:
    """The marks in anything that left which its reader may not see."""
    return set(MARK.findall(told if isinstance(told, str) else repr(told))) - allowed


def pairs(asked: Asked, seed: int, count: int) -> int:
    dice, shown, ids = random.Random(seed), 0, sorted(asked.chunks)
    for number in range(count):
        mail, query, chunk = dice.choice(PEOPLE), questions(dice, asked), dice.choice([*ids, "absent"])
        path = dice.choice((*ONLY, "fetch", "neighbours"))
        answer = ask(asked, path, mail, query, chunk, dice.choice((1, 5, 50)))
        # What was asked is the asker's own word and does not come back in an answer.
        assert not leaked(answer, asked.seen[mail]), (seed, number, path, mail, query, chunk)
        assert [hit.rank for hit in answer.hits] == list(range(1, len(answer.hits) + 1)), "no gap says that something stood there"
        shown += len(answer.hits)
    return shown


def test_nobody_is_shown_a_word_that_a_plain_evaluation_would_not_show(asked: Asked) -> None:
    assert pairs(asked, 1, 300) > 100, "and most people are shown something"


@pytest.mark.soak
@pytest.mark.parametrize("part", range(8))
def test_nobody_is_in_a_hundred_thousand_questions(asked: Asked, part: int) -> None:
    assert pairs(asked, 100 + part, rounds(12_500)) > 0


def test_the_world_has_every_kind_of_reader_and_of_change(asked: Asked) -> None:
    """Or no leak would mean little."""
    counts = {mail: len(seen) for mail, seen in asked.seen.items()}
    assert counts["left@x.example"] == counts["nobody@x.example"] == 0 < counts["gai@partner.example"]
    assert any(mark.startswith("N") for seen in asked.seen.values() for mark in seen)
    built = {mark for text in asked.chunks.values() for mark in MARK.findall(text)}
    today = {row[kind] for rows in asked.world.rows.values() for row in rows.values() for kind in ("title", "body", "note")}
    assert built - today, "the release still holds what was deleted since"


def test_what_may_be_read_then_and_now_can_be_fetched(asked: Asked) -> None:
    """The other half: a service that shows nothing leaks nothing."""
    mail = max(PEOPLE, key=lambda who: len(asked.seen[who]))
    got = {chunk for chunk in asked.chunks if ask(asked, "fetch", mail, "", chunk, 1).hits}
    hidden = {chunk for chunk, text in asked.chunks.items() if set(MARK.findall(text)) - asked.seen[mail]}
    assert got and hidden and not got & hidden


# The doors: every word that leaves through HTTP and MCP, refusals, status and metrics among them.


class Spy:
    """A release's store that notes what it is asked: the work that one question makes."""

    def __init__(self, store: Any) -> None:
        self.store, self.calls = store, list[str]()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)

        def noted(*told: Any, **named: Any) -> Any:
            self.calls.append(name)
            return found(*told, **named)

        return noted


@pytest.fixture
def reception(asked: Asked) -> Iterator[Reception]:
    log: Any = Kept()
    made = Reception(
        asked.house.project, INDEX, asked.house.clock, embedder=asked.house.embedder, log=log, metrics=Metrics(INDEX), gate=asked.house.gate
    )
    yield made
    made.close()


def hidden_from(asked: Asked, mail: str) -> list[str]:
    return sorted(chunk for chunk, text in asked.chunks.items() if set(MARK.findall(text)) - asked.seen[mail])


def test_no_door_lets_a_word_out(asked: Asked, reception: Reception) -> None:
    dice, told = random.Random(7), 0
    tokens = Tokens(None, asked.house.tokens)
    with TestClient(app_of(reception, tokens, "http://127.0.0.1"), raise_server_exceptions=False) as client:
        for _ in range(60):
            mail, chunk = dice.choice(PEOPLE), dice.choice([*asked.chunks, "absent", "%27%29%20OR%20true"])
            query, headers = questions(dice, asked), {"Authorization": f"Bearer {asked.house.token(mail)}"}
            asked.house.later(seconds=20)
            replies = [
                client.post("/v1/search", json={"query": query, "k": 50}, headers=headers),
                client.get(f"/v1/fetch/{chunk}", headers=headers),
                client.get(f"/v1/neighbours/{chunk}", headers=headers),
                client.get("/v1/status", headers=headers),
                client.post("/v1/search", json={"query": query, "k": 0, "user": dice.choice(PEOPLE)}, headers=headers),
                client.get(f"/v1/fetch/{chunk}"),
                client.get("/v1/nowhere", headers=headers),
            ]
            for reply in replies:
                assert not leaked(reply.text + repr(reply.headers), asked.seen[mail] | set(MARK.findall(query))), (
                    mail,
                    query,
                    chunk,
                    reply.text,
                )
            shown = set(MARK.findall(replies[0].text)) if replies[0].status_code == 200 else set[str]()
            assert shown <= asked.seen[mail], "not even as an echo of the question"
            told += len(shown)
            assert {reply.status_code for reply in replies[4:]} <= {400, 401, 404, 422, 429}
        said = client.get("/metrics").text + client.get("/healthz").text + client.get("/openapi.json").text
    assert (
        told and not leaked(said, set()) and not any(mail in said for mail in PEOPLE) and not any(chunk in said for chunk in asked.chunks)
    )


def test_no_tool_or_resource_of_mcp_lets_a_word_out(asked: Asked, reception: Reception) -> None:
    async def told(mail: str) -> list[str]:
        server = server_of(reception, lambda ctx: Caller(key=mail, client="test", mail=mail))
        heard: list[str] = []
        async with Client(server) as client:
            for chunk in (*hidden_from(asked, mail)[:3], "absent"):
                heard.append(repr(await client.call_tool("fetch", {"chunk": chunk})))
            heard += [repr(await client.call_tool("search", {"query": word, "k": 50})) for word in WORDS[:3]]
            heard += [repr(await client.call_tool("status", {})), repr(await client.list_tools())]
            for listing in (client.list_resources, client.list_resource_templates, client.list_prompts):
                try:
                    heard.append(repr(await listing()))
                except MCPError as error:
                    heard.append(repr(error))
            for uri in ("chunk://" + hidden_from(asked, mail)[0], "file:///etc/passwd"):
                try:
                    heard.append(repr(await client.read_resource(uri)))
                except MCPError as error:
                    heard.append(repr(error))
        return heard

    shown = 0
    for mail in ("nobody@x.example", "gai@partner.example", max(PEOPLE, key=lambda who: len(asked.seen[who]))):
        heard = asyncio.run(told(mail))
        assert not leaked("".join(heard), asked.seen[mail]), mail
        shown += len(MARK.findall("".join(heard)))
    assert shown


def test_absent_and_forbidden_are_one_answer_and_one_amount_of_work(asked: Asked) -> None:
    """Same class, same shape, same calls on the store, one audit row: nothing that a clock or an error could tell apart."""
    dice = random.Random(3)
    for mail in dice.sample(PEOPLE, 4):
        hidden = hidden_from(asked, mail)
        for path in ("fetch", "neighbours"):
            told: set[tuple[Any, ...]] = set()
            for chunk in (*dice.sample(hidden, 20), "absent", "x" * 200):
                spy, log = Spy(asked.release.store), Kept()
                service: Any = replace(asked.service, audit=log)
                found: Any = replace(asked.release, store=spy)
                answer = getattr(retrieval, path)(found, chunk, asked.asker(mail), service, now=asked.house.clock.now())
                told.add((answer, tuple(spy.calls), len(log.rows)))
            assert len(told) == 1, (mail, path, told)


def test_a_dead_audit_refuses_what_may_be_seen_and_what_may_not_alike(asked: Asked) -> None:
    broken: Any = Kept()
    broken.broken = True
    service = replace(asked.service, audit=broken)
    said: set[str] = set()
    for mail in PEOPLE:
        for chunk in (*list(asked.chunks)[:5], "absent"):
            for ask_it in (retrieval.fetch, retrieval.neighbours):
                with pytest.raises(AnswerWithheld) as refused:
                    ask_it(asked.release, chunk, asked.asker(mail), service, now=asked.house.clock.now())
                said.add(f"{type(refused.value)} {refused.value}")
    assert len(said) == 1 and not leaked(said, set())
