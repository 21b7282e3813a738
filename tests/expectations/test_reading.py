"""A contract edited into nonsense is answered with the line and column of the mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import FixConfiguration
from expectations.reading import parse_contract, read_contract

TEXT = """\
stream: kintone/orders
version: 1
source: {app_code: ORDERS}
key: [id]
cursor: {field: updated_at}
fields:
  - {name: id, source: $id, type: int64}
  # what was ordered
  - name: amount
    source: 金額
    type: decimal128(16, 4)
  - name: updated_at
    source: 更新日時
    type: timestamp[us, UTC]
expectations:
  - {expect: expect_column_values_to_not_be_null, column: amount}
drift: {added: report}
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "place"),
    [
        ("source: 金額", "sorce: 金額", 10, 5, "sorce"),
        ("type: decimal128(16, 4)", "type: money", 11, 5, "fields.1 (amount)"),
        ("version: 1", "version: one", 2, 1, "version"),
        ("key: [id]", "key: [idd]", 4, 7, "idd"),
        ("field: updated_at", "field: changed_at", 5, 10, "changed_at"),
        ("column: amount", "column: amonut", 16, 51, "amonut"),
        ("added: report", "added: quarantine", 17, 9, "drift.added"),
        ("added: report", "retyped: evolve", 17, 9, "drift.retyped"),
        ("    source: 金額\n", "", 9, 5, "fields.1.source"),
        ("name: updated_at", "name: amount", 6, 1, "fields"),
        ("name: updated_at", "name: Amount", 6, 1, "fields"),
        ("name: amount", "name: _key", 6, 1, "fields"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_column(old: str, new: str, line: int, column: int, place: str) -> None:
    with pytest.raises(FixConfiguration) as error:
        parse_contract(TEXT.replace(old, new, 1), Path("orders.yaml"))
    for said in (error.value.say("en"), error.value.say("ja")):
        assert f"orders.yaml:{line}:{column}" in said and place in said


def test_a_date_that_is_none_is_a_mistake_of_its_file_alone() -> None:
    with pytest.raises(FixConfiguration) as error:
        parse_contract(TEXT + "title: 2026-13-01\n", Path("orders.yaml"))
    assert error.value.code == "contract.not_yaml" and "orders.yaml" in error.value.say("en")


def test_what_is_no_yaml_is_named_with_the_line_that_the_parser_stumbled_over() -> None:
    with pytest.raises(FixConfiguration) as error:
        parse_contract(TEXT.replace("key: [id]", "key: [id"), Path("orders.yaml"))
    assert error.value.code == "contract.not_yaml" and "line 5" in error.value.say("en")


def test_a_contract_that_is_right_is_read() -> None:
    assert parse_contract(TEXT, Path("orders.yaml")).key == ("id",)


def test_a_contract_in_another_encoding_is_named_and_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    path.write_bytes(TEXT.encode("shift_jis"))
    with pytest.raises(FixConfiguration) as error:
        read_contract(path)
    assert error.value.code == "contract.unreadable" and str(path) in error.value.say("ja")
