"""The MCP door, met by the protocol's own client over streamable HTTP and stdio: three tools, no user, and results that are marked as data."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from pipelines.project import load
from pipelines.serving.callers.tokens import Tokens
from pipelines.serving.doors.mcp import server_of, tools
from tests.pipelines.serving.open_doors import served
from tests.pipelines.serving.served_house import INJECTION, MONDAY, MORI, SATO, SECRET, SUZUKI, Hands, House

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def open_house(model_house: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, str]]:
    """A running service; its tests change nothing that another would miss."""
    import shutil

    folder = tmp_path_factory.mktemp("served") / "house"
    shutil.copytree(model_house, folder)
    house = House(load(folder), Hands(MONDAY))
    with served(house.reception(), Tokens(None, house.tokens)) as url:
        yield house, url


@asynccontextmanager
async def connected(url: str, token: str, mode: Any = "auto") -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, trust_env=False) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def names_in(schema: Any) -> set[str]:
    """Every property that a schema lets a caller fill, however deep."""
    if isinstance(schema, dict):
        own = set(schema.get("properties", {}))
        return own.union(*(names_in(value) for value in schema.values()))
    return set[str]().union(*(names_in(value) for value in schema)) if isinstance(schema, list) else set()


def test_no_tool_lets_a_model_say_who_asks() -> None:
    found = {tool.name: names_in(tool.input_schema) for tool in tools("support")}
    assert found == {
        "search": {"query", "k", "filters", "as_of", "systems", "streams", "media", "langs", "changed_from", "changed_to"},
        "fetch": {"chunk"},
        "status": set(),
    }
    assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in tools("support"))
    assert all("not instruction" in tool.description for tool in tools("support") if tool.description and tool.name != "status")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_protocols_own_client_asks_as_the_person_of_its_token(open_house: tuple[House, str], mode: str) -> None:
    house, url = open_house

    async def asked(mail: str) -> tuple[list[str], dict[str, Any], dict[str, Any]]:
        async with connected(url, house.token(mail), mode) as client:
            listed = [tool.name for tool in (await client.list_tools()).tools]
            result = await client.call_tool("search", {"query": "主軸の過熱", "k": 9})
            assert not result.is_error and result.structured_content is not None
            assert "not instruction" in result.content[0].text  # type: ignore[union-attr]
            assert json.loads(result.content[1].text) == result.structured_content  # type: ignore[union-attr]
            status = await client.call_tool("status", {})
            return listed, result.structured_content, status.structured_content or {}

    listed, sato, status = asyncio.run(asked(SATO))
    assert listed == ["search", "fetch", "status"] and status["answers"] is True
    assert any(SECRET in hit["text"] for hit in sato["hits"])
    assert not any(SECRET in hit["text"] for hit in asyncio.run(asked(SUZUKI))[1]["hits"])
    assert house.log.find(sato["trace_id"])[0]["person"] == SATO


def test_fetch_checks_again_and_a_wrong_call_is_an_error_with_a_code(open_house: tuple[House, str]) -> None:
    house, url = open_house

    async def told(mail: str, tool: str, **arguments: Any) -> tuple[bool, dict[str, Any]]:
        async with connected(url, house.token(mail)) as client:
            result = await client.call_tool(tool, arguments)
            return bool(result.is_error), result.structured_content or {}

    _, answer = asyncio.run(told(SATO, "search", query="再発防止", k=9))
    secret = next(hit["chunk"] for hit in answer["hits"] if SECRET in hit["text"])
    assert asyncio.run(told(SATO, "fetch", chunk=secret))[1]["hits"][0]["chunk"] == secret
    forbidden, absent = (asyncio.run(told(SUZUKI, "fetch", chunk=chunk)) for chunk in (secret, "nothing"))
    assert forbidden[0] and {**forbidden[1], "trace_id": ""} == {**absent[1], "trace_id": ""}
    for tool, arguments in (
        ("search", {"query": "x", "user": MORI}),
        ("search", {"query": " "}),
        ("search", {"query": "x", "as_of": "yesterday"}),
        ("status", {"as": MORI}),
        ("drop", {}),
    ):
        failed, body = asyncio.run(told(SUZUKI, tool, **arguments))
        assert failed and body["code"] == "serving.bad_request", tool


def test_an_instruction_inside_a_document_arrives_as_data(open_house: tuple[House, str]) -> None:
    house, url = open_house

    async def found() -> Any:
        async with connected(url, house.token(MORI)) as client:
            return await client.call_tool("search", {"query": "冷却水の交換"})

    result = asyncio.run(found())
    (hit,) = [hit for hit in result.structured_content["hits"] if INJECTION in hit["text"]]
    assert hit["untrusted"] is True and hit["source"]["row"] == "kintone/faq#1"
    assert INJECTION not in result.content[0].text


def test_nothing_of_the_protocol_is_reached_without_a_token(open_house: tuple[House, str]) -> None:
    _, url = open_house
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accept = {"Accept": "application/json, text/event-stream"}
    with httpx.Client(trust_env=False) as plain:
        refused = plain.post(f"{url}/mcp", json=call, headers=accept)
        assert refused.status_code == 401 and "resource_metadata" in refused.headers["www-authenticate"]
        assert "tools" not in refused.text
        described = plain.get(f"{url}/.well-known/oauth-protected-resource/mcp").json()
        assert described["resource"] == f"{url}/mcp" and described["bearer_methods_supported"] == ["header"]


def test_an_index_that_may_not_answer_says_so_as_a_failed_call(house: House) -> None:
    house.eligibility = "suspended"

    async def told(url: str) -> Any:
        async with connected(url, house.token(SATO)) as client:
            return await client.call_tool("search", {"query": "過熱"})

    with served(house.reception(), Tokens(None, house.tokens)) as url:
        result = asyncio.run(told(url))
    assert result.is_error and result.structured_content["code"] == "serving.suspended"
    assert result.structured_content["message"]["ja"].startswith("support は停止中です")


def test_on_stdio_the_token_of_the_environment_says_who_asks(house: House) -> None:
    async def asked(token: str) -> Any:
        program = [str(ROOT / "tests" / "pipelines" / "serving" / "open_doors.py"), str(house.project.folder), MONDAY.isoformat(), token]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        async with Client(stdio_client(StdioServerParameters(command=sys.executable, args=program, env=environment))) as client:
            meta: Any = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
            good = await client.call_tool("search", {"query": "主軸の過熱"}, meta=meta)
            return good

    good = asyncio.run(asked(house.token(SATO)))
    assert good.structured_content["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736" and good.structured_content["hits"]
    assert house.log.find(good.structured_content["trace_id"])[0]["person"] == SATO


def test_a_token_that_runs_out_ends_a_connection_that_goes_on(house: House) -> None:
    reception, tokens, token = house.reception(), house.tokens, house.token(SATO)

    async def asked() -> list[Any]:
        async with Client(server_of(reception, lambda _: tokens.verify(token, house.clock.now()))) as client:
            first = await client.call_tool("status", {})
            house.later(hours=2)
            return [first, await client.call_tool("status", {})]

    good, late = asyncio.run(asked())
    assert not good.is_error and late.is_error and late.structured_content["code"] == "serving.bad_token"
