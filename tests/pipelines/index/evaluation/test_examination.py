"""An examination counts what counts, names what it left out, and one leak fails it whatever else it found."""

from __future__ import annotations

from pipelines.index.evaluation.comparison import compare
from pipelines.index.evaluation.examination import examine

from .asked import Scripted, found_at, question


def test_any_of_several_expected_rows_is_a_hit_at_its_place() -> None:
    found = examine([question("a", "1", "2"), question("b", "3")], Scripted({"a": ["9", "2", "1"], "b": ["9"]}))
    assert [one.place for one in found.asked] == [2, 0]
    assert (found.score.n, found.score.at1, found.score.at5, found.score.mrr) == (2, 0, 1, 0.25)


def test_each_slice_counts_its_own_questions_and_the_language_is_one() -> None:
    asked = [question("a", "1", slices=("table",)), question("b", "1", lang="en", slices=("cross", "table"))]
    found = examine(asked, Scripted({"a": ["1"], "b": ["2"]}))
    assert {name: (score.n, score.at5) for name, score in found.slices.items()} == {
        "ja": (1, 1),
        "en": (1, 0),
        "cross": (1, 0),
        "table": (2, 1),
    }


def test_a_forbidden_row_among_the_hits_fails_an_examination_that_found_everything() -> None:
    asked = [question("a", "1"), question("b", forbidden=("7",))]
    clean = examine(asked, Scripted({"a": ["1"], "b": ["2"]}))
    assert clean.reaches(0.9) and not clean.leaks
    leaky = examine(asked, Scripted({"a": ["1"], "b": ["2", "7"]}))
    assert [one.leaked for one in leaky.leaks] == [("kintone/faq#7",)]
    assert not leaky.reaches(0.0) and leaky.worst()[0].question.id == "b"


def test_a_stale_question_is_counted_apart_and_named_and_so_is_one_whose_person_may_not_read_the_answer() -> None:
    asked = [question(f"q{n}", "1") for n in range(18)] + [question("old", "gone"), question("closed", "secret")]
    found = examine(asked, Scripted({f"q{n}": ["1"] for n in range(18)}, {"gone": "gone", "secret": "unreadable"}))
    assert {one.question.id: one.apart for one in found.apart} == {"old": "gone", "closed": "unreadable"}
    assert (found.score.n, found.speaks, found.reaches(0.9)) == (18, True, True)


def test_a_set_of_which_more_than_a_tenth_is_stale_says_nothing() -> None:
    asked = [question(f"q{n}", "1") for n in range(17)] + [question(f"old{n}", "gone") for n in range(2)]
    found = examine(asked, Scripted({f"q{n}": ["1"] for n in range(17)}, {"gone": "gone"}))
    assert (found.score.recall5, found.speaks, found.reaches(0.9)) == (1.0, False, False)
    nothing = examine([question("a")], Scripted({}))
    assert not nothing.speaks and not nothing.reaches(0.0)


def test_one_expected_row_that_is_left_keeps_a_question_in_the_count() -> None:
    found = examine([question("a", "gone", "1")], Scripted({"a": ["1"]}, {"gone": "gone"}))
    assert (found.score.n, found.score.at1) == (1, 1)


def test_a_share_at_the_target_with_a_bound_below_it_reaches_it_but_not_surely() -> None:
    found = found_at({f"q{n}": 1 if n < 19 else 0 for n in range(20)})
    assert found.reaches(0.95) and not found.surely(0.95) and not found.reaches(0.96)
    assert found_at({f"q{n}": 1 for n in range(60)}).surely(0.95)


def test_the_worst_come_first_and_what_was_found_at_once_is_not_among_them() -> None:
    found = found_at({"at3": 3, "missed": 0, "first": 1, "at9": 9})
    assert [one.question.id for one in found.worst()] == ["missed", "at9", "at3"]
    assert [one.question.id for one in found.worst(1)] == ["missed"]


def test_what_the_approximate_search_loses_shows_in_its_band_of_visibility() -> None:
    asked = [question("a", "1"), question("b", "2")]
    exact = {"a": ["1", "2", "3", "4"], "b": ["2", "1"]}
    narrow = examine(asked, Scripted({"a": ["1", "9"], "b": ["2", "1"]}, exact=exact, visible=5)).bands
    assert {band.name: band.recall for band in narrow} == {"under 1 %": None, "1 to 10 %": 0.5, "10 to 40 %": None, "over 40 %": None}
    assert [(band.questions, band.approximate) for band in narrow] == [(0, 0), (2, 2), (0, 0), (0, 0)]
    every = examine(asked, Scripted(exact, visible=100)).bands
    assert [(band.questions, band.approximate, band.recall) for band in every][-1] == (2, 0, None)


def test_what_nothing_answers_is_told_by_the_best_score_and_its_errors_are_counted() -> None:
    asked = [question("a", "1"), question("b", "1"), question("none"), question("odd")]
    scores = {"a": 0.9, "b": 0.2, "none": 0.1, "odd": 0.8}
    found = examine(asked, Scripted({name: ["1"] for name in scores}, scores=scores), threshold=0.5).unanswered
    assert found is not None
    assert (found.refused, found.unanswerable, found.withheld, found.answerable, found.auc) == (1, 2, 1, 2, 0.75)
    assert examine(asked[:2], Scripted({})).unanswered is None


def test_progress_goes_to_the_last_question() -> None:
    told: list[tuple[int, int]] = []
    examine([question("a"), question("b")], Scripted({}), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_a_release_that_loses_many_and_wins_few_is_worse_and_one_that_loses_one_is_not() -> None:
    before = found_at({f"q{n}": 1 for n in range(40)})
    one_lost = compare(before, found_at({f"q{n}": 0 if n < 1 else 1 for n in range(40)}))
    assert (len(one_lost.won), len(one_lost.lost), one_lost.worse) == (0, 1, False)
    ten_lost = compare(before, found_at({f"q{n}": 0 if n < 10 else 1 for n in range(40)}))
    assert (len(ten_lost.lost), ten_lost.worse) == (10, True) and ten_lost.p < 0.01
    assert not compare(before, before).worse
    assert not compare(found_at({f"q{n}": 0 if n < 10 else 1 for n in range(40)}), before).worse


def test_a_release_that_finds_as_much_but_lower_down_is_worse() -> None:
    found = compare(found_at({f"q{n}": 1 for n in range(40)}), found_at({f"q{n}": 4 for n in range(40)}))
    assert not found.lost and found.interval.high < 0 and found.worse


def test_a_release_that_leaks_is_worse_however_well_it_finds() -> None:
    asked = [question("a", "1"), question("b", forbidden=("7",))]
    before = examine(asked, Scripted({"a": ["2"], "b": ["2"]}))
    after = examine(asked, Scripted({"a": ["1"], "b": ["7"]}))
    assert compare(before, after).worse and not compare(after, before).leaks
