"""Whatever a file does, it ends in a named reason within the limits, the worker lives on or is replaced, and the next file is read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipelines.index.parse import Limits, Parsed, Parser, Unparsed
from pipelines.index.sentences import pieces, sentences
from pipelines.index.tokens import TARGET, most_tokens

from .hostile import CORPUS, bombed_pdf, edited, rows_of, sheet
from .office import docx, xlsx

GOOD = docx(title="題", sections=[("節", "本文。")])


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(Limits(cpu_seconds=2, wall_seconds=30)) as made:
        yield made


@pytest.mark.parametrize("name", CORPUS)
def test_a_hostile_file_ends_in_a_named_reason_and_the_next_one_is_read(parser: Parser, name: str) -> None:
    make, reasons = CORPUS[name]
    found = parser.parse(name, "", make())
    assert isinstance(found, Unparsed), found
    assert found.code in reasons
    assert isinstance(parser.parse("next.docx", "", GOOD), Parsed)


def test_an_external_entity_is_not_followed(parser: Parser) -> None:
    def leaking(part: bytes) -> bytes:
        declared = part.replace(b"?>", b'?><!DOCTYPE x [<!ENTITY leak SYSTEM "file:///etc/passwd">]>', 1)
        return declared.replace("本文。".encode(), b"&leak;").replace("甲".encode(), b"&leak;")

    book = xlsx({"表": [["甲", "乙"], ["1", "2"]]})
    for name, file, part in (
        ("a.docx", GOOD, "word/document.xml"),
        ("b.docx", GOOD, "word/styles.xml"),
        ("c.xlsx", book, "xl/worksheets/sheet1.xml"),
    ):
        assert "root:" not in str(parser.parse(name, "", edited(file, part, leaking)))


def test_a_line_of_ten_megabytes_is_read_whole_and_cut_in_pieces(parser: Parser) -> None:
    found = parser.parse("line.txt", "", ("止める" * 1_100_000 + "。").encode())
    assert isinstance(found, Parsed)
    assert len(found.blocks[0].text) == 3_300_001
    assert len(sentences(found.blocks[0].text[:100_000])) == 1


def test_a_page_with_a_script_shows_none_of_it(parser: Parser) -> None:
    page = "<html><body><p>本文</p><script>var x = '秘密';</script><style>p{color:red}</style></body></html>"
    found = parser.parse("a.html", "", page.encode())
    assert isinstance(found, Parsed)
    assert [block.text for block in found.blocks] == ["本文"]


@pytest.mark.soak
def test_a_page_that_unpacks_to_endless_drawing_runs_into_the_limit_of_cpu_time() -> None:
    with Parser(Limits(cpu_seconds=1, wall_seconds=60)) as parser:
        found = parser.parse("bomb.pdf", "", bombed_pdf())
        assert isinstance(found, Unparsed)
        assert found.code in ("too_slow", "too_big")
        assert isinstance(parser.parse("next.docx", "", GOOD), Parsed)


@pytest.mark.soak
def test_a_sheet_of_three_million_rows_is_refused() -> None:
    # With the product's own limits: how long the counting takes is the machine's.
    with Parser(Limits()) as parser:
        found = parser.parse("rows.xlsx", "", sheet(lambda _: rows_of(3_000_000)))
    assert isinstance(found, Unparsed)
    assert found.code in ("too_many_rows", "zip_bomb")


def test_a_cut_of_an_endless_word_takes_what_the_embedder_can_read() -> None:
    made = pieces("漢" * 5000, TARGET)
    assert all(most_tokens(piece) <= TARGET for piece in made)
    assert "".join(made) == "漢" * 5000
