"""A rename is proposed where the values say so, and only where they say so clearly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from expectations.rename import Proposal, propose

OLD = {str(n): f"値{n}" for n in range(10)}


def test_the_new_field_that_holds_the_old_ones_values_is_proposed() -> None:
    others = {key: "same for all" for key in OLD}
    assert propose({"備考": OLD}, {"備考欄": dict(OLD), "種別": others}) == (Proposal("備考", "備考欄", 10, 10),)


def test_a_few_edits_since_do_not_hide_it_and_many_do() -> None:
    few = OLD | {"0": "edited", "1": "edited"}
    assert propose({"備考": OLD}, {"備考欄": few}) == (Proposal("備考", "備考欄", 8, 10),)
    many = OLD | {str(n): "edited" for n in range(5)}
    assert propose({"備考": OLD}, {"備考欄": many}) == ()


def test_two_that_fit_alike_are_told_apart_by_their_names_or_not_at_all() -> None:
    assert propose({"備考": OLD}, {"備考欄": dict(OLD), "摘要": dict(OLD)}) == (Proposal("備考", "備考欄", 10, 10),)
    assert propose({"備考": OLD}, {"甲": dict(OLD), "乙": dict(OLD)}) == ()


def test_empty_values_and_too_few_rows_say_nothing() -> None:
    nothing = dict.fromkeys(OLD, "")
    assert propose({"備考": nothing}, {"備考欄": nothing}) == ()
    assert propose({"備考": {"1": "a", "2": "b"}}, {"備考欄": {"1": "a", "2": "b"}}) == ()


VALUES = st.dictionaries(st.sampled_from([str(n) for n in range(8)]), st.sampled_from(["", "a", "b", "c"]))
FIELDS = st.dictionaries(st.sampled_from(["甲", "乙", "丙", "丁"]), VALUES)


@given(FIELDS, FIELDS)
def test_no_field_is_proposed_twice_and_none_without_values_to_show_for_it(
    before: dict[str, dict[str, str]], now: dict[str, dict[str, str]]
) -> None:
    found = propose(before, now)
    assert len({one.old for one in found}) == len({one.new for one in found}) == len(found)
    for one in found:
        held = {key: value for key, value in before[one.old].items() if value}
        both = [key for key in held if key in now[one.new]]
        assert (one.rows, one.same) == (len(both), sum(held[key] == now[one.new][key] for key in both))
        assert one.rows >= 3 and one.same >= 0.6 * one.rows
