"""Numbers between bounds: what is judged together is judged as each would be alone."""

from __future__ import annotations

import math
import operator

from hypothesis import given, settings
from hypothesis import strategies as st

from expectations import suite
from expectations.rooms import Bounded, rooms

NUMBERS = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 0.1, 1.0, 5e-324, -5e-324, 1e308]))
BOUNDS = st.none() | st.floats(allow_nan=False) | st.integers(-(2**60), 2**60)
BOUNDED = st.tuples(st.none() | NUMBERS, BOUNDS, BOUNDS, st.booleans(), st.booleans()).filter(lambda one: (one[1], one[2]) != (None, None))


def lies_within(number: Bounded) -> bool:
    value, low, high, strict_min, strict_max = number
    if value is None or math.isnan(value):
        return False
    above, below = (operator.gt if strict_min else operator.ge), (operator.lt if strict_max else operator.le)
    return (low is None or above(value, low)) and (high is None or below(value, high))


@given(BOUNDED)
def test_who_has_room_lies_within(number: Bounded) -> None:
    assert not rooms(number) or lies_within(number)


@given(value=st.floats(-1e300, 1e300), low=st.floats(-1e300, 1e300), high=st.floats(-1e300, 1e300), strict=st.booleans())
def test_who_lies_within_has_room(value: float, low: float, high: float, strict: bool) -> None:
    number = (value, low, high, strict, strict)
    assert bool(rooms(number)) == lies_within(number)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.none() | st.floats(-100, 100), st.floats(-100, 0), st.floats(0, 100), st.booleans(), st.booleans()), max_size=8)
)
def test_numbers_that_are_judged_together_are_judged_as_each_alone(numbers: list[Bounded]) -> None:
    suite._HELD.clear()  # pyright: ignore[reportPrivateUsage]
    assert suite._judged_numbers(numbers) == [lies_within(one) for one in numbers]  # pyright: ignore[reportPrivateUsage]


def test_great_expectations_has_the_last_word_on_room() -> None:
    within: list[tuple[float, bool]] = [(0.0, False), (3.0, True)]
    assert suite._all_have_room(within)  # pyright: ignore[reportPrivateUsage]
    for wrong in ((-1e-9, False), (0.0, True)):
        assert not suite._all_have_room([*within, wrong])  # pyright: ignore[reportPrivateUsage]
