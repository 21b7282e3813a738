"""The certificate proves itself: from the file alone, and every byte of it counts."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.evidence.book import book_from
from pipelines.evidence.certificate import NAMESPACE as TITLE
from pipelines.evidence.certificate import Title, examine, policy_of, row_of, signed_title, title_of, write_certificate
from pipelines.evidence.chain import GENESIS, ChainRow, Entry, Head, canonical, link, row_json, to_line
from pipelines.evidence.decisions import people_entry
from pipelines.evidence.facts import fact_entry
from pipelines.evidence.gate import GatePolicy
from pipelines.evidence.heads import NAMESPACE, sign_head
from pipelines.evidence.history import policy_entry
from pipelines.evidence.reasons import reason
from pipelines.evidence.signing import make_key, public_half, sign
from pipelines.evidence.standing import state_of
from pipelines.evidence.taking import Signer
from pipelines.people import Key, People, Person

from .test_chain import entries as varied
from .test_decisions import Chain
from .worlds import CONTRACT, DATE, ENDPOINT, STREAM, at, ready

INDEX = "product-support"
POLICY = GatePolicy(streams=(STREAM,))
TODAY = DATE + timedelta(days=14)


def story(folder: Path) -> Chain:
    """A chain, with people of its own, that makes an index eligible on its fifteenth morning."""
    chain = Chain(folder)
    chain.add(policy_entry(INDEX, POLICY.fingerprint(), "production", "wall", at(DATE)))
    for number in range(14):
        told = reason("seal.judged_under", policy="p", last_good_at=None)
        day = DATE + timedelta(days=number)
        seal = Entry("seal", "production", "wall", STREAM, day, finished_at=at(day), verdict="green", reasons=(told,))
        chain.add(replace(seal, contract=CONTRACT, endpoint=ENDPOINT))
    for fact in ready():
        chain.add(fact_entry(fact, "production", "wall"))
    chain.decide("week-one", "suzuki", reason("decision.week_one", contracts="sha256:all"))
    return chain


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return story(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def rows(told: Chain) -> list[ChainRow]:
    return told.rows


def signer(folder: Path, name: str, namespace: str = TITLE) -> Signer:
    return Signer(public_half(folder / name), lambda message: sign(message, folder / name, namespace))


@pytest.fixture(scope="module")
def mori(told: Chain) -> Signer:
    """One of the chain's people, who answers for certificates."""
    return signer(told.folder, "mori")


def titled(rows: list[ChainRow], **changes) -> Title:
    state = state_of(book_from(rows, "production"), INDEX, POLICY, TODAY)
    title = title_of("sakura-seiki", "production", state, POLICY, TODAY, Head(rows[-1].seq, rows[-1].hash), at(TODAY))
    return title.model_copy(update=changes)


def certificate(path: Path, rows: list[ChainRow], who: Signer | None, **changes) -> Path:
    title = titled(rows, **changes)
    write_certificate(path, signed_title(title, who) if who else title, rows)
    return path


def codes(path: Path, *anchors: Path) -> list[str]:
    return [each.code for each in examine(path, anchors).faults]


def test_a_certificate_holds_by_itself(rows: list[ChainRow], mori: Signer, tmp_path: Path):
    found = examine(certificate(tmp_path / "c.gz", rows, mori))
    assert (found.faults, found.rows) == ((), len(rows))
    assert found.state is not None and (found.state.eligibility, found.state.green_days, found.signer) == ("eligible", 14, "mori")
    assert found.history is not None and found.history.week_one == "suzuki"


def test_what_nobody_answers_for_makes_no_index_eligible_without_a_head_signed_behind_all_that_counts(
    rows: list[ChainRow], mori: Signer, tmp_path: Path
):
    path, head = certificate(tmp_path / "c.gz", rows, None), tmp_path / "head.json"
    assert codes(path) == ["certified.unsigned"]
    make_key(tmp_path / "auditor", "auditor")
    auditor = signer(tmp_path, "auditor", NAMESPACE)
    seals = [row for row in rows if row.entry.kind == "seal"]
    for row, wrong in ((seals[-1], ["certified.unsigned"]), (rows[-2], ["certified.unsigned"]), (rows[-1], [])):
        sign_head(head, "sakura-seiki", Head(row.seq, row.hash), auditor)
        assert codes(path, head) == wrong


def test_green_days_written_by_whoever_holds_the_storage_are_nobodys(told: Chain, rows: list[ChainRow], mori: Signer, tmp_path: Path):
    """All behind the last signature can be cut off and hashed anew: a roster of one's own there is no help."""
    signed_at = max(row.seq for row in rows if row.entry.signature is not None)
    forged = Chain.__new__(Chain)
    forged.folder, forged.rows = told.folder, [*rows[: signed_at - 1], rows[signed_at - 1]]
    ghost = People(people=(Person(id="ghost", roles=("business",), keys=(Key(key=told.public["stranger"]),)),))
    forged.add(people_entry(ghost, "production", "wall", at(TODAY)))
    forged.decide("week-one", "ghost", reason("decision.week_one", contracts="sha256:all"), key="stranger")
    assert codes(certificate(tmp_path / "c.gz", forged.rows, signer(told.folder, "stranger"))) == ["certified.strange_key"]
    assert codes(certificate(tmp_path / "c.gz", forged.rows, None)) == ["certified.unsigned"]


def test_whoever_is_listed_later_answers_once_somebody_known_has_signed(told: Chain, rows: list[ChainRow], tmp_path: Path):
    later = grown(told, rows)
    later.people(stranger=("technical",))
    late = signer(told.folder, "stranger")
    assert codes(certificate(tmp_path / "c.gz", later.rows, late)) == ["certified.strange_key"]
    later.decide("week-one", "suzuki", reason("decision.week_one", contracts="sha256:all"))
    found = examine(certificate(tmp_path / "c.gz", later.rows, late))
    assert (found.faults, found.signer) == ((), "stranger")


def grown(told: Chain, rows: list[ChainRow]) -> Chain:
    """The chain once more, to be written on."""
    made = Chain.__new__(Chain)
    made.folder, made.rows, made.public = told.folder, list(rows), told.public
    return made


def test_a_key_that_was_taken_away_answers_for_nothing_though_somebody_lists_it_again(
    told: Chain, rows: list[ChainRow], mori: Signer, tmp_path: Path
):
    gone = grown(told, rows)
    gone.people(mori=())
    assert codes(certificate(tmp_path / "c.gz", gone.rows, mori)) == ["certified.strange_key"]
    gone.people()
    assert codes(certificate(tmp_path / "c.gz", gone.rows, mori)) == ["certified.strange_key"]
    gone.decide("week-one", "suzuki", reason("decision.week_one", contracts="sha256:all"))
    assert examine(certificate(tmp_path / "c.gz", gone.rows, mori)).signer == "mori", "a colleague has signed behind it"


def test_a_key_that_stood_there_once_in_secret_is_vouched_for_by_nobody_later(told: Chain, rows: list[ChainRow], tmp_path: Path):
    planted = grown(told, rows)
    planted.people(stranger=("technical",))
    planted.people()
    planted.decide("week-one", "suzuki", reason("decision.week_one", contracts="sha256:all"))
    planted.people(stranger=("technical",))
    assert codes(certificate(tmp_path / "c.gz", planted.rows, signer(told.folder, "stranger"))) == ["certified.strange_key"]


def test_nobody_answers_under_anothers_name_or_as_a_reader(told: Chain, rows: list[ChainRow], mori: Signer, tmp_path: Path):
    renamed = grown(told, rows)
    under = People(people=(Person(id="suzuki", roles=("approver",), keys=(Key(key=told.public["mori"]),)),))
    renamed.add(people_entry(under, "production", "wall", at(TODAY)))
    assert examine(certificate(tmp_path / "c.gz", renamed.rows, mori)).signer == "mori"
    reader = grown(told, rows)
    reader.people(mori=("reader",))
    reader.decide("week-one", "suzuki", reason("decision.week_one", contracts="sha256:all"))
    assert codes(certificate(tmp_path / "c.gz", reader.rows, mori)) == ["certified.strange_key"]


@pytest.mark.parametrize("part", [{"project": "another-house"}, {"made_at": at(DATE)}, {"today": TODAY - timedelta(days=1)}], ids=str)
def test_no_word_of_the_first_line_can_be_changed(rows: list[ChainRow], mori: Signer, tmp_path: Path, part: dict):
    title = signed_title(titled(rows), mori).model_copy(update=part)
    write_certificate(tmp_path / "c.gz", title, rows)
    assert "certified.bad_signature" in codes(tmp_path / "c.gz")


def test_a_claim_the_rows_do_not_bear_out_is_found(rows: list[ChainRow], mori: Signer, tmp_path: Path):
    found = examine(certificate(tmp_path / "c.gz", rows, mori, green_days=30))
    assert [each.code for each in found.faults] == ["certified.other_answer"]


def test_a_row_that_was_touched_is_named(rows: list[ChainRow], mori: Signer, tmp_path: Path):
    bent = [*rows[:5], replace(rows[5], entry=replace(rows[5].entry, verdict="green", actor="nobody")), *rows[6:]]
    path = tmp_path / "c.gz"
    write_certificate(path, titled(rows), bent)
    (fault,) = examine(path).faults
    assert (fault.code, fault.params["seq"]) == ("certified.broken_chain", 6)


def test_rows_left_out_at_the_end_are_found(rows: list[ChainRow], mori: Signer, tmp_path: Path):
    path = tmp_path / "c.gz"
    write_certificate(path, titled(rows), rows[:-1])
    assert [each.code for each in examine(path).faults] == ["certified.other_head"]


def test_a_laxer_policy_than_the_pinned_one_is_not_eligible(rows: list[ChainRow], mori: Signer, tmp_path: Path):
    lax = replace(POLICY, green_days=3)
    found = examine(certificate(tmp_path / "c.gz", rows, mori, policy=lax.terms(), required_days=3))
    assert found.state is not None and found.state.eligibility == "ineligible" and found.faults


def test_a_chain_made_up_anew_without_the_peoples_keys_is_not_eligible(rows: list[ChainRow], mori: Signer, tmp_path: Path):
    """Everything may be rewritten and hashed again, but for the signature over what its signer saw."""
    forged = list(link([replace(row.entry, code_version="forged") if row.entry.kind == "seal" else row.entry for row in rows], GENESIS))
    found = examine(certificate(tmp_path / "c.gz", forged, mori, eligibility="eligible"))
    assert [each.code for each in found.faults] == ["certified.other_answer", "certified.bad_row"]
    assert found.state is not None and found.state.eligibility == "ineligible"


def test_a_chain_made_up_with_people_of_its_own_holds_by_itself_and_not_against_a_signed_head(
    rows: list[ChainRow], mori: Signer, tmp_path: Path
):
    """The file can't say who its people are: only a head that came another way can."""
    strangers, head = story(tmp_path / "made-up"), tmp_path / "head.json"
    made_up, theirs = strangers.rows, signer(strangers.folder, "mori")
    make_key(tmp_path / "auditor", "auditor")
    auditor = signer(tmp_path, "auditor", NAMESPACE)
    sign_head(head, "sakura-seiki", Head(rows[-2].seq, rows[-2].hash), auditor)
    true, false = certificate(tmp_path / "true.gz", rows, mori), certificate(tmp_path / "false.gz", made_up, theirs)
    assert examine(true, [head]).faults == examine(false).faults == ()
    assert [each.code for each in examine(false, [head]).faults] == ["certified.not_anchored"]
    sign_head(head, "another-house", Head(rows[-2].seq, rows[-2].hash), auditor)
    with pytest.raises(AnswerIsNo, match="head"):
        examine(true, [head])


def test_a_row_that_hashes_well_and_is_no_row_is_a_fault(rows: list[ChainRow], mori: Signer, tmp_path: Path):
    path = certificate(tmp_path / "c.gz", rows, mori)
    title, first, *_ = gzip.decompress(path.read_bytes()).splitlines()
    told = {name: value for name, value in json.loads(first).items() if name not in ("hash", "checks")}
    own = hashlib.sha256(canonical(told)).hexdigest()
    path.write_bytes(gzip.compress(b"\n".join([title, canonical({**told, "hash": own})])))
    (fault,) = examine(path).faults
    assert (fault.code, fault.params["seq"]) == ("certified.broken_chain", 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_of_it_is_free(rows: list[ChainRow], mori: Signer, tmp_path: Path, data: st.DataObject):
    whole = gzip.decompress(certificate(tmp_path / "c.gz", rows, mori).read_bytes())
    at_ = data.draw(st.integers(0, len(whole) - 2))
    bent = whole[:at_] + bytes([whole[at_] ^ data.draw(st.sampled_from([1, 2, 4, 32]))]) + whole[at_ + 1 :]
    (tmp_path / "bent.gz").write_bytes(gzip.compress(bent, 1, mtime=0))
    try:
        assert examine(tmp_path / "bent.gz").faults
    except AnswerIsNo:
        assert at_ < whole.index(b"\n"), "a first line that is no title any more"


NO_CERTIFICATES = {
    "no title": gzip.compress(b"{}\n"),
    "an empty one": gzip.compress(b""),
    "no text": gzip.compress(b"\xff\xfe"),
}
#: What cannot even be unpacked.
CUT_OFF = {
    "nothing": b"",
    "no gzip": b"no gzip",
    "cut off": gzip.compress(b"\xff\xfe")[:-4],
    "cut off early": gzip.compress(b"{}\n")[:6],
    "damaged within": gzip.compress(b"{}\n" * 9)[:10] + b"\xff" * 9,
}


@pytest.mark.parametrize("content", NO_CERTIFICATES.values(), ids=NO_CERTIFICATES)
def test_what_is_no_certificate_is_a_sentence(tmp_path: Path, content: bytes):
    (tmp_path / "c.gz").write_bytes(content)
    with pytest.raises(AnswerIsNo, match="no certificate"):
        examine(tmp_path / "c.gz")


@pytest.mark.parametrize("content", CUT_OFF.values(), ids=CUT_OFF)
def test_what_cannot_be_unpacked_is_not_disproved(tmp_path: Path, content: bytes):
    (tmp_path / "c.gz").write_bytes(content)
    with pytest.raises(FixConfiguration, match="cannot be unpacked"):
        examine(tmp_path / "c.gz")


def test_a_row_comes_back_out_of_its_line():
    for row in link(varied(12), GENESIS):
        assert row_of(json.loads(to_line(row))) == row and row_json(row_of(json.loads(to_line(row)))) == row_json(row)


def test_a_policy_comes_back_out_of_its_terms_and_one_of_another_version_does_not():
    assert policy_of(POLICY.terms()) == POLICY
    assert policy_of({**POLICY.terms(), "luck": 1}) is None
    assert policy_of({"green_days": 14}) is None
    assert policy_of({**POLICY.terms(), "timezone": "Asia.Tokyo"}) is None
