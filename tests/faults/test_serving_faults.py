"""What answers rest on dies, piece by piece, under a running service: the last good answer, marked where it may be old, or a refusal. Never another version."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from deltalake.exceptions import DeltaError
from jwt.algorithms import RSAAlgorithm

from connectors.errors import SourceUnavailable
from infra.sandbox.company.people import TENANT_ID, person
from pipelines.project import load
from pipelines.serving.callers.groups import Groups
from pipelines.serving.callers.keys import Keys
from pipelines.serving.callers.tokens import EntraTokens, Tokens
from pipelines.serving.reception import Reception
from tests.pipelines.serving.open_doors import served
from tests.pipelines.serving.served_house import BOARD, BOOKS, FAQS, MANUALS, MONDAY, MORI, SATO, SECRET, Hands, House, failing, found

ROOT = Path(__file__).resolve().parents[2]
QUESTION = {"query": "主軸の過熱", "k": 5}
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER, AUDIENCE = f"https://login.example/{TENANT_ID}/v2.0", "api://search"


@dataclass
class Graph:
    """The tenant's directory, which says that the person is in the quality board; ``down`` makes it unreachable."""

    down: bool = False
    asked: list[str] = field(default_factory=list[str])

    def ask(self, oid: str) -> frozenset[str]:
        self.asked.append(oid)
        if self.down:
            raise SourceUnavailable("source.unavailable", host="graph", reason="HTTP 503", attempts=2)
        return frozenset({BOARD})


@dataclass
class Running:
    """A service on a socket, and whose tokens it believes."""

    house: House
    reception: Reception
    graph: Graph
    client: httpx.Client

    def ask(self, *, overage: bool = False, mail: str = SATO) -> httpx.Response:
        bearer = self._signed_in(mail) if overage else self.house.token(mail)
        return self.client.post("/v1/search", json=QUESTION, headers={"Authorization": f"Bearer {bearer}"})

    def _signed_in(self, mail: str) -> str:
        """A token with more groups than it can hold: Graph has to say which."""
        now = self.house.clock.now()
        claims = {"iss": ISSUER, "aud": AUDIENCE, "tid": TENANT_ID, "oid": person(mail).entra_id, "scp": "access_as_user", "azp": "app"}
        claims |= {"iat": now, "nbf": now, "exp": now + timedelta(hours=1), "hasgroups": "true"}
        return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "one"})


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """Release 1 in production; a newer candidate lies beside it, which says something else: the wrong version."""
    house = found(tmp_path / "house")
    house.publish(MANUALS, [*BOOKS, ("主軸の過熱と冷却", "主軸の過熱は新版では別の手順で扱う。", "board")])
    assert house.build() == 2
    graph, reception = Graph(), house.reception()
    public = json.loads(RSAAlgorithm.to_jwk(KEY.public_key()))
    keys = Keys(lambda: {"keys": [{**public, "kid": "one", "use": "sig"}]})
    entra = EntraTokens(TENANT_ID, (AUDIENCE,), ISSUER, "access_as_user", keys, Groups(graph.ask).of)
    with served(reception, Tokens(entra, house.tokens)) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield Running(house, reception, graph, client)


@contextmanager
def embedder_down(it: Running) -> Generator[None]:
    it.house.embedder.broken = SourceUnavailable("source.unavailable", host="embedder", reason="HTTP 503", attempts=2)
    yield
    it.house.embedder.broken = None


@contextmanager
def store_gone(it: Running) -> Generator[None]:
    indexes = Path(it.house.project.root) / "indexes"
    away = indexes.with_name("away")
    indexes.rename(away)
    yield
    # Whatever looked meanwhile may have made an empty folder of that name.
    shutil.rmtree(indexes, ignore_errors=True)
    away.rename(indexes)


@contextmanager
def tables_silent(it: Running) -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.serving.today.pinned", _raising(DeltaError("storage is down")))
        it.house.later(minutes=1)
        yield
    it.house.later(minutes=1)


@contextmanager
def ledger_broken(it: Running) -> Generator[None]:
    it.house.broken_gate = OSError("ledger is down")
    it.house.later(minutes=1)
    yield
    it.house.broken_gate = None
    it.house.later(minutes=1)


@contextmanager
def graph_down(it: Running) -> Generator[None]:
    it.graph.down = True
    it.house.later(minutes=6)
    yield
    it.graph.down = False


def audit_full(it: Running) -> AbstractContextManager[None]:
    return failing(it.reception.log._journal, "put", OSError(28, "No space left on device"))


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


#: What dies, and how the question may end: codes of refusals, or "" for an answer.
DEATHS: dict[Callable[[Running], AbstractContextManager[None]], set[str]] = {
    embedder_down: {"serving.unavailable"},
    store_gone: {"serving.unavailable", "serving.gate_unknown", ""},
    tables_silent: {""},
    ledger_broken: {"serving.gate_unknown"},
    audit_full: {"serving.audit_unavailable"},
    graph_down: {"serving.groups_unknown"},
}


def said(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return body["release"], body["label"], [hit["chunk"] for hit in body["hits"]]


def test_whatever_dies_gives_the_last_good_answer_or_a_refusal_and_never_another_version(running: Running) -> None:
    before = said(running.ask())
    assert before[:2] == (1, "production") and len(before[2]) == len(FAQS) - 1 + len(BOOKS)
    assert said(running.ask(mail=MORI))[:2] == (1, "production"), "a previewer is answered from production, too"
    for death, ends in DEATHS.items():
        overage = death is graph_down
        assert said(running.ask(overage=overage)) == before, death.__name__
        with death(running):
            answer = running.ask(overage=overage)
            code = "" if answer.status_code == 200 else answer.json()["code"]
            assert code in ends, (death.__name__, answer.text)
            if answer.status_code == 200:
                assert said(answer) == before, death.__name__
                assert answer.json()["freshness"]["degraded"] is (death is tables_silent)
            else:
                assert answer.status_code == 503 and SECRET not in answer.text and "hits" not in answer.json()
        assert said(running.ask(overage=overage)) == before, f"healed: {death.__name__}"
    assert running.reception.log.verify().ok


def test_when_the_source_is_silent_the_last_good_answer_says_its_age_until_that_is_too_old(running: Running) -> None:
    before = said(running.ask())
    running.house.later(hours=20)
    later = running.ask()
    assert said(later) == before
    assert later.json()["freshness"]["access_age_seconds"] == 20 * 3600
    assert {age["age_seconds"] for age in later.json()["freshness"]["sources"]} == {20 * 3600}
    running.house.later(hours=7)
    refused = running.ask()
    assert (refused.status_code, refused.json()["code"]) == (503, "serving.overlay_stale")


def test_a_service_told_to_stop_ends_what_is_under_way_and_takes_no_more(tmp_path: Path) -> None:
    """A real process and a real SIGTERM, while a question waits for its embedder."""
    house = found(tmp_path / "house")
    held, let_go = tmp_path / "held", tmp_path / "let_go"
    program = [sys.executable, str(Path(__file__)), str(house.project.folder), str(held), str(let_go)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"})
    answers: list[httpx.Response] = []
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        headers = {"Authorization": f"Bearer {house.token(SATO)}"}

        def ask() -> None:
            answers.append(httpx.post(f"{url}/v1/search", json=QUESTION, headers=headers, timeout=60))

        asking = threading.Thread(target=ask)
        asking.start()
        _until(held.exists)
        process.send_signal(signal.SIGTERM)
        _until(lambda: _refused(url))
        assert process.poll() is None and not answers, "it waits for the one under way"
        let_go.touch()
        asking.join(60)
        assert process.wait(60) in (0, -signal.SIGTERM)
    finally:
        let_go.touch()
        process.kill()
        process.wait()
    assert said(answers[0])[:2] == (1, "production")
    assert [row["trace_id"] for row in house.log.rows()] == [answers[0].json()["trace_id"]], "on record, and alone"
    assert house.log.verify().ok


def _until(true: Callable[[], bool]) -> None:
    for _ in range(6_000):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("it did not come to pass")


def _refused(url: str) -> bool:
    try:
        return httpx.post(f"{url}/v1/search", json=QUESTION, timeout=5).status_code == 503
    except httpx.TransportError:
        return True


def main(folder: str, held: str, let_go: str) -> None:
    """``python test_serving_faults.py FOLDER HELD LET_GO``: serve the house; a question touches HELD and waits for LET_GO."""
    from pipelines.serving.doors.opening import BACKLOG, listen, server_of

    house = House(load(Path(folder)), Hands(MONDAY))
    real = house.embedder.embed_query

    def slow(texts: Any) -> Any:
        Path(held).touch()
        while not Path(let_go).exists():
            time.sleep(0.01)
        return real(texts)

    house.embedder.embed_query = slow  # type: ignore[method-assign]
    bound = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    server = server_of(house.reception(), Tokens(None, house.tokens), url)
    bound.listen(BACKLOG)
    print(url, flush=True)
    server.run(sockets=[bound])


if __name__ == "__main__":
    main(*sys.argv[1:])
