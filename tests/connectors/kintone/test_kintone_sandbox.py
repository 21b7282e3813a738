"""The connector against the real sandbox over sockets: every stream equals the sandbox's truth, and access equals its own evaluator."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from connectors.capabilities import Examines
from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, FixConfiguration, SourceUnavailable
from connectors.kintone import connect
from connectors.kintone.config import Config
from connectors.protocol import Blob, Column, Connector, Offer, Page, Stream, Window
from connectors.transport import TransportOptions
from infra.sandbox import process


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


def open_at(home: Path, *, tokens: bool = True, login: bool = True, url: str = "", **auth: Any) -> Connector:
    named = process.environment(home)
    if tokens:
        auth.setdefault("api_tokens", [value for name, value in named.items() if name.startswith("KINTONE_TOKEN_")])
    if login:
        auth.setdefault("password", {"login": named["KINTONE_LOGIN"], "password": named["KINTONE_PASSWORD"]})
    config = Config.model_validate({"base_url": url or named["KINTONE_URL"], "auth": auth})
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


def test_a_table_of_its_own_holds_every_row_of_every_record(home: Path, opened: Connector) -> None:
    asked = Stream("kintone", "lines", {"app_code": "ORDERS", "table": "明細"}, ("record_id", "row_id"), ())
    columns = [Column(one.source, one.source, one.type) for one in opened.describe(asked).fields]
    columns[:2] = [Column("record_id", "$id", pa.int64()), Column("row_id", "$row_id", pa.int64())]
    stream = replace(asked, columns=tuple(columns))
    pages = list(opened.pull(stream, Window()))
    rows = [row for page in pages for row in page.rows.select(["record_id", "row_id", "$row", "製品コード"]).to_pylist()]
    wanted = [
        {"record_id": number, "row_id": int(row["id"]), "$row": at, "製品コード": row["value"]["製品コード"]["value"]}
        for number, record in truth(home, "ORDERS").items()
        for at, row in enumerate(record["明細"]["value"], 1)
    ]
    by_key = {(row["record_id"], row["row_id"]): row for row in rows}
    assert len(rows) == len(by_key) == pages[-1].total
    assert by_key == {(row["record_id"], row["row_id"]): row for row in wanted}


def test_comments_written_in_kintone_come_with_their_records_scope(home: Path, opened: Connector) -> None:
    named = process.environment(home)
    pair = base64.b64encode(f"{named['KINTONE_LOGIN']}:{named['KINTONE_PASSWORD']}".encode()).decode()
    with httpx.Client(base_url=named["KINTONE_URL"], verify=named["FORTNIGHT_CA_FILE"], headers={"X-Cybozu-Authorization": pair}) as http:
        app = http.get("/k/v1/apps.json", params={"codes[0]": "FAQ"}).json()["apps"][0]["appId"]
        for number in range(12):
            sent = {"app": app, "record": 2, "comment": {"text": f"{number} 回目の確認です"}}
            assert http.post("/k/v1/record/comment.json", json=sent).status_code == 200
    asked = Stream("kintone", "talk", {"app_code": "FAQ", "part": "comments"}, ("record_id", "comment_id"), ())
    columns = [Column(one.source, one.source, one.type) for one in opened.describe(asked).fields]
    columns[0] = Column("record_id", "$id", pa.int64())
    pages = list(opened.pull(replace(asked, columns=tuple(columns)), Window()))
    rows = [row for page in pages for row in page.rows.to_pylist() if row["record_id"] == 2]
    assert [row["text"] for row in rows if "回目" in row["text"]] == [f"{number} 回目の確認です" for number in range(11, -1, -1)]
    faq = {row["record_id"]: row["_scope"] for page in opened.pull(streams(opened)["FAQ"], Window()) for row in page.rows.to_pylist()}
    assert {row["_scope"] for row in rows} == {faq[2]}


def test_what_reading_a_table_or_comments_takes_is_said_of_their_records(opened: Connector) -> None:
    assert isinstance(opened, Examines)
    row = (Column("record_id", "$id", pa.int64()), Column("row_id", "$row_id", pa.int64()), Column("item", "製品コード", pa.string()))
    lines = Stream("kintone", "lines", {"app_code": "ORDERS", "table": "明細"}, ("record_id", "row_id"), row)
    comment = (Column("record_id", "$id", pa.int64()), Column("comment_id", "comment_id", pa.int64()))
    talk = Stream("kintone", "talk", {"app_code": "DEFECTS", "part": "comments"}, ("record_id", "comment_id"), comment)
    assert "20000 records; a full load takes at most 100 API calls" in opened.examine(lines).say("en")
    said = opened.examine(talk).say("en")
    assert "120 records, a call or more for each; a full load takes 130 API calls or more, a quiet pull 124" in said
    with pytest.raises(FixConfiguration, match="請求明細"):
        opened.examine(replace(lines, source={"app_code": "ORDERS", "table": "請求明細"}))


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


def test_the_host_for_client_certificates_is_read_with_the_pfx_file_and_closed_without_it(home: Path) -> None:
    mine = process.describe(home)["kintone"]["client_certificate"]
    shown = {"certificate": {"file": mine["pfx_file"], "password": mine["pfx_password"]}}
    with closing(open_at(home, url=mine["base_url"], **shown)) as inside:
        assert inside.check().ok
        faq = streams(inside)["FAQ"]
        assert set(rows_of(list(inside.pull(faq, Window())))) == set(truth(home, "FAQ"))
    with closing(open_at(home, url=mine["base_url"])) as outside, pytest.raises(SourceUnavailable):
        outside.describe(faq)


def test_an_attachments_bytes_come_in_its_full_size(opened: Connector) -> None:
    stream = streams(opened)["DEFECTS"]
    files = [file for row in rows_of(list(opened.pull(stream, Window()))).values() for file in row["添付ファイル"]]
    assert files
    for file in files[:3]:
        blob = Blob(file["fileKey"], file["name"], file["contentType"], file["size"])
        assert len(b"".join(opened.blob(stream, blob))) == file["size"]


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
