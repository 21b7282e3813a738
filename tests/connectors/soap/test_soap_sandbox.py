"""The connector against the sandbox ERP over real sockets: every stream equals the server's own truth, and every mishap ends well or loudly."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.errors import AccessRefused, BrokenReply, ContractBroken, SourceError, SourceUnavailable
from connectors.protocol import Column, Connector, LiveField, Offer, Page, Stream, Window
from connectors.soap import connect
from connectors.soap.config import Config
from connectors.transport import TransportOptions

ENTITIES = {"items": "items", "suppliers": "suppliers", "purchase-orders": "purchase_orders", "stock-movements": "stock_movements"}


@dataclass(frozen=True)
class Erp:
    home: Path
    config: dict[str, Any]
    options: TransportOptions
    opened: list[Connector] = field(default_factory=list)

    def connector(self, **changed: Any) -> Connector:
        self.opened.append(connect("erp", Config.model_validate({**self.config, **changed}), self.options))
        return self.opened[-1]

    def control(self, verb: str, **body: Any) -> dict[str, Any]:
        from infra.sandbox import process

        return process.control(self.home, verb, body, server="erp")


@contextmanager
def running(home: Path) -> Iterator[Erp]:
    from infra.sandbox import process

    process.up(home, base_port=0, only=("erp",))
    try:
        said = process.describe(home)
        known = said.get("erp", said)
        auth = {"basic": {"user": known["user"], "password": known["password"]}}
        made = Erp(home, {"wsdl": known["wsdl"], "auth": auth}, TransportOptions(ca_file=next(home.rglob("ca.pem")), attempts=3))
        yield made
        for connector in made.opened:
            # A server waits for open connections before it stops.
            connector.close()
    finally:
        process.down(home)


@pytest.fixture(scope="module")
def erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erp]:
    with running(tmp_path_factory.mktemp("erp")) as made:
        yield made


def columns(fields: tuple[LiveField, ...]) -> tuple[Column, ...]:
    return tuple(Column(one.source, one.source, one.type, one.required, columns(one.children)) for one in fields)


def stream_of(offer: Offer, **source: Any) -> Stream:
    return Stream("erp", offer.name, {**offer.source, **source}, offer.key, columns(offer.schema.fields), offer.cursor)


@pytest.fixture(scope="module")
def offers(erp: Erp) -> dict[str, Offer]:
    return {offer.name: offer for offer in erp.connector().discover()}


def plain(value: Any, kind: pa.DataType) -> Any:
    """A pulled value as the truth endpoint writes it."""
    if isinstance(value, datetime):
        text = value.astimezone(UTC).isoformat(timespec="milliseconds" if value.microsecond else "seconds")
        return text.replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def same(pulled: Any, truth: Any) -> bool:
    if isinstance(pulled, Decimal):
        return pulled == Decimal(str(truth))
    if isinstance(pulled, dict):
        return all(same(value, truth.get(name)) for name, value in pulled.items()) and set(truth) <= set(pulled)
    if isinstance(pulled, list):
        return len(pulled) == len(truth) and all(map(same, pulled, truth))
    return plain(pulled, pa.null()) == truth


def true_value(row: dict[str, Any], source: str) -> Any:
    value: Any = row
    for step in source.split("/"):
        value = value.get(step) if isinstance(value, dict) else None
    return value


@pytest.mark.parametrize("name", ENTITIES)
def test_every_stream_equals_the_truth_of_the_source(erp: Erp, offers: dict[str, Offer], name: str) -> None:
    stream = stream_of(offers[name])
    connector = erp.connector()
    pages = list(connector.pull(stream, Window()))
    truth = erp.control("truth", entity=ENTITIES[name])
    rows = [row for page in pages for row in page.rows.to_pylist()]
    assert not [reject for page in pages for reject in page.rejects]
    assert len(rows) == truth["count"] == connector.count(stream) == sum(page.source_rows for page in pages)
    by_key = {row["Key"]: row for row in truth["rows"]}
    for row in rows:
        for column in stream.columns:
            assert same(row[column.name], true_value(by_key[row["Key"]], column.source)), (row["Key"], column.source)
    keys = [key for batch in connector.keys(stream) for key in batch.column(0).to_pylist()]
    assert keys == [row[stream.key[0]] for row in rows]
    assert connector.describe(stream).fingerprint == offers[name].schema.fingerprint


def test_a_small_page_size_gives_the_same_rows_and_every_cursor_resumes(erp: Erp, offers: dict[str, Offer]) -> None:
    offer = offers["items"]
    stream = stream_of(offer, paging={**offer.source["paging"], "page": 90})
    connector = erp.connector()
    pages = list(connector.pull(stream, Window()))
    codes = [code for page in pages for code in page.rows.column("No").to_pylist()]
    assert len(pages) == 4 and len(set(codes)) == len(codes) == connector.count(stream)
    done = 0
    for page in pages:
        done += page.rows.num_rows
        rest = [code for later in connector.pull(stream, Window(), page.cursor) for code in later.rows.column("No").to_pylist()]
        assert rest == codes[done:]


def test_a_window_gives_exactly_the_rows_changed_in_it(erp: Erp, offers: dict[str, Offer]) -> None:
    stream = stream_of(offers["purchase-orders"])
    connector = erp.connector()
    times = sorted(time for page in connector.pull(stream, Window()) for time in page.rows.column("Last_Modified").to_pylist())
    since, until = times[len(times) // 3], times[2 * len(times) // 3]
    got = [time for page in connector.pull(stream, Window(since, until)) for time in page.rows.column("Last_Modified").to_pylist()]
    assert sorted(got) == [time for time in times if since <= time < until]


def test_the_access_list_is_the_sources_own(erp: Erp, offers: dict[str, Offer]) -> None:
    roles = erp.control("truth", entity="roles")["rows"]
    for name, entity in ENTITIES.items():
        access = erp.connector().access(stream_of(offers[name]))
        (scope,) = access.scopes
        named = {row["Role"] for row in roles if row["Entity"] == entity}
        assert scope.id == f"soap:erp:{entity}" and scope.resolved
        assert set(scope.principals) == {f"role:erp:{role}" for role in named}
        logins = {row["Login"] for row in roles if row["Entity"] == entity}
        assert {account.login for account in access.accounts} == {account.mail for account in access.accounts} == logins
        assert {(one.group, one.member) for one in access.members} == {
            (f"role:erp:{row['Role']}", next(a.principal for a in access.accounts if a.login == row["Login"]))
            for row in roles
            if row["Entity"] == entity
        }


def test_check_proves_credentials_and_knows_a_sandbox(erp: Erp) -> None:
    health = erp.connector().check()
    assert health.ok and health.sandbox and health.endpoint.startswith("https://localhost:")


def test_wrong_credentials_are_refused_and_shown_as_such(erp: Erp, offers: dict[str, Offer]) -> None:
    connector = erp.connector(auth={"basic": {"user": "renkei-reader", "password": "not-the-password"}})
    with pytest.raises(AccessRefused) as caught:
        list(connector.pull(stream_of(offers["items"]), Window()))
    assert "not-the-password" not in str(caught.value)
    assert not connector.check().ok


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "html200"}, BrokenReply),
        ({"kind": "fault500"}, SourceUnavailable),
        ({"kind": "fault200"}, SourceUnavailable),
        ({"kind": "empty200", "count": 3}, BrokenReply),
        ({"kind": "truncate", "at": 0.99, "count": 3}, BrokenReply),
        ({"kind": "wrong_count"}, BrokenReply),
        ({"kind": "app_error"}, SourceError),
        ({"kind": "drop", "count": 3}, SourceUnavailable),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_mishap_on_the_second_page_keeps_the_first_and_the_rest_follows_later(
    erp: Erp, offers: dict[str, Offer], fault: dict[str, Any], error: type[SourceError]
) -> None:
    offer = offers["items"]
    stream = stream_of(offer, paging={**offer.source["paging"], "page": 200})
    connector = erp.connector()
    erp.control("fault", **fault, after=1)
    came: list[Page] = []
    try:
        with pytest.raises(error):
            came.extend(connector.pull(stream, Window()))
            raise AssertionError("the mishap went unseen")
    finally:
        erp.control("heal")
    pulled = connector.pull(stream, Window())
    first = next(pulled)
    pulled.close()  # type: ignore[attr-defined]
    rest = list(connector.pull(stream, Window(), first.cursor))
    assert first.source_rows + sum(page.source_rows for page in rest) == connector.count(stream)


@pytest.mark.parametrize("kind", ["truncate", "drop", "503", "empty200"])
def test_a_mishap_that_passes_is_healed_within_the_pull(erp: Erp, offers: dict[str, Offer], kind: str) -> None:
    stream = stream_of(offers["items"])
    connector = erp.connector()
    erp.control("fault", kind=kind)
    try:
        assert sum(page.source_rows for page in connector.pull(stream, Window())) == connector.count(stream)
    finally:
        erp.control("heal")


def test_a_live_rename_blocks_the_columns_that_read_it_and_no_others(tmp_path: Path) -> None:
    with running(tmp_path / "erp") as own:
        connector = own.connector()
        offer = next(one for one in connector.discover() if one.name == "items")
        whole = stream_of(offer)
        few = Stream("erp", "items", offer.source, offer.key, tuple(one for one in whole.columns if one.source in ("Key", "No")), None)
        before = connector.describe(few)
        own.control("evolve", kind="rename_element")
        after = connector.describe(few)
        assert after.fingerprint == before.fingerprint and after.revision != before.revision
        assert {one.source for one in after.fields} - {one.source for one in before.fields} == {"Sales_Price"}
        with pytest.raises(ContractBroken, match=r"Unit_Price.*Sales_Price"):
            list(connector.pull(whole, Window()))
