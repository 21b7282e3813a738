"""Copies fall into one group by their own words; what differs in a figure or a "not" does not, and nobody's text is hidden by another's."""

from __future__ import annotations

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from pipelines.index.blocks import Block
from pipelines.index.chunks import chunks
from pipelines.index.documents import Document
from pipelines.index.duplicates import codes, group_of

from .world import EVERYONE, QUALITY

RULE = (
    "主軸の温度が上がったときは、運転を止めてから冷却水の弁を閉じ、カバーを外して点検してください。"
    "点検が終わったら、責任者に報告し、記録簿に残します。再開は責任者の承認が必要です。"
    "夜間に停止した場合は、翌朝の点検まで電源を入れずに待ちます。連絡先は掲示板に貼ってあります。"
    "冷却水は月初めに入れ替え、弁の動きを確かめ、漏れがあれば部品を取り寄せて交換します。"
    "工具の摩耗は目で見て確かめ、欠けたものは棚の赤い箱に入れ、新しいものを受け取ってから取り付けます。"
)


def group(text: str, title: str = "点検") -> str:
    return group_of(title, (), text)


def test_a_copy_with_other_spaces_widths_and_stops_is_in_the_same_group() -> None:
    assert group(RULE) == group(RULE.replace("。", "．\n").replace("カバー", "ｶﾊﾞｰ"))


def test_a_letter_mended_in_a_long_text_mostly_keeps_the_group() -> None:
    kept = sum(group(RULE[:at] + "誤" + RULE[at + 1 :]) == group(RULE) for at in range(len(RULE)))
    assert kept > len(RULE) / 2


def test_texts_of_one_template_with_half_their_words_of_their_own_are_hardly_ever_in_one_group() -> None:
    random_ = random.Random(7)
    letters = [chr(code) for code in range(0x3041, 0x3094)]
    made = {group(RULE[:110] + "".join(random_.choices(letters, k=110))) for _ in range(400)}
    assert len(made) > 390


def test_what_differs_in_a_figure_a_code_or_a_not_is_two_things() -> None:
    told = "エラー E-101 が出たら、" + RULE
    others = [told.replace("E-101", "E-102"), told.replace("必要です", "不要です"), told.replace("入れずに", "入れて")]
    assert len({group(text) for text in (told, *others)}) == 4


def test_the_same_words_in_the_manual_of_another_machine_are_two_things_and_in_a_copied_file_one() -> None:
    first, other, copied = (group(RULE, title) for title in ("SX-200 手順.docx", "SX-300 手順.docx", "SX-200 手順 (1).docx"))
    assert first == copied != other


def test_two_records_with_one_cause_are_two_records() -> None:
    first, other = (group_of(title, (), RULE, record=True) for title in ("耐熱スピンドルの異音", "防塵スピンドルの異音"))
    assert first != other
    assert first == group_of("耐熱スピンドルの異音", (), RULE, record=True)


def test_a_copy_under_other_rights_is_grouped_and_keeps_its_own_text_and_rights() -> None:
    rights = {"all": (EVERYONE,), "few": (QUALITY,)}
    made = [
        chunk
        for scope in rights
        for chunk in chunks(
            Document(f"s/t#{scope}", f"s/t#{scope}", "s/t", "題", "", "record", scope, "", (), "1", "h", "p", (Block("paragraph", RULE),)),
            rights,
        )
    ]
    assert [(one.acl, one.text) for one in made] == [((EVERYONE,), RULE), ((QUALITY,), RULE)]
    assert made[0].canonical == made[1].canonical
    assert made[0].id != made[1].id


@given(st.text(max_size=600), st.text(max_size=40), st.lists(st.text(max_size=20), max_size=3))
def test_any_text_has_a_group_that_more_spaces_do_not_change(text: str, title: str, path: list[str]) -> None:
    found = group_of(title, path, text)
    assert len(found) == 32
    assert group_of(title, path, f" {text}\n") == found


@given(st.text("aZx059./:%+- 主１", max_size=40))
def test_a_code_is_the_whole_run_around_a_figure(text: str) -> None:
    # The plain definition, which steps back over every word without a figure.
    plain = re.compile(r"[a-z0-9]*[0-9](?:[a-z0-9./:%+-]*[a-z0-9%])?")
    assert codes(text.lower()) == plain.findall(text.lower())
