"""people.yaml: who may sign, read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import FixConfiguration
from pipelines.evidence.signing import make_key
from pipelines.people import key_files, public_key, read_people


def people(folder: Path, text: str):
    (folder / "people.yaml").write_text(text, encoding="utf-8")
    return read_people(folder)


def test_a_project_without_the_file_has_nobody_who_may_sign(tmp_path: Path):
    assert read_people(tmp_path).people == ()


def test_a_person_is_found_by_id_mail_and_key(tmp_path: Path):
    key = make_key(tmp_path / "akari", "akari@laptop")
    found = people(
        tmp_path, f"people: [{{id: akari.mori, mail: Akari.Mori@sakura-seiki.example, roles: [approver], keys: ['{key} laptop']}}]"
    )
    (akari,) = found.people
    assert found.who("akari.mori@sakura-seiki.example") == found.who("akari.mori") == found.holder(key) == akari
    assert found.who("somebody") is None


def test_no_name_is_nobody_though_somebody_has_no_mail(tmp_path: Path):
    assert people(tmp_path, "people: [{id: akari.mori, roles: [approver]}]").who(" ") is None


def test_a_key_may_lie_in_a_file_that_is_yet_to_be_made(tmp_path: Path):
    text = "people: [{id: akari.mori, roles: [approver], keys: [{file: keys/akari.pub}]}]"
    assert people(tmp_path, text).people[0].keys == ()
    key = make_key(tmp_path / "keys" / "akari", "akari")
    assert [each.key for each in read_people(tmp_path).people[0].keys] == [key]
    assert key_files(tmp_path) == {"akari.mori": tmp_path / "keys" / "akari.pub"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("people: [{id: a, roles: [boss]}]", "people.0.roles.0"),
        ("people: [{id: a, keys: ['ssh-rsa AAAA']}]", "ssh-ed25519"),
        ("people: [{id: a, keys: ['ssh-ed25519 AAAA']}]", "ssh-ed25519"),
        ("people: [{id: a}, {id: A}]", "share"),
        ("people: [{id: a, mail: x@y.example}, {id: b, mail: X@Y.example}]", "share"),
        ("persons: []", "persons"),
        ("people: [", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, says: str):
    with pytest.raises(FixConfiguration, match=says):
        people(tmp_path, text)


@pytest.mark.parametrize(
    "text", ["people: [", "- a list", "", "people: 3", "people: [{id: a, keys: [{file: a.pub, expires: 2026-13-45}]}]"]
)
def test_a_file_that_cannot_be_read_is_a_sentence_for_all_who_read_it(tmp_path: Path, text: str):
    (tmp_path / "people.yaml").write_text(text, encoding="utf-8")
    for read in (read_people, key_files):
        with pytest.raises(FixConfiguration, match=r"people\.yaml"):
            read(tmp_path)


def test_one_key_is_one_persons(tmp_path: Path):
    key = make_key(tmp_path / "k", "k")
    with pytest.raises(FixConfiguration, match="share"):
        people(tmp_path, f"people: [{{id: a, keys: ['{key}']}}, {{id: b, keys: ['{key} other comment']}}]")


def test_a_comment_is_no_part_of_a_key(tmp_path: Path):
    key = make_key(tmp_path / "k", "k")
    assert public_key(f"{key} me@laptop\n") == key
