"""The HTTP door: OpenAPI, one route a verb, and the MCP endpoint beside them. Every decision is reception's."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.errors import AnswerIsNo, FixConfiguration, FortnightError
from pipelines.pull.notes import Kind, leave
from pipelines.serving.callers.tokens import Caller, Tokens, bearer
from pipelines.serving.doors import bodies
from pipelines.serving.doors.hooks import Receiver, hooked
from pipelines.serving.doors.letterbox import Letterbox
from pipelines.serving.doors.mcp import McpDoor
from pipelines.serving.doors.wire import AnswerBody, FeedbackBody, FeedbackRequest, RefusalBody, SearchRequest, StatusBody
from pipelines.serving.reasons import AnswerWithheld, Reason
from pipelines.serving.reception import Reception, Served
from pipelines.serving.traces import Trace, trace_of

_BEARER = HTTPBearer(auto_error=False, description="The access token of the person who asks.")
#: RFC 9728, section 3.
METADATA = "/.well-known/oauth-protected-resource"


def _caller(request: Request) -> Caller:
    """Who asks, as the token proves. Raises AnswerWithheld for nobody."""
    tokens: Tokens = request.app.state.tokens
    reception: Reception = request.app.state.reception
    return tokens.verify(bearer(request.headers.get("authorization", "")), reception.clock.now())


Asking = Annotated[Caller, Depends(_caller)]
_CHUNK = Annotated[str, Path(min_length=1, max_length=200, description="A piece's id, as an answer gave it.")]
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": RefusalBody, "description": text}
    for status, text in {
        400: "The request cannot be read.",
        401: "No token, or one that proves nothing.",
        403: "The caller has not the right.",
        404: "Nothing there that the caller may see.",
        409: "The index does not answer: a fact about its state.",
        413: "The request is too large.",
        422: "The request has not the form.",
        429: "The caller's budget is spent for now; see Retry-After.",
        503: "Something that answers rest on cannot be relied upon now; see Retry-After.",
    }.items()
}


def trace_for(request: Request) -> Trace:
    """One trace a request, however often it is asked for."""
    if not hasattr(request.state, "trace"):
        request.state.trace = trace_of(request.headers.get("traceparent"))
    return request.state.trace


def app_of(reception: Reception, tokens: Tokens, url: str) -> FastAPI:
    """The whole service of one index. ``url`` is where clients reach it."""
    block = reception.project.file.serving
    app_url = url.rstrip("/")
    letterbox = _letterbox(reception)
    door = McpDoor(reception, tokens, limit=block.max_body_bytes, refuse=lambda error, request: _refused(app_url, error, request))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with door.running():
            yield
        letterbox.close()
        reception.close()

    app = FastAPI(title=f"Fortnight: {reception.index}", version="1", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.reception, app.state.tokens = reception, tokens
    app.include_router(_questions(reception))
    app.include_router(_health(reception))
    app.include_router(_metadata(reception, tokens, app_url))
    if systems := hooked(reception.project):
        app.include_router(_hooks(reception, Receiver(systems, letterbox.leave)))
    app.router.routes.append(door.route)
    app.add_middleware(BodyLimit, limit=block.max_body_bytes)
    _say_refusals(app, app_url)
    return app


def _questions(reception: Reception) -> APIRouter:
    router = APIRouter(prefix="/v1", responses=_REFUSALS, dependencies=[Depends(_BEARER)])

    @router.post("/search", response_model=AnswerBody)
    def search(body: SearchRequest, asking: Asking, request: Request) -> Response:
        """Find what the person may read."""
        served = reception.search(asking, body.query, body.k, trace_for(request), filters=body.filters.filters(), as_of=body.as_of)
        return _answered(served)

    @router.get("/fetch/{chunk}", response_model=AnswerBody)
    def fetch(chunk: _CHUNK, asking: Asking, request: Request) -> Response:
        """One piece by id. An id is no permission: what is forbidden is answered as what is absent."""
        served = reception.fetch(asking, chunk, trace_for(request))
        if not served.answer.hits:
            raise HTTPException(404, detail="serving.no_match")
        return _answered(served)

    @router.get("/neighbours/{chunk}", response_model=AnswerBody)
    def neighbours(chunk: _CHUNK, asking: Asking, request: Request) -> Response:
        """The pieces before and after one, as far as the person may read each."""
        return _answered(reception.neighbours(asking, chunk, trace_for(request)))

    @router.get("/status", response_model=StatusBody)
    def status(asking: Asking) -> StatusBody:
        """How the index stands, and whether the caller would be answered."""
        return bodies.status(reception, reception.situation(asking))

    @router.post("/feedback", response_model=FeedbackBody)
    def feedback(body: FeedbackRequest, asking: Asking) -> FeedbackBody:
        """Say how an answer of one's own served."""
        reception.feedback(asking, body.trace_id, body.verdict, body.chunk)
        return FeedbackBody(trace_id=body.trace_id, verdict=body.verdict)

    return router


def _answered(served: Served) -> Response:
    """The answer as it leaves. It is of the model that it is declared as: the framework would prove that anew, in a thread of its own."""
    return Response(bodies.answer(served).model_dump_json(by_alias=True), media_type="application/json")


def _health(reception: Reception) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz", response_class=PlainTextResponse)
    def healthz() -> str:
        """The process is alive."""
        return "ok"

    @router.get("/readyz", response_class=PlainTextResponse, responses={503: {"description": "The code of what stands in the way."}})
    def readyz() -> Response:
        """Answers could leave."""
        code = reception.ready()
        return PlainTextResponse(code or "ok", 503 if code else 200)

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """Counts and seconds for Prometheus; no person, no text."""
        return Response(reception.measured(), media_type=reception.metrics.content_type)

    return router


def _metadata(reception: Reception, tokens: Tokens, base: str) -> APIRouter:
    """RFC 9728: what this resource is, who issues tokens for it. The path of a resource at /mcp is inserted, not appended (section 3.1)."""
    router = APIRouter()

    def described(resource: str) -> JSONResponse:
        found: dict[str, Any] = {
            "resource": resource,
            "bearer_methods_supported": ["header"],
            "resource_name": f"Fortnight: {reception.index}",
        }
        if tokens.entra is not None:
            found |= {
                "authorization_servers": [tokens.entra.issuer],
                "scopes_supported": [tokens.entra.scope] if tokens.entra.scope else [],
            }
        return JSONResponse(found)

    @router.get(METADATA, include_in_schema=False)
    def of_api() -> JSONResponse:
        return described(base)

    @router.get(f"{METADATA}/mcp", include_in_schema=False)
    def of_mcp() -> JSONResponse:
        return described(f"{base}/mcp")

    return router


def _letterbox(reception: Reception) -> Letterbox:
    def write(kind: Kind, system: str) -> None:
        leave(reception.project.root, kind, system, f"{reception.clock.now().isoformat()} {secrets.token_hex(8)}")

    return Letterbox(write, lambda system: reception.metrics.hook(system, "not_written"))


def _hooks(reception: Reception, receiver: Receiver) -> APIRouter:
    """Whoever comes here shows no token and learns nothing of the index: all they can do is leave a note."""
    router = APIRouter()

    @router.post("/hooks/{system}", include_in_schema=False)
    async def hook(system: str, request: Request) -> Response:
        reply = receiver.answer(system, request.query_params, await request.body())
        if reply is None:
            raise HTTPException(404)
        reception.metrics.hook(system, reply.outcome)
        return PlainTextResponse(reply.text, reply.status, headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"})

    return router


def _refused(url: str, error: FortnightError, request: Request) -> JSONResponse:
    status, body = bodies.status_of(error), bodies.refusal(error, trace_for(request).trace_id)
    headers: dict[str, str] = {}
    if body.retry_after is not None:
        headers["Retry-After"] = str(body.retry_after)
    if status == 401:
        # RFC 9728, section 5.1; RFC 6750, section 3.
        where = f"{url}{METADATA}{'/mcp' if request.url.path.startswith('/mcp') else ''}"
        named = isinstance(error, AnswerWithheld) and error.reason is Reason.BAD_TOKEN
        headers["WWW-Authenticate"] = (
            f'Bearer {"error=" + chr(34) + "invalid_token" + chr(34) + ", " if named else ""}resource_metadata="{where}"'
        )
        request.app.state.reception.metrics.refused("token", error.code)
    return JSONResponse(body.model_dump(by_alias=True, mode="json"), status, headers)


def _say_refusals(app: FastAPI, url: str) -> None:
    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, FortnightError)
        return _refused(url, error, request)

    def plain(request: Request, status: int, error: FortnightError, headers: dict[str, str] | None = None) -> Response:
        body = bodies.refusal(error, trace_for(request).trace_id)
        return JSONResponse(body.model_dump(by_alias=True, mode="json"), status, headers)

    def malformed(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        # Not the value: what somebody sent by mistake is nobody's to keep or to show.
        where = ".".join(str(part) for part in first["loc"])
        return plain(request, 422, FixConfiguration("serving.bad_request", where=where, what=str(first["msg"])))

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.detail == "serving.no_match":
            return plain(request, 404, AnswerIsNo("serving.nothing_there"))
        code = "serving.no_such_place" if error.status_code == 404 else "serving.bad_request"
        made = FixConfiguration(code, where=request.method, what=str(error.detail))
        return plain(request, error.status_code, made, dict(error.headers or {}))

    app.add_exception_handler(FortnightError, refused)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, http)


class BodyLimit:
    """Refuses requests that are longer than they need to be, by what they announce or by what comes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not announced.isdigit() or int(announced) > self._limit:
            await self._too_large(scope, receive, send)
            return
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            size, more = size + len(parts[-1]), bool(message.get("more_body"))
            if size > self._limit:
                await self._too_large(scope, receive, send)
                return
        whole: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replay, send)

    async def _too_large(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = FixConfiguration("serving.too_large", limit=self._limit)
        body = bodies.refusal(error, trace_of(None).trace_id)
        await JSONResponse(body.model_dump(by_alias=True, mode="json"), 413)(scope, receive, send)
