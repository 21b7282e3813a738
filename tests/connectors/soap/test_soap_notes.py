"""Notes of one reply: counted by kind, and bounded."""

from __future__ import annotations

from connectors.protocol import Note
from connectors.soap.notes import Notes


def test_the_same_oddity_is_one_note_with_its_count() -> None:
    notes = Notes()
    for _ in range(3):
        notes.add("List/Part", "element.unknown Stok")
    notes.add("phone", "value.nil", 4, fact=True)
    assert notes.all() == (Note("List/Part", "element.unknown Stok", 3), Note("phone", "value.nil", 4, fact=True))


def test_a_reply_of_nothing_but_oddities_is_told_in_bounded_space_and_none_goes_uncounted() -> None:
    notes = Notes()
    for number in range(5_000):
        notes.add("List/Part", f"element.unknown E{number}")
    assert len(notes.all()) == 201 and sum(note.count for note in notes.all()) == 5_000
