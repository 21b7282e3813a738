"""Two lists become one: what is promised of the order and of the scores that are shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.index.store import Filters, Weights, condition
from pipelines.index.store.fusion import first_of_each, fuse, spread, trust
from pipelines.index.store.terms import codes, terms

Lists = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.001, 50), max_size=8)
WEIGHTS = st.builds(Weights, st.floats(0, 1), st.floats(0.01, 1), st.sampled_from(["blend", "rrf"]))


def ranked(scores: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(scores.items(), key=lambda one: (-one[1], one[0]))


@given(Lists, Lists, WEIGHTS)
def test_each_id_of_either_list_stands_once_best_first_between_nought_and_one(
    a: dict[str, float], b: dict[str, float], weights: Weights
) -> None:
    fused = fuse(ranked(a), ranked(b), weights)
    names = [name for name, _ in fused]
    assert sorted(names) == sorted(set(names)) and set(names) <= a.keys() | b.keys() and set(b) <= set(names)
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)
    assert all(0 <= score <= 1 for _, score in fused)


@given(Lists, Lists, WEIGHTS, st.integers(-3, 6), st.integers(0, 20))
def test_raw_scores_do_not_show_whatever_their_size_and_zero(
    a: dict[str, float], b: dict[str, float], weights: Weights, power: int, shift: int
) -> None:
    """A table with other rows gives the same visible rows other raw scores: larger, smaller, moved."""
    rounded = {name: round(score, 3) for name, score in a.items()}
    other = {name: (score + shift) * 2.0**power for name, score in rounded.items()}
    before, after = (dict(fuse(ranked(one), ranked(b), weights)) for one in (rounded, other))
    assert before.keys() == after.keys()
    assert all(abs(before[name] - after[name]) <= 0.002 for name in before)


@given(Lists, Lists, WEIGHTS, st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from([0.0, 0.5, 1.0]), min_size=1))
def test_what_holds_all_codes_of_a_question_stands_before_what_holds_none(
    a: dict[str, float], b: dict[str, float], weights: Weights, held: dict[str, float]
) -> None:
    fused = fuse(ranked(a), ranked(b), weights, held)
    assert {name for name, _ in fused} == {name for name, _ in fuse(ranked(a), ranked(b), weights)}
    scores = [score for _, score in fused]
    assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)
    least = min((score for name, score in fused if held.get(name) == 1), default=1.0)
    assert all(score <= least for name, score in fused if not held.get(name))


@given(Lists)
def test_one_list_alone_keeps_its_order(a: dict[str, float]) -> None:
    for method in ("blend", "rrf"):
        assert [name for name, _ in fuse(ranked(a), [], Weights(1, 0, method))] == [name for name, _ in ranked(a)]


@given(Lists, st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("xyz")))
def test_of_each_group_the_best_is_shown(a: dict[str, float], groups: dict[str, str]) -> None:
    group = {name: groups.get(name, name) for name in a}
    kept = first_of_each(ranked(a), group)
    assert {group[name] for name, _ in kept} == set(group.values())
    assert all(score == max(a[other] for other in a if group[other] == group[name]) for name, score in kept)


@given(Lists, st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("xyz")))
def test_no_row_has_a_second_piece_before_each_has_its_best_and_none_is_lost(a: dict[str, float], rows: dict[str, str]) -> None:
    row = {name: rows.get(name, name) for name in a}
    shown = spread(ranked(a), row)
    first = [name for name, _ in shown[: len(set(row.values()))]]
    assert first == [name for name, _ in first_of_each(ranked(a), row)]
    assert sorted(name for name, _ in shown) == sorted(a)
    assert [score for _, score in shown] == sorted((score for _, score in shown), reverse=True)


@pytest.mark.parametrize("wrong", [(-0.1, 1.0), (0.0, 0.0), (1.0, -1.0)])
def test_weights_that_mean_nothing_are_refused(wrong: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="not negative and not both zero"):
        Weights(*wrong)


@given(st.text(min_size=1, max_size=30), st.sampled_from(["systems", "streams", "media", "langs"]))
def test_a_filter_narrows_and_never_widens_whatever_its_value(value: str, name: str) -> None:
    made = condition({"user:x:a"}, Filters(**{name: (value,)}))
    assert made.startswith(condition({"user:x:a"}) + " AND ") and made.count("'") % 2 == 0
    assert condition((), Filters(**{name: (value,)})).startswith("false AND ")


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)), st.integers(-12, 14))
def test_an_instant_of_any_zone_is_compared_as_the_same_instant(naive: datetime, hours: int) -> None:
    at = naive.replace(microsecond=0, tzinfo=UTC)
    there = (at + timedelta(hours=hours)).replace(tzinfo=None).isoformat() + f"{hours:+03d}:00"
    assert Filters(changed_from=there).changed_from == at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_instants_at_the_ends_of_the_calendar_are_in_order_with_all_others() -> None:
    asked = ["0001-01-01T00:00:00+09:00", "0999-12-31T00:00:00Z", "2026-11-02T00:00:00Z", "9999-12-31T23:59:59-09:00"]
    made = [Filters(changed_from=text).changed_from for text in asked]
    assert made == sorted(made) and {len(text) for text in made} == {20}


@pytest.mark.parametrize("text", ["2026-11-27", "2026-11-27T10:00:00", "yesterday", "' OR true --"])
def test_a_bound_that_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="changed_to"):
        Filters(changed_to=text)


@given(st.text(st.sampled_from("主軸交換手順ねじネジー々"), min_size=2, max_size=12), st.data())
def test_any_part_of_a_compound_has_its_terms_in_the_whole(compound: str, data: st.DataObject) -> None:
    """What a dictionary's cut does not promise: a question that names part of a word finds it."""
    start = data.draw(st.integers(0, len(compound) - 2))
    part = compound[start : data.draw(st.integers(start + 2, len(compound)))]
    assert set(terms(part)) <= set(terms(f"前の{compound}後"))


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("寺", "山寺の鐘"),
        ("ﾈｼﾞ", "ネジの締付"),
        ("ＳＸ－２００", "sx-200の主軸"),
        ("SX200", "sx200を"),
        ("manual", "SX-200 Manual"),
        ("髙", "髙橋"),
        ("①", "手順1を"),
    ],
)
def test_widths_single_kanji_and_latin_words_meet(question: str, text: str) -> None:
    assert set(terms(question)) and set(terms(question)) <= set(terms(text))


@pytest.mark.parametrize("written", ["SP-1140", "ＳＰ－１１４０", "sp_1140", "SPー1140", "Installation_Guide_SP-1140.docx", "SP‐1140"])
def test_a_code_is_one_term_however_its_parts_are_joined_and_its_parts_are_terms_too(written: str) -> None:
    assert {"sp1140", "1140"} <= set(terms(written))
    assert "sp1140" in terms("sp1140")
    assert codes(written) == {"sp1140"}


@pytest.mark.parametrize("written", ["2026-11-27", "03-1234-5678", "e-mail", "well-known", "x-1-2"])
def test_what_is_no_code_is_not_made_one(written: str) -> None:
    assert all(term in written for term in terms(written)) and not codes(written)


def test_an_underscore_ends_a_word() -> None:
    assert {"qd00010", "測定", "guide"} <= set(terms("QD-00010_測定_Guide.xlsx"))


def test_words_that_hold_next_to_nothing_of_the_question_say_nothing() -> None:
    words, near = [("year", 9.0), ("name", 8.0)], [("answer", 0.9), ("other", 0.5)]
    assert fuse(words, near, Weights())[0][0] == "year"
    assert fuse(words, near, Weights(), share=0.05) == [("answer", 1.0), ("name", 0.0), ("other", 0.0), ("year", 0.0)]


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_more_of_a_question_words_hold_the_more_they_are_believed(one: float, other: float) -> None:
    assert 0.0 <= trust(one) <= 1.0
    assert (one <= other) <= (trust(one) <= trust(other))
    assert trust(0.0) == 0.0 and trust(1.0) == 1.0


def test_who_asks_for_words_alone_gets_words_however_few_they_hold() -> None:
    assert fuse([("year", 9.0)], [("answer", 0.9)], Weights(1.0, 0.0), share=0.0)[0] == ("year", 1.0)
