from __future__ import annotations

from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st

from connectors.sharepoint.quickxor import QuickXor, quick_xor


def by_the_definition(data: bytes) -> str:
    """Bit by bit: byte i lands 11·i bits on, around 160 bits; the length goes into the last 64."""
    value = len(data) << 96
    for at, byte in enumerate(data):
        for bit in range(8):
            if byte >> bit & 1:
                value ^= 1 << (at * 11 + bit) % 160
    return b64encode(value.to_bytes(20, "little")).decode()


def test_nothing_hashes_to_twenty_zero_bytes() -> None:
    assert quick_xor(b"") == "AAAAAAAAAAAAAAAAAAAAAAAAAAA="


def test_one_byte_stands_first_and_its_length_at_the_thirteenth() -> None:
    # 0x4A, then zeros, then the length 1 as a 64-bit little-endian number in bytes 12 to 19.
    assert quick_xor(b"\x4a") == b64encode(bytes([0x4A, *[0] * 11, 1, *[0] * 7])).decode()


def test_the_second_byte_lands_eleven_bits_on() -> None:
    # 0xB4 << 11 is 0x05A000: bytes 00 A0 05 over the B5 of the first byte.
    assert quick_xor(b"\xb5\xb4") == b64encode(bytes([0xB5, 0xA0, 0x05, *[0] * 9, 2, *[0] * 7])).decode()


def test_the_160th_byte_starts_over_at_the_first_bit() -> None:
    assert quick_xor(b"\xff" + bytes(159) + b"\xff") == b64encode(bytes([*[0] * 12, 161, *[0] * 7])).decode()


@given(st.binary(max_size=700), st.integers(1, 200))
def test_pieces_of_any_size_hash_like_the_definition(data: bytes, size: int) -> None:
    running = QuickXor()
    for at in range(0, len(data), size):
        running.update(data[at : at + size])
    assert running.text() == by_the_definition(data)
