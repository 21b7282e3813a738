"""The MCP door: three read-only tools over streamable HTTP and stdio. No tool takes a user: who asks is in the token."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from connectors.errors import AnswerIsNo, FixConfiguration, FortnightError
from connectors.messages import sentence
from pipelines.serving.callers.tokens import Caller, Tokens, bearer
from pipelines.serving.doors import bodies
from pipelines.serving.doors.wire import AnswerBody, SearchRequest, StatusBody
from pipelines.serving.reception import Reception
from pipelines.serving.traces import Trace, trace_of

_CALLER = "fortnight.caller"
Context = ServerRequestContext[Any, Any]
Refuse = Callable[[FortnightError, Request], Response]


class FetchRequest(BaseModel):
    """One piece, by the id that an answer gave."""

    model_config = ConfigDict(extra="forbid")
    chunk: str = Field(min_length=1, max_length=200)


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


#: Who asks, told anew for each call. Raises AnswerWithheld for nobody.
Asking = Callable[[Context], Caller]


def server_of(reception: Reception, asking: Asking) -> Server[Any]:
    """The protocol's server for one index."""

    async def list_tools(ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools(reception.index))

    async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        trace = _trace(ctx)
        try:
            # The caller is read again for every call: a connection outlives a token.
            body = await anyio.to_thread.run_sync(_call, reception, asking, ctx, params.name, params.arguments or {}, trace)
        except FortnightError as error:
            return _result(bodies.refusal(error, trace.trace_id), failed=True)
        return _result(body)

    return Server(
        "fortnight",
        version="1",
        title=f"Fortnight: {reception.index}",
        instructions=sentence("serving.notice"),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def tools(index: str) -> list[types.Tool]:
    """What agents may call. Their results hold other people's texts, marked as data."""
    warning = sentence("serving.notice")
    reading = types.ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
    described = (
        ("search", f"Search {index} for what the asking person may read. {warning}", SearchRequest, AnswerBody),
        ("fetch", f"Get one piece of {index} by its id, if the asking person may read it. {warning}", FetchRequest, AnswerBody),
        ("status", f"Whether {index} answers now, how fresh it is, and why not.", Nothing, StatusBody),
    )
    return [
        types.Tool(
            name=name,
            description=text,
            input_schema=takes.model_json_schema(),
            output_schema={"type": "object", "description": (gives.__doc__ or "").strip()},
            annotations=reading,
        )
        for name, text, takes, gives in described
    ]


def _call(reception: Reception, asking: Asking, ctx: Context, name: str, arguments: Mapping[str, Any], trace: Trace) -> BaseModel:
    caller = asking(ctx)
    try:
        if name == "search":
            asked = SearchRequest.model_validate_json(json.dumps(dict(arguments)))
            served = reception.search(caller, asked.query, asked.k, trace, filters=asked.filters.filters(), as_of=asked.as_of)
            return bodies.answer(served)
        if name == "fetch":
            served = reception.fetch(caller, FetchRequest.model_validate(arguments).chunk, trace)
            if not served.answer.hits:
                raise AnswerIsNo("serving.nothing_there")
            return bodies.answer(served)
        if name == "status":
            Nothing.model_validate(arguments)
            return bodies.status(reception, reception.situation(caller))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise FixConfiguration("serving.bad_request", where=where, what=first["msg"]) from None
    raise FixConfiguration("serving.bad_request", where="name", what="no such tool")


def _result(body: BaseModel, *, failed: bool = False) -> types.CallToolResult:
    """The notice stands before the data, in a part of its own, for clients that read the text only."""
    data = body.model_dump(by_alias=True, mode="json")
    parts: list[types.ContentBlock] = [types.TextContent(type="text", text=json.dumps(data, ensure_ascii=False))]
    if isinstance(body, AnswerBody):
        parts.insert(0, types.TextContent(type="text", text=" ".join(body.notice.values())))
    return types.CallToolResult(content=parts, structured_content=data, is_error=failed)


def _trace(ctx: Context) -> Trace:
    """The trace that the call's own metadata name, else the request's header."""
    meta: Any = ctx.meta or {}
    header = ctx.request.headers.get("traceparent") if isinstance(ctx.request, Request) else None
    named = meta.get("traceparent")
    return trace_of(named if isinstance(named, str) else header)


class McpDoor:
    """``/mcp``: nothing of the protocol is reached without a token that proves who asks. No session is kept: each request stands for itself."""

    def __init__(self, reception: Reception, tokens: Tokens, *, limit: int, refuse: Refuse) -> None:
        self._reception, self._tokens, self._refuse = reception, tokens, refuse
        server = server_of(reception, _from_request)
        self._manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True, max_request_body_size=limit)
        self.route = Route("/mcp", endpoint=self)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        try:
            now = self._reception.clock.now()
            scope[_CALLER] = await anyio.to_thread.run_sync(self._tokens.verify, bearer(request.headers.get("authorization", "")), now)
        except FortnightError as error:
            await self._refuse(error, request)(scope, receive, send)
            return
        await self._manager.handle_request(scope, receive, send)


def _from_request(ctx: Context) -> Caller:
    caller = ctx.request.scope.get(_CALLER) if isinstance(ctx.request, Request) else None
    assert isinstance(caller, Caller), "no call comes in but through the door"
    return caller


async def over_stdio(reception: Reception, tokens: Tokens, token: str) -> None:
    """Serve one client on standard input and output, as whom ``token`` proves; it is judged anew for every call, so it can run out."""
    from mcp.server.stdio import stdio_server

    server = server_of(reception, lambda _: tokens.verify(token, reception.clock.now()))
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())
    reception.close()
