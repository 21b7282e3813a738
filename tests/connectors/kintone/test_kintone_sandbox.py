"""The connector against the real sandbox over sockets: every stream equals the sandbox's truth, and access equals its own evaluator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from connectors.errors import AccessRefused, AddressUnknown, BrokenReply
from connectors.kintone import connect
from connectors.kintone.config import Config
from connectors.protocol import Access, Blob, Column, Connector, Offer, Page, Stream, Window
from connectors.transport import TransportOptions
from infra.sandbox import process
from infra.sandbox.company.people import PEOPLE


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("kintone")
    process.up(folder, base_port=0, only=("kintone",))
    yield folder
    process.down(folder)


@pytest.fixture
def opened(home: Path) -> Iterator[Connector]:
    with closing(open_at(home)) as connector:
        yield connector


def open_at(home: Path, *, tokens: bool = True, login: bool = True, **auth: Any) -> Connector:
    named = process.environment(home)
    if tokens:
        auth.setdefault("api_tokens", [value for name, value in named.items() if name.startswith("KINTONE_TOKEN_")])
    if login:
        auth.setdefault("password", {"login": named["KINTONE_LOGIN"], "password": named["KINTONE_PASSWORD"]})
    config = Config.model_validate({"base_url": named["KINTONE_URL"], "auth": auth})
    return connect("kintone", config, TransportOptions(ca_file=Path(named["FORTNIGHT_CA_FILE"]), attempts=4))


def truth(home: Path, app: str) -> dict[int, dict[str, Any]]:
    return {int(one["$id"]["value"]): one for one in process.control(home, "truth", {"app": app}, server="kintone")["records"]}


def stream_of(offer: Offer) -> Stream:
    columns = tuple(
        Column("record_id" if field.source == "$id" else field.source, field.source, field.type) for field in offer.schema.fields
    )
    return Stream("kintone", offer.name, offer.source, ("record_id",), columns, offer.cursor)


def streams(opened: Connector) -> dict[str, Stream]:
    return {str(offer.source["app_code"]): stream_of(offer) for offer in opened.discover()}


def rows_of(pages: list[Page]) -> dict[int, dict[str, Any]]:
    return {row["record_id"]: row for page in pages for row in page.rows.to_pylist()}


def same(value: Any, sent: Any, kind: pa.DataType) -> bool:
    """Whether a typed value says what the source's JSON says; written apart from the decoder, value by value."""
    if pa.types.is_list(kind):
        inner = kind.value_type
        if pa.types.is_string(inner):
            return sorted(sent) == value
        return len(value) == len(sent) and all(same(one, other, inner) for one, other in zip(value, sent, strict=True))
    if pa.types.is_struct(kind):
        if sent is None:
            return value is None
        names = {kind.field(at).name: kind.field(at).type for at in range(kind.num_fields)}
        if "value" in sent:
            return all(
                str(value[name]) == sent["id"] if name == "id" else same(value[name], sent["value"][name]["value"], of)
                for name, of in names.items()
            )
        return all(same(value[name], sent[name], of) for name, of in names.items())
    if sent in ("", None):
        return value is None
    if pa.types.is_timestamp(kind):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}" == sent
    if pa.types.is_decimal(kind):
        return value == Decimal(sent)
    return str(value) == str(sent)


@pytest.mark.parametrize("app", ["CUSTOMERS", "ORDERS", "FAQ", "DEFECTS"])
def test_every_record_arrives_with_the_sandboxs_own_values(home: Path, opened: Connector, app: str) -> None:
    stream = streams(opened)[app]
    pages = list(opened.pull(stream, Window()))
    stored = truth(home, app)
    rows = rows_of(pages)
    assert set(rows) == set(stored)
    assert sum(page.source_rows for page in pages) == len(stored) == opened.count(stream)
    assert all(not page.rejects for page in pages)
    assert {number: row["_source_version"] for number, row in rows.items()} == {
        number: one["$revision"]["value"] for number, one in stored.items()
    }
    for number, row in list(rows.items())[:: 1 + len(rows) // 2000]:
        for column in stream.columns:
            assert same(row[column.name], stored[number][column.source]["value"], column.type), (number, column.source)


def test_keys_are_the_ids_that_live(home: Path, opened: Connector) -> None:
    for app, stream in streams(opened).items():
        facts = process.control(home, "truth", {"app": app, "count": True}, server="kintone")
        found = [one for batch in opened.keys(stream) for one in batch.column("record_id").to_pylist()]
        assert found == sorted(set(found)) and len(found) == facts["count"]
        assert found[-1] <= facts["last_id"] and not set(found) & set(facts["deleted_ids"])


def test_the_check_proves_login_directory_and_sandbox(opened: Connector) -> None:
    health = opened.check()
    assert health.ok and health.sandbox
    assert {name for name, _, _ in health.probes} == {"reach", "login", "directory", "tokens"}


def test_wrong_credentials_fail_the_check_and_the_pull(home: Path, opened: Connector) -> None:
    named = process.environment(home)
    stream = streams(opened)["FAQ"]
    with closing(open_at(home, tokens=False, password={"login": named["KINTONE_LOGIN"], "password": "wrong"})) as stranger:
        assert not stranger.check().ok
        with pytest.raises(AccessRefused) as refused:
            stranger.describe(stream)
    assert refused.value.code == "kintone.login_refused"
    with closing(open_at(home, login=False, api_tokens=["0123456789abcdef"])) as keyless, pytest.raises(AccessRefused) as token:
        keyless.describe(stream)
    assert token.value.code == "kintone.token_refused"


def test_an_attachments_bytes_come_in_its_full_size(opened: Connector) -> None:
    stream = streams(opened)["DEFECTS"]
    files = [file for row in rows_of(list(opened.pull(stream, Window()))).values() for file in row["添付ファイル"]]
    assert files
    for file in files[:3]:
        blob = Blob(file["fileKey"], file["name"], file["contentType"], file["size"])
        assert len(b"".join(opened.blob(stream, blob))) == file["size"]


def readers(access: Access) -> dict[str, frozenset[str]]:
    """Scope → logins that reach it, by closing each account's principals over the membership edges."""
    above: dict[str, set[str]] = {}
    for edge in access.members:
        above.setdefault(edge.member, set()).add(edge.group)
    closures: dict[str, set[str]] = {}
    for account in access.accounts:
        todo, seen = [account.principal], {account.principal}
        while todo:
            more = above.get(todo.pop(), set()) - seen
            seen |= more
            todo += more
        closures[account.login] = seen if account.active else set()
    return {scope.id: frozenset(login for login, held in closures.items() if held & set(scope.principals)) for scope in access.scopes}


@pytest.mark.parametrize("app", ["CUSTOMERS", "FAQ", "DEFECTS", "ORDERS"])
def test_who_reaches_a_record_is_who_kintone_lets_view_it(home: Path, opened: Connector, app: str) -> None:
    stream = streams(opened)[app]
    access = opened.access(stream)
    reach = readers(access)
    resolved = {scope.id for scope in access.scopes if scope.resolved}
    columns = {column.name: column.source for column in stream.columns}
    rows = [row for page in list(opened.pull(stream, Window()))[:1] for row in page.rows.to_pylist()][:160]
    logins = [person.login for person in PEOPLE]
    effective = process.control(
        home, "effective", {"app": app, "ids": [row["record_id"] for row in rows], "logins": logins}, server="kintone"
    )
    unresolved = 0
    for row in rows:
        assert row["_scope"] in reach
        unresolved += row["_scope"] not in resolved
        for login in logins:
            allowed = effective[login][str(row["record_id"])]
            ours = login in reach[row["_scope"]]
            assert not ours or allowed["viewable"], f"{login} would reach record {row['record_id']} that kintone hides"
            if row["_scope"] in resolved:
                assert ours == allowed["viewable"]
            for name, id in access.restricted.items():
                if ours:
                    assert (login in reach[id]) == (columns[name] not in allowed["hidden_fields"])
    # Only the orders app names its readers by a field of the record.
    assert (unresolved > 0) == (app == "ORDERS")


def test_a_day_lived_comes_with_the_next_window_and_its_deletes_show_in_the_keys(home: Path, opened: Connector) -> None:
    stream = streams(opened)["ORDERS"]
    start = opened.watermark()
    pages = list(opened.pull(stream, Window()))
    landed = rows_of(pages)
    process.advance(home, 1)
    assert opened.watermark() >= start + timedelta(days=1)
    changed = rows_of(list(opened.pull(stream, Window(since=start - timedelta(minutes=5)), pages[-1].cursor)))
    landed |= changed
    alive = {one for batch in opened.keys(stream) for one in batch.column("record_id").to_pylist()}
    stored = truth(home, "ORDERS")
    assert alive == set(stored)
    assert {number: row["_source_version"] for number, row in landed.items() if number in alive} == {
        number: one["$revision"]["value"] for number, one in stored.items()
    }
    assert 0 < len(changed) < 1000


def test_outages_throttles_and_cut_replies_are_outlived(home: Path, opened: Connector) -> None:
    stream = streams(opened)["FAQ"]
    for kind in ("503", "429", "drop"):
        process.control(home, "fault", {"kind": kind, "count": 2, "path": "records.json"}, server="kintone")
        assert len(rows_of(list(opened.pull(stream, Window())))) == len(truth(home, "FAQ"))
    process.control(home, "fault", {"kind": "html200", "count": 1, "path": "records.json"}, server="kintone")
    with pytest.raises(BrokenReply) as broken:
        list(opened.pull(stream, Window()))
    assert broken.value.code == "kintone.not_json"
    process.control(home, "heal", {}, server="kintone")


def test_a_renamed_field_stops_the_pull_before_it_reads_and_moves_the_fingerprint(home: Path, opened: Connector) -> None:
    stream = streams(opened)["CUSTOMERS"]
    before = opened.describe(stream)
    process.control(home, "rename_field", {"app": "CUSTOMERS", "code": "ランク", "new_code": "顧客ランク"}, server="kintone")
    after = opened.describe(stream)
    assert after.fingerprint != before.fingerprint and after.revision != before.revision
    with pytest.raises(BrokenReply) as gone:
        list(opened.pull(stream, Window()))
    assert gone.value.code == "kintone.field_gone"


def test_a_renumbered_app_is_found_under_its_code_and_by_token_alone_it_is_gone(home: Path, opened: Connector) -> None:
    stream = streams(opened)["DEFECTS"]
    before = opened.describe(stream)
    process.control(home, "renumber_app", {"app": "DEFECTS", "new_id": 914}, server="kintone")
    after = opened.describe(stream)
    assert after.identity["app_id"] == "914"
    assert after.fingerprint == before.fingerprint
    with closing(open_at(home, login=False)) as by_token, pytest.raises((AddressUnknown, AccessRefused)):
        by_token.describe(stream)


def test_every_reply_of_the_sandbox_says_that_it_is_one(home: Path) -> None:
    named = process.environment(home)
    with httpx.Client(verify=named["FORTNIGHT_CA_FILE"]) as client:
        assert client.get(named["KINTONE_URL"] + "/k/v1/apps.json").headers["X-Fortnight-Sandbox"] == "1"
