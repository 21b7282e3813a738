"""Proposals: complete, true to what the source declares, and readable as contracts by the reader that will hold them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.errors import FixConfiguration
from connectors.protocol import LiveField, Offer
from expectations.contract import Contract
from expectations.drift import compare
from expectations.reading import read_contract
from pipelines.reports.contract_yaml import contract_text
from pipelines.reports.glossary import Glossary, GlossaryFile
from pipelines.reports.propose import Proposal, propose, stream_of

from . import sources

GLOSSARY = Glossary(GlossaryFile(terms={"受注番号": "order_no", "明細": "lines", "製品コード": "item_code", "数量": "quantity"}))


def read_back(proposal: Proposal, folder: Path, notes: tuple[str, ...] = ()) -> Contract:
    path = folder / "proposed.yaml"
    path.write_text(contract_text(proposal.contract, proposal.questions, notes), encoding="utf-8")
    return read_contract(path)


@pytest.mark.parametrize(
    ("kind", "offer"), [("kintone", sources.orders()), ("kintone", sources.defects()), ("sharepoint", sources.library())]
)
def test_every_proposal_reads_back_as_the_contract_it_is(tmp_path: Path, kind: str, offer: Offer) -> None:
    proposal = propose(f"{kind}/{offer.name}", kind, offer, GLOSSARY)
    assert read_back(proposal, tmp_path, ("a note: with a colon # and a hash",)) == proposal.contract


@pytest.mark.parametrize(
    ("kind", "offer"), [("kintone", sources.orders()), ("kintone", sources.defects()), ("sharepoint", sources.library())]
)
def test_a_fresh_proposal_has_no_drift_against_what_it_was_made_from(kind: str, offer: Offer) -> None:
    contract = propose(f"{kind}/{offer.name}", kind, offer, GLOSSARY).contract
    assert compare(contract, offer.schema).changes == ()


def test_columns_are_named_by_dictionary_then_by_what_they_are_then_by_their_own_japanese() -> None:
    contract = propose("kintone/orders", "kintone", sources.orders(), GLOSSARY).contract
    assert [one.name for one in contract.fields] == ["record_id", "created_by", "updated_at", "order_no", "金額_税込", "受注区分", "lines"]
    assert [one.name for one in contract.fields[-1].fields] == ["row_id", "item_code", "quantity"]
    assert contract.key == ("record_id",)
    assert contract.source == {"app_code": "ORDERS", "app_id": 42, "fingerprint": sources.FINGERPRINT, "revision": 117}


@pytest.mark.parametrize(
    ("kind", "lookback", "deletes"),
    [("kintone", "PT5M", "count-then-bisect"), ("soap", "P1D", "count-then-keys"), ("sharepoint", "PT5M", "feed")],
)
def test_how_far_back_a_pull_reads_and_how_it_learns_of_deletions_follow_the_kind_of_system(kind: str, lookback: str, deletes: str) -> None:
    cursor = propose(f"{kind}/orders", kind, sources.orders(), GLOSSARY).contract.cursor
    assert cursor is not None
    assert (cursor.field, cursor.lookback, cursor.deletes) == ("updated_at", lookback, deletes)


def test_choices_declared_by_the_source_become_a_rule_that_warns() -> None:
    rules = {rule.column: rule for rule in propose("kintone/orders", "kintone", sources.orders(), GLOSSARY).contract.expectations}
    assert rules["受注区分"].expect == "expect_column_values_to_be_in_set"
    assert rules["受注区分"].severity == "warning"
    assert rules["受注区分"].arguments()["value_set"] == ["標準", "特注: A, B", "#予備品"]
    assert rules["updated_at"].expect == "expect_column_values_to_not_be_null"
    assert rules[None].arguments() == {"min_value": 1}


def test_a_choice_where_people_may_type_anything_is_held_to_no_set() -> None:
    open_choice = sources.field("区分", vendor="choice", choices=("甲", "乙"), open=True)
    contract = propose(
        "sharepoint/x", "sharepoint", sources.offer("x", "x", (open_choice,), key=("区分",), cursor=None, rows=0), GLOSSARY
    ).contract
    assert [rule.expect for rule in contract.expectations] == ["expect_column_values_to_not_be_null"]


@pytest.mark.parametrize(
    ("pattern", "regex"),
    [
        (("[0-9]{3}-[0-9]{4}",), "^(?:[0-9]{3}-[0-9]{4})$"),
        ("[A-Z]{3}", "^(?:[A-Z]{3})$"),
        (("a", "b"), None),
        (r"\i\c*", None),
        ("[a-z-[aeiou]]", None),
    ],
)
def test_a_declared_format_becomes_a_rule_only_where_it_means_the_same_in_ours(pattern: str | tuple[str, ...], regex: str | None) -> None:
    offer = sources.offer("x", "x", (sources.field("code", required=True, pattern=pattern),), key=("code",), cursor=None, rows=0)
    rules = propose("erp/x", "soap", offer, GLOSSARY).contract.expectations
    assert [rule.arguments()["regex"] for rule in rules] == ([regex] if regex else [])


def test_an_app_with_attachments_is_a_document_with_files() -> None:
    contract = propose("kintone/defects", "kintone", sources.defects(), GLOSSARY).contract
    assert contract.document is not None
    assert contract.document.title == "件名"
    assert (contract.document.body, contract.document.html, contract.document.files) == (("現象", "回答"), ("回答",), True)
    assert contract.content is not None
    assert (contract.content.kind, contract.content.ref) == ("list", "添付ファイル")
    attached = next(one for one in contract.fields if one.name == "添付ファイル")
    assert [(one.name, one.source) for one in attached.fields] == [
        ("ref", "fileKey"),
        ("name", "name"),
        ("media_type", "contentType"),
        ("size", "size"),
    ]


def test_a_library_is_a_stream_of_files() -> None:
    contract = propose("sharepoint/manuals", "sharepoint", sources.library(), GLOSSARY).contract
    assert contract.content is not None
    assert (contract.content.kind, contract.content.ref) == ("file", "item_id")
    assert contract.document is not None
    assert (contract.document.title, contract.document.url, contract.document.files) == ("name", "web_url", True)


def test_orders_are_not_taken_for_documents() -> None:
    contract = propose("kintone/orders", "kintone", sources.orders(), GLOSSARY).contract
    assert contract.document is None
    assert contract.content is None


def test_what_only_a_person_can_know_is_asked_for_in_the_file_itself() -> None:
    proposal = propose("kintone/orders", "kintone", sources.orders(), Glossary())
    text = contract_text(proposal.contract, proposal.questions)
    assert "business: ''  # owner?" in text
    assert "# Columns that keep their Japanese names: 4" in text
    assert {question.code for question in proposal.questions} == {"map.no_owner", "map.no_description", "map.not_in_glossary"}


def test_an_offer_without_a_key_gets_a_stand_in_and_a_question() -> None:
    proposal = propose("erp/orders", "soap", replace(sources.orders(), key=()), GLOSSARY)
    assert proposal.contract.key == ("order_no",)
    assert "map.no_key" in {question.code for question in proposal.questions}


def test_an_app_without_a_code_is_asked_for_one() -> None:
    proposal = propose("kintone/orders", "kintone", replace(sources.orders(), source={"app_id": 42}), GLOSSARY)
    assert "map.no_code" in {question.code for question in proposal.questions}


def test_a_field_whose_type_no_contract_can_state_is_excluded_and_named(tmp_path: Path) -> None:
    odd = LiveField("時刻", "時刻", pa.time64("us"), "time")
    offer = sources.orders()
    offer = replace(offer, schema=replace(offer.schema, fields=(*offer.schema.fields, odd)))
    proposal = propose("kintone/orders", "kintone", offer, GLOSSARY)
    contract = read_back(proposal, tmp_path)
    assert contract.exclude == ("時刻",)
    assert compare(contract, offer.schema).changes == ()
    assert any(question.code == "map.type_not_possible" for question in proposal.questions)


def test_an_offer_of_which_nothing_can_be_stated_is_refused() -> None:
    offer = sources.offer("x", "x", (LiveField("時刻", "時刻", pa.time64("us"), "time"),))
    with pytest.raises(FixConfiguration, match="no field"):
        propose("kintone/x", "kintone", offer, GLOSSARY)


def test_two_offers_of_one_name_become_two_streams() -> None:
    taken = {"kintone/orders"}
    assert stream_of("kintone", sources.orders(), Glossary(), taken) == "kintone/orders-2"
    assert stream_of("kintone", sources.orders(), Glossary(GlossaryFile(streams={"受注": "sales"})), taken) == "kintone/sales"


#: What people can type into a settings page; control characters cannot stand in YAML at all.
TYPED = st.characters(exclude_categories=["Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"])
FIELDS = st.lists(
    st.builds(
        lambda source, label, kind, required: LiveField(source, label, kind, "SINGLE_LINE_TEXT", required),
        st.text(TYPED, min_size=1),
        st.text(TYPED),
        st.sampled_from(
            [pa.string(), pa.int64(), pa.decimal128(16, 4), sources.INSTANT, sources.PERSON, pa.list_(pa.string()), pa.bool_()]
        ),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one.source,
)


@example([sources.field("code", label="?0")], "- 受注", "note")
@example([sources.field("\xa0", label="")], "", "")
@given(FIELDS, st.text(TYPED), st.text(TYPED))
def test_whatever_an_offer_is_called_its_proposal_reads_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, fields: list[LiveField], title: str, note: str
) -> None:
    offer = sources.offer("x", title, tuple(fields), key=(fields[0].source,), cursor=None)
    proposal = propose("kintone/x", "kintone", offer, GLOSSARY)
    assert read_back(proposal, tmp_path_factory.mktemp("p"), (note,)) == proposal.contract
