"""The wire to one kintone domain: paths, parameters, credentials, paging by ``$id``. Knows no types and no rules of access.

Protocol: cybozu.dev, "kintone REST API" (common specification) and "cybozu.com User API".
"""

from __future__ import annotations

import base64
import operator
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal, cast
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec

from connectors.certificate import ClientCertificate
from connectors.errors import AccessRefused, BrokenReply
from connectors.kintone.budget import Budget, Call
from connectors.kintone.config import Config
from connectors.kintone.pace import Pace, Places
from connectors.kintone.replies import Asked, judge_file, judge_json, judge_nothing
from connectors.kintone.shapes import UNREADABLE, read_object, why
from connectors.kintone.standing import Doubts
from connectors.redaction import Redactor
from connectors.transport import Again, Classify, Transport, TransportOptions

#: The most records one records.json call gives.
PAGE = 500
#: Apps, users, groups and members come a hundred at a time.
LIST_PAGE = 100
#: Ids are held in eight bytes; kintone's own end far below.
MOST_ID = 2**63 - 1
_COUNT = re.compile(r"\d{1,18}", re.ASCII)
#: Above this a GET becomes POST with X-HTTP-Method-Override (kintone's own limit is about 8 KB; its JavaScript client turns at this length).
LONGEST_URL = 4096

#: ``records``: as whom records are read; ``person``: as a user, for what tokens may not ask; ``directory``: for the User API.
Credential = Literal["records", "person", "directory"]


class Client:
    """Calls of one domain. ``records`` calls go by API token where there are tokens; ``person`` calls always as the login or by OAuth.

    Every call waits for its place (``pace``), is held to the day's budget of its app, and is counted when it is answered.
    """

    def __init__(
        self,
        config: Config,
        options: TransportOptions,
        *,
        handler: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        auth = config.auth
        secrets = [token.get_secret_value() for token in auth.api_tokens]
        common: dict[str, str] = {}
        if auth.basic is not None:
            pair = _pair(auth.basic.name, auth.basic.password.get_secret_value())
            common["Authorization"] = f"Basic {pair}"
            secrets += [auth.basic.password.get_secret_value(), pair]
        self._token = {"X-Cybozu-API-Token": ",".join(secret.get_secret_value() for secret in auth.api_tokens)} if auth.api_tokens else None
        self._person: dict[str, str] | None = None
        if auth.password is not None:
            pair = _pair(auth.password.name, auth.password.password.get_secret_value())
            self._person = {"X-Cybozu-Authorization": pair}
            secrets += [auth.password.password.get_secret_value(), pair]
        self._directory = self._person
        if auth.oauth is not None:
            bearer = {"Authorization": f"Bearer {auth.oauth.token.get_secret_value()}"}
            secrets.append(auth.oauth.token.get_secret_value())
            self._person = self._person or bearer
            if auth.oauth.user_api_token is not None:
                secrets.append(auth.oauth.user_api_token.get_secret_value())
                self._directory = self._directory or {"Authorization": f"Bearer {auth.oauth.user_api_token.get_secret_value()}"}
            self._directory = self._directory or bearer
        certificate = options.client_certificate
        if auth.certificate is not None:
            certificate = ClientCertificate(auth.certificate.file, auth.certificate.password.get_secret_value())
            secrets.append(certificate.password)
        self._sleep, self._redact = sleep, Redactor(secrets)
        self.readings = options.readings
        share = config.concurrency
        self.transport = Transport(
            config.base_url,
            options=replace(options, concurrency=share, client_certificate=certificate),
            headers=common,
            secrets=secrets,
            sleep=sleep,
            handler=handler,
        )
        self.host = urlsplit(config.base_url).netloc
        self.budget = Budget(config.budget, self.host, options.state)
        self.doubts = Doubts(self.host, options.state)

        def wait(seconds: float) -> None:
            self._sleep(seconds)

        self.pace = Pace(share, config.yield_above, wait, Places(options.state, self.host, share, wait))

    @property
    def has_tokens(self) -> bool:
        return self._token is not None

    @property
    def has_person(self) -> bool:
        return self._person is not None

    def get(
        self,
        resource: str,
        params: Mapping[str, Any] | None = None,
        *,
        guest_space: int | None = None,
        credential: Credential = "records",
        app: str = "-",
    ) -> dict[str, Any]:
        """``/k/v1/<resource>.json`` (or its guest-space path) as a dict. Raises the errors of ``replies``."""
        reply = self._ask(_path(resource, guest_space), resource, params or {}, credential, app)
        return read_object(reply, resource, host=self.host)

    def records(self, app: str, params: Mapping[str, Any], guest_space: int | None) -> bytes:
        """The body of one records.json call, not decoded."""
        return self._ask(_path("records", guest_space), "records", {"app": app, **params}, "records", app)

    def total(self, app: str, query: str, guest_space: int | None) -> int:
        """How many records the source says match ``query`` (a condition, or empty)."""
        return self.counted(app, f"{query} limit 1".strip(), guest_space)[1]

    def counted(self, app: str, query: str, guest_space: int | None) -> tuple[list[int], int]:
        """The ids of the page that ``query`` asks for, and how many records match its condition altogether."""
        params = {"query": query, "fields": ["$id"], "totalCount": "true"}
        body = self.records(app, params, guest_space)
        try:
            page = _ID_PAGE.decode(body)
            ids = [int(one.id.value) for one in page.records]
        except UNREADABLE as error:
            raise BrokenReply("kintone.reply_shape", host=self.host, app=app, resource="records", reason=why(error)) from error
        if page.total is None or not _COUNT.fullmatch(str(page.total)) or not all(0 < one <= MOST_ID for one in ids):
            raise BrokenReply("kintone.no_total", host=self.host, app=app)
        return ids, int(page.total)

    def ids(self, app: str, condition: str, guest_space: int | None, *, after: int = 0) -> Iterator[list[int]]:
        """Ids of the records that match ``condition``, ascending from above ``after``, a page at a time."""
        while True:
            query = seek(condition, after)
            body = self.records(app, {"query": query, "fields": ["$id"]}, guest_space)
            try:
                page = [int(one.id.value) for one in _ID_PAGE.decode(body).records]
            except UNREADABLE as error:
                raise BrokenReply("kintone.reply_shape", host=self.host, app=app, resource="records", reason=why(error)) from error
            must_ascend(page, after, host=self.host, app=app)
            if page:
                yield page
            if len(page) < PAGE:
                return
            after = page[-1]

    def directory(self, resource: str, list_key: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """All items of one User API list (``/v1/<resource>.json``), paged by offset."""

        def page(offset: int) -> list[dict[str, Any]]:
            asked = {**(params or {}), "size": LIST_PAGE, "offset": offset}
            reply = self._ask(f"/v1/{resource}.json", resource, asked, "directory", "-")
            return cast("list[dict[str, Any]]", read_object(reply, resource, host=self.host)[list_key])

        return self._by_offset(resource, page)

    def apps(self, params: Mapping[str, Any] | None = None, *, guest_space: int | None = None) -> Iterator[dict[str, Any]]:
        """Apps the login may see (apps.json), by ``codes``, ``ids`` or all; paged by offset. Not counted in the daily quota."""

        def page(offset: int) -> list[dict[str, Any]]:
            asked = {**(params or {}), "limit": LIST_PAGE, "offset": offset}
            return cast("list[dict[str, Any]]", self.get("apps", asked, guest_space=guest_space, credential="person")["apps"])

        return self._by_offset("apps", page)

    def _by_offset(self, resource: str, page: Callable[[int], list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
        """All items of a list, a page at a time. Raises BrokenReply when a full page comes twice: such a list would have no end."""
        offset, before = 0, list[dict[str, Any]]()
        while True:
            found = page(offset)
            if found and found == before:
                raise BrokenReply("kintone.reply_shape", host=self.host, app="-", resource=resource, reason="the same page again")
            yield from found
            if len(found) < LIST_PAGE:
                return
            offset, before = offset + LIST_PAGE, found

    @contextmanager
    def file(self, file_key: str, guest_space: int | None, app: str) -> Generator[httpx.Response]:
        """The download of one attachment, body not read. Not counted in the daily quota; a request under way like any other."""
        asked = Asked(self.host, "file", app, self._redact)
        with (
            self.pace.slot(),
            self.transport.stream(
                "GET",
                _path("file", guest_space),
                params={"fileKey": file_key},
                headers=self._headers("records"),
                classify=judge_file(asked),
            ) as response,
        ):
            self.pace.heard(response.headers.get("X-ConcurrencyLimit-Running", ""))
            yield response

    def knock(self) -> str:
        """Ask for something cheap only to see who answers: the reply's error code, or empty. Not counted in the daily quota."""
        codes: list[str] = []
        credential: Credential = "person" if self.has_person else "records"
        self.transport.send(
            "GET",
            _path("apps", None),
            params={"limit": "1"},
            headers=self._headers(credential),
            classify=judge_nothing(codes.append, self._redact),
        )
        return codes[-1]

    def now(self) -> datetime:
        """The domain's own clock, from the ``Date`` header of a fresh reply, aware UTC. Raises BrokenReply when it sends none."""
        self.transport.server_time = None
        self.knock()
        found: datetime | None = self.transport.server_time
        if found is None:
            raise BrokenReply("kintone.no_date", host=self.host)
        return found.astimezone(UTC)

    def close(self) -> None:
        self.transport.close()

    def _ask(self, path: str, resource: str, params: Mapping[str, Any], credential: Credential, app: str) -> bytes:
        headers = self._headers(credential)
        counted = _counted(resource, params)
        if counted is not None and self.transport.server_time is None and self.budget.doubtful(counted):
            self.knock()
        judge = judge_json(Asked(self.host, resource, app, self._redact))
        flat = _flat(params)
        with self.pace.slot(), self.budget.call(counted, self.transport.server_time) as call:
            watched = self._watching(judge, call)
            if len(path) + 1 + len(urlencode(flat)) <= LONGEST_URL:
                response = self.transport.send("GET", path, params=flat, headers=headers, classify=watched)
            else:
                headers = {**headers, "X-HTTP-Method-Override": "GET"}
                response = self.transport.send("POST", path, json=dict(params), headers=headers, idempotent=True, classify=watched)
        self.pace.heard(response.headers.get("X-ConcurrencyLimit-Running", ""))
        return response.content

    def _watching(self, judge: Classify, call: Call) -> Classify:
        """The same verdicts, each answer counted: a call that was refused or is tried again was a call too, and is admitted again."""

        def watched(response: httpx.Response) -> Again | None:
            verdict: Again | None = None
            try:
                verdict = judge(response)
            finally:
                call.counted(self.transport.server_time, again=verdict is not None)
            if verdict is not None:
                self.pace.refused()
            return verdict

        return watched

    def _headers(self, credential: Credential) -> dict[str, str]:
        if credential == "records" and self._token is not None:
            return self._token
        found = self._directory if credential == "directory" else self._person
        if found is None:
            raise AccessRefused("kintone.login_needed", host=self.host)
        return found


def _counted(resource: str, params: Mapping[str, Any]) -> str | None:
    """The app whose daily calls this one counts among, or None: lists of apps, spaces, files and the directory are free."""
    number = params.get("id") if resource == "app" else params.get("app")
    return None if number is None else str(number)


class _Id(msgspec.Struct, gc=False):
    value: str


class _IdRecord(msgspec.Struct, rename={"id": "$id"}, gc=False):
    id: _Id


class _IdPage(msgspec.Struct, rename={"total": "totalCount"}):
    records: list[_IdRecord]
    total: str | int | None = None


_ID_PAGE = msgspec.json.Decoder(_IdPage)


def seek(condition: str, after: int, *, upto: int | None = None) -> str:
    """The query of the next page: own condition in parentheses (an ``or`` in it would otherwise undo the seek), ascending by ``$id``."""
    bounds = f"$id > {after}" if upto is None else f"$id > {after} and $id <= {upto}"
    return f"{f'({condition}) and ' if condition else ''}{bounds} order by $id asc limit {PAGE}"


def must_ascend(ids: list[int], after: int, *, host: str, app: str) -> None:
    """Raises BrokenReply when a page does not ascend from above ``after``: going on would loop or lose rows."""
    if not all(map(operator.lt, [after, *ids], ids)):
        raise BrokenReply("kintone.seek_broken", host=host, app=app, after=after, got=f"{ids[0]} to {ids[-1]}")
    if len(ids) > PAGE or (ids and ids[-1] > MOST_ID):
        raise BrokenReply("kintone.seek_broken", host=host, app=app, after=after, got=f"{len(ids)} records to {ids[-1]}")


def _path(resource: str, guest_space: int | None) -> str:
    return f"/k/v1/{resource}.json" if guest_space is None else f"/k/guest/{guest_space}/v1/{resource}.json"


def _flat(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for name, value in params.items():
        if isinstance(value, list | tuple):
            flat += [(f"{name}[{index}]", str(item)) for index, item in enumerate(cast("list[Any]", value))]
        else:
            flat.append((name, str(value)))
    return flat


def _pair(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
