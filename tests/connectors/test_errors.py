"""What an error says: one sentence that a terminal only shows."""

from __future__ import annotations

from connectors.errors import AddressUnknown


def test_a_name_from_a_source_cannot_command_the_terminal_it_is_shown_on() -> None:
    error = AddressUnknown("project.unknown_stream", stream="kintone/\x1b[2J受注\r\nok", known="-")
    assert "\x1b" not in error.say("en") and "\n" not in error.say("ja") and "受注" in error.say("ja")
