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
from pipelines.evidence.certificate import Title, examine, policy_of, row_of, title_of, write_certificate
from pipelines.evidence.chain import GENESIS, ChainRow, Entry, Head, canonical, link, row_json, to_line
from pipelines.evidence.facts import fact_entry
from pipelines.evidence.gate import GatePolicy
from pipelines.evidence.heads import NAMESPACE, sign_head
from pipelines.evidence.history import policy_entry
from pipelines.evidence.reasons import reason
from pipelines.evidence.signing import make_key, public_half, sign
from pipelines.evidence.standing import state_of
from pipelines.evidence.taking import Signer

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
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[ChainRow]:
    return story(tmp_path_factory.mktemp("people")).rows


def titled(rows: list[ChainRow], **changes) -> Title:
    state = state_of(book_from(rows, "production"), INDEX, POLICY, TODAY)
    title = title_of("sakura-seiki", "production", state, POLICY, TODAY, Head(rows[-1].seq, rows[-1].hash), at(TODAY))
    return title.model_copy(update=changes)


def certificate(path: Path, rows: list[ChainRow], **changes) -> Path:
    write_certificate(path, titled(rows, **changes), rows)
    return path


def test_a_certificate_holds_by_itself(rows: list[ChainRow], tmp_path: Path):
    found = examine(certificate(tmp_path / "c.gz", rows))
    assert (found.faults, found.rows) == ((), len(rows))
    assert found.state is not None and (found.state.eligibility, found.state.green_days) == ("eligible", 14)
    assert found.history is not None and found.history.week_one == "suzuki"


def test_a_claim_the_rows_do_not_bear_out_is_found(rows: list[ChainRow], tmp_path: Path):
    found = examine(certificate(tmp_path / "c.gz", rows, green_days=30))
    assert [each.code for each in found.faults] == ["certified.other_answer"]


def test_a_row_that_was_touched_is_named(rows: list[ChainRow], tmp_path: Path):
    bent = [*rows[:5], replace(rows[5], entry=replace(rows[5].entry, verdict="green", actor="nobody")), *rows[6:]]
    path = tmp_path / "c.gz"
    write_certificate(path, titled(rows), bent)
    (fault,) = examine(path).faults
    assert (fault.code, fault.params["seq"]) == ("certified.broken_chain", 6)


def test_rows_left_out_at_the_end_are_found(rows: list[ChainRow], tmp_path: Path):
    path = tmp_path / "c.gz"
    write_certificate(path, titled(rows), rows[:-1])
    assert [each.code for each in examine(path).faults] == ["certified.other_head"]


def test_a_laxer_policy_than_the_pinned_one_is_not_eligible(rows: list[ChainRow], tmp_path: Path):
    lax = replace(POLICY, green_days=3)
    found = examine(certificate(tmp_path / "c.gz", rows, policy=lax.terms(), required_days=3))
    assert found.state is not None and found.state.eligibility == "ineligible" and found.faults


def test_a_chain_made_up_anew_without_the_peoples_keys_is_not_eligible(rows: list[ChainRow], tmp_path: Path):
    """Everything may be rewritten and hashed again, but for the signature over what its signer saw."""
    forged = list(link([replace(row.entry, code_version="forged") if row.entry.kind == "seal" else row.entry for row in rows], GENESIS))
    found = examine(certificate(tmp_path / "c.gz", forged, eligibility="eligible"))
    assert [each.code for each in found.faults] == ["certified.other_answer", "certified.bad_row"]
    assert found.state is not None and found.state.eligibility == "ineligible"


def test_a_chain_made_up_with_people_of_its_own_holds_by_itself_and_not_against_a_signed_head(rows: list[ChainRow], tmp_path: Path):
    """The file can't say who its people are: only a head that came another way can."""
    made_up, head = story(tmp_path / "made-up").rows, tmp_path / "head.json"
    make_key(tmp_path / "auditor", "auditor")
    signer = Signer(public_half(tmp_path / "auditor"), lambda message: sign(message, tmp_path / "auditor", NAMESPACE))
    sign_head(head, "sakura-seiki", Head(rows[-2].seq, rows[-2].hash), signer)
    true, false = certificate(tmp_path / "true.gz", rows), certificate(tmp_path / "false.gz", made_up)
    assert examine(true, [head]).faults == examine(false).faults == ()
    assert [each.code for each in examine(false, [head]).faults] == ["certified.not_anchored"]
    sign_head(head, "another-house", Head(rows[-2].seq, rows[-2].hash), signer)
    with pytest.raises(AnswerIsNo, match="head"):
        examine(true, [head])


def test_a_row_that_hashes_well_and_is_no_row_is_a_fault(rows: list[ChainRow], tmp_path: Path):
    path = certificate(tmp_path / "c.gz", rows)
    title, first, *_ = gzip.decompress(path.read_bytes()).splitlines()
    told = {name: value for name, value in json.loads(first).items() if name not in ("hash", "checks")}
    own = hashlib.sha256(canonical(told)).hexdigest()
    path.write_bytes(gzip.compress(b"\n".join([title, canonical({**told, "hash": own})])))
    (fault,) = examine(path).faults
    assert (fault.code, fault.params["seq"]) == ("certified.broken_chain", 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_of_it_is_free(rows: list[ChainRow], tmp_path: Path, data: st.DataObject):
    whole = gzip.decompress(certificate(tmp_path / "c.gz", rows).read_bytes())
    title_ends = whole.index(b"\n")
    at_ = data.draw(st.integers(title_ends + 1, len(whole) - 2))
    bent = whole[:at_] + bytes([whole[at_] ^ data.draw(st.sampled_from([1, 2, 4, 32]))]) + whole[at_ + 1 :]
    (tmp_path / "bent.gz").write_bytes(gzip.compress(bent, 1, mtime=0))
    assert examine(tmp_path / "bent.gz").faults


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
