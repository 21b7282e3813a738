"""Copies are grouped, whatever order they come in; what differs in a figure or a "not" is no copy, and nobody's text is hidden by another's."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from pipelines.index.duplicates import Print, canonicals, print_of, with_canonicals

from .world import EVERYONE, QUALITY, chunk

RULE = (
    "主軸の温度が上がったときは、運転を止めてから冷却水の弁を閉じ、カバーを外して点検してください。"
    "点検が終わったら、責任者に報告し、記録簿に残します。再開は責任者の承認が必要です。"
    "夜間に停止した場合は、翌朝の点検まで電源を入れずに待ちます。連絡先は掲示板に貼ってあります。"
    "冷却水は月初めに入れ替え、弁の動きを確かめ、漏れがあれば部品を取り寄せて交換します。"
    "工具の摩耗は目で見て確かめ、欠けたものは棚の赤い箱に入れ、新しいものを受け取ってから取り付けます。"
)


def groups(**texts: str) -> dict[str, str]:
    return canonicals({name: print_of("点検", (), text) for name, text in texts.items()})


def test_a_copy_with_other_spaces_widths_and_stops_is_the_same() -> None:
    found = groups(a=RULE, b=RULE.replace("。", "．\n").replace("カバー", "ｶﾊﾞｰ"))
    assert found["a"] == found["b"] == "a"


def test_a_copy_with_a_mended_letter_in_a_long_text_is_the_same() -> None:
    found = groups(a=RULE, b=RULE.replace("貼ってあります", "貼って有ります"))
    assert found["a"] == found["b"]


def test_what_differs_in_a_figure_a_code_or_a_not_is_two_things() -> None:
    told = "エラー E-101 が出たら、" + RULE
    for other in (told.replace("E-101", "E-102"), told.replace("必要です", "不要です"), told.replace("入れずに", "入れないで")):
        found = groups(a=told, b=other)
        assert found == {"a": "a", "b": "b"}, other


def test_the_same_words_in_the_manual_of_another_machine_are_two_things_and_in_a_copied_file_one() -> None:
    prints = {name: print_of(title, (), RULE) for name, title in {"a": "SX-200 手順.docx", "b": "SX-300 手順.docx", "c": "SX-200 手順 (1).docx"}.items()}
    assert canonicals(prints) == {"a": "a", "b": "b", "c": "a"}


def test_a_copy_under_other_rights_keeps_its_own_text_and_rights() -> None:
    made = with_canonicals([chunk("b", RULE, [QUALITY]), chunk("a", RULE, [EVERYONE])])
    assert [(one.id, one.canonical, one.acl, one.text) for one in made] == [("b", "a", (QUALITY,), RULE), ("a", "a", (EVERYONE,), RULE)]


WORDS = st.lists(st.sampled_from(["主軸を", "点検し", "止めて", "弁を閉じ", "記録し", "報告する", "7014", "ない", "。"]), min_size=0, max_size=60).map("".join)


@given(st.lists(WORDS, max_size=12), st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_the_order_and_each_member_is_like_the_one_it_is_named_after(texts: list[str], shuffled: random.Random) -> None:
    prints = {f"{number:02}": print_of("題", (), text) for number, text in enumerate(texts)}
    found = canonicals(prints)
    names = list(prints)
    shuffled.shuffle(names)
    assert canonicals({name: prints[name] for name in names}) == found
    assert all(found[canonical] == canonical for canonical in found.values())
    assert all(prints[name].exact == prints[canonical].exact for name, canonical in found.items())
    same: dict[Print, set[str]] = {}
    for name, one in prints.items():
        same.setdefault(one, set()).add(found[name])
    assert all(len(canonical) == 1 for canonical in same.values()), "equal texts are always one group"


@given(st.lists(WORDS, min_size=1, max_size=8), WORDS)
def test_a_group_never_grows_smaller_than_its_equal_texts_when_another_document_comes(texts: list[str], more: str) -> None:
    prints = {f"{number:02}": print_of("題", (), text) for number, text in enumerate(texts)}
    later = canonicals({**prints, "99": print_of("題", (), more)})
    assert all(later[a] == later[b] for a in prints for b in prints if prints[a] == prints[b])
