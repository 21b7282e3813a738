"""What the SharePoint sandbox holds: the same bytes every time, small texts, and days that are lived alike."""

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.sandbox.clock import SandboxClock
from infra.sandbox.company.trade import DEFAULT_SEED
from infra.sandbox.sharepoint import founding, life
from infra.sandbox.sharepoint.content import catalogue
from infra.sandbox.sharepoint.content.document import Document
from infra.sandbox.sharepoint.content.quickxor import quick_xor_hash
from infra.sandbox.sharepoint.content.render import render
from infra.sandbox.sharepoint.world import World

ORIGIN = datetime(2026, 4, 1, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


def lived(state: Path, *, days: int, step: int) -> World:
    clock = SandboxClock(ORIGIN)
    world = founding.found(clock.origin, DEFAULT_SEED, state)
    for _ in range(days // step):
        clock.advance(timedelta(days=step))
        life.catch_up(world, clock)
    return world


def first(extension: str) -> Document:
    return next(one for one in catalogue.documents(DEFAULT_SEED) if one.extension == extension)


@pytest.mark.parametrize("extension", ["docx", "xlsx", "pptx", "pdf", "html"])
def test_a_file_made_again_is_the_same_to_the_byte(extension: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = render(first(extension))
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    assert render(first(extension)) == made


def test_texts_are_small_different_and_a_quarter_english() -> None:
    documents = catalogue.documents(DEFAULT_SEED)
    assert len({one.text for one in documents}) == len(documents) >= 150
    assert all(280 <= len(one.text) <= 1200 for one in documents)
    assert sum(len(one.sections) for one in documents) < 600
    assert 0.2 < sum(one.language == "en" for one in documents) / len(documents) < 0.3


def test_some_html_is_shift_jis_and_says_so() -> None:
    document = next(one for one in catalogue.documents(DEFAULT_SEED) if one.charset == "shift_jis")
    raw = render(document)
    assert b'charset="Shift_JIS"' in raw
    assert document.title in raw.decode("cp932")


def test_slides_carry_speaker_notes_and_books_several_sheets() -> None:
    import openpyxl
    import pptx

    slides = pptx.Presentation(io.BytesIO(render(first("pptx")))).slides
    assert all(slide.has_notes_slide for slide in slides)
    assert len(openpyxl.load_workbook(io.BytesIO(render(first("xlsx")))).sheetnames) == 3


@pytest.mark.parametrize("size", [0, 1, 19, 20, 160, 161, 5000])
def test_the_hash_equals_the_published_algorithm_bit_by_bit(size: int) -> None:
    data = bytes((7 * n + n // 13) % 256 for n in range(size))
    bits = [0] * 160
    for place, byte in enumerate(data):
        for bit in range(8):
            bits[(place * 11 + bit) % 160] ^= byte >> bit & 1
    digest = bytearray(sum(bits[8 * n + bit] << bit for bit in range(8)) for n in range(20))
    for place, byte in enumerate(size.to_bytes(8, "little")):
        digest[12 + place] ^= byte
    assert quick_xor_hash(data) == base64.b64encode(digest).decode()


def test_the_same_days_give_the_same_world_whether_lived_at_once_or_one_by_one(state: Path) -> None:
    def shape(world: World) -> list[tuple[str, str, str, str, int, datetime]]:
        return [
            (entry.id, entry.name, entry.parent, entry.stored.quick_xor if entry.stored else "", entry.changed, entry.modified)
            for listing in world.listings()
            for entry in listing.entries.values()
        ]

    assert shape(lived(state, days=6, step=1)) == shape(lived(state, days=6, step=6))


def test_nothing_happens_in_the_future_or_before_the_origin(state: Path) -> None:
    world = lived(state, days=3, step=3)
    changes = [at for listing in world.listings() for at in [one for _, one in listing.feed[-3:]]]
    assert all(at <= ORIGIN + timedelta(days=3) for at in changes)
