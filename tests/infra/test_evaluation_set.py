"""The example project's evaluation set, held against the sandbox as it is founded: its rows, its people, and who may read what."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.sandbox.clock import SandboxClock
from infra.sandbox.company import trade
from infra.sandbox.company.people import PEOPLE, person
from infra.sandbox.erp.kikan import roles
from infra.sandbox.kintone.access import Rights
from infra.sandbox.kintone.base import populate
from infra.sandbox.kintone.directory import caller_of
from infra.sandbox.sharepoint import effective, founding
from infra.sandbox.sharepoint.content.document import Document
from infra.sandbox.sharepoint.content.shelf import Shelf, Stored
from pipelines.project import load

PROJECT = Path(__file__).parents[2] / "infra" / "project"
KEYS = ("id", "question", "lang", "as", "kind", "expect", "slices", "answer", "note")
SLICES = ("cross", "table", "low-overlap", "narrow")
ORIGIN = datetime(2026, 12, 25, tzinfo=UTC)
LIBRARIES = {
    "製品マニュアル": "sharepoint/manuals",
    "品質規程": "sharepoint/quality-rules",
    "規程と通知": "sharepoint/hr-notices",
}
PAGES = {founding.QUALITY: "sharepoint/quality-pages", founding.HR: "sharepoint/hr-pages"}

Readers = dict[str, frozenset[str]]


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    spec = load(PROJECT).index("product-support").evaluation
    assert spec is not None
    return [json.loads(line) for line in (PROJECT / spec.questions).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Readers:
    """For each row of the index's streams, ``<stream>#<key>``, the logins that the sandbox's own rules let read it."""
    return {**_kintone(), **_erp(), **_sharepoint(tmp_path_factory.mktemp("shelf"))}


def test_each_line_says_the_same_things_in_the_same_order(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert tuple(key for key in line if key != "forbidden") == KEYS, line["id"]
        assert ("forbidden" in line) == (line["kind"] == "forbidden"), line["id"]
        assert line["question"].strip() and line["answer"].strip(), line["id"]
        assert line["lang"] in ("ja", "en") and line["slices"][0] == line["lang"], line["id"]
        assert set(line["slices"][1:]) <= set(SLICES) and len(set(line["slices"])) == len(line["slices"]), line["id"]


def test_there_are_450_different_questions_numbered_from_one(lines: list[dict[str, Any]]) -> None:
    assert [line["id"] for line in lines] == [f"ps-{number:04d}" for number in range(1, 451)]
    assert len({line["question"].casefold() for line in lines}) == 450


def test_every_kind_slice_and_stream_is_asked_for_in_both_parts(lines: list[dict[str, Any]]) -> None:
    by_hash = sorted(lines, key=lambda line: hashlib.sha256(line["id"].encode()).hexdigest())
    for part in (by_hash[:150], by_hash[150:]):
        kinds = Counter(line["kind"] for line in part)
        slices = Counter(name for line in part if line["kind"] == "answerable" for name in line["slices"])
        streams = {row.split("#")[0] for line in part for row in line["expect"]}
        assert min(kinds[kind] for kind in ("answerable", "unanswerable", "forbidden")) >= 5, kinds
        assert min(slices[name] for name in ("ja", "en", *SLICES)) >= 10, slices
        # Comments joined the index after the questions were written; they stand beside the records that are asked for.
        assert streams == set(load(PROJECT).index("product-support").streams) - {"kintone/defect-comments"}


def test_only_an_answerable_question_expects_rows(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert bool(line["expect"]) == (line["kind"] == "answerable"), line["id"]
        assert line.get("forbidden", True), line["id"]


def test_the_people_who_ask_work_at_the_company_and_are_many(lines: list[dict[str, Any]]) -> None:
    asking = {line["as"] for line in lines}
    assert asking <= {one.mail for one in PEOPLE}
    assert len(asking) >= 12


def test_every_row_named_is_there(lines: list[dict[str, Any]], readers: Readers) -> None:
    named = {(line["id"], row) for line in lines for row in (*line["expect"], *line.get("forbidden", ()))}
    assert {(number, row) for number, row in named if row not in readers} == set()


def test_who_asks_may_read_what_is_expected_and_nothing_that_is_forbidden(lines: list[dict[str, Any]], readers: Readers) -> None:
    hidden = {(line["id"], row) for line in lines for row in line["expect"] if line["as"] not in readers[row]}
    shown = {(line["id"], row) for line in lines for row in line.get("forbidden", ()) if line["as"] in readers[row]}
    assert (hidden, shown) == (set(), set())


def test_a_narrow_asker_reads_less_than_half_of_sharepoint(lines: list[dict[str, Any]], readers: Readers) -> None:
    documents = [logins for row, logins in readers.items() if row.startswith("sharepoint/")]
    narrow = {one.mail for one in PEOPLE if 2 * sum(one.login in logins for logins in documents) < len(documents)}
    assert narrow
    assert {line["id"] for line in lines if ("narrow" in line["slices"]) != (line["as"] in narrow)} == set()


def _kintone() -> Readers:
    clock = SandboxClock(ORIGIN)
    apps, _, _ = populate(clock, trade.DEFAULT_SEED)
    streams = {"FAQ": "kintone/faq", "DEFECTS": "kintone/defects"}
    found: Readers = {}
    for app in apps:
        if app.code in streams:
            rights = {one.login: Rights(app, caller_of(one), clock.now()) for one in PEOPLE}
            assert isinstance(app.records, dict)
            for number, record in app.records.items():
                logins = frozenset(login for login, right in rights.items() if right.of(record).viewable)
                found[f"{streams[app.code]}#{number}"] = logins
    return found


def _erp() -> Readers:
    staff = frozenset(row["Login"] for row in roles.entries() if row["Entity"] == "items")
    return {f"erp/items#{item.code}": staff for item in trade.items()}


def _sharepoint(folder: Path) -> Readers:
    """The founding world. Its files are not rendered: who may read them hangs on their place, not on their bytes."""
    with pytest.MonkeyPatch.context() as patch:
        unrendered: Callable[[Shelf, Document], Stored] = lambda _, document: Stored(folder / document.key, 1, "")  # noqa: E731
        patch.setattr(Shelf, "_one", unrendered)
        world = founding.found(ORIGIN, trade.DEFAULT_SEED, folder)
    found: Readers = {}
    for listing in world.listings():
        for entry in listing.living():
            stream = LIBRARIES.get(listing.title) if entry.kind == "file" else PAGES[listing.site.key] if entry.kind == "page" else None
            if stream:
                key = entry.guid if entry.kind == "page" else entry.id
                logins = frozenset(one.login for one in PEOPLE if effective.may_read(world, person(one.login).login, listing, entry))
                found[f"{stream}#{key}"] = logins
    return found
