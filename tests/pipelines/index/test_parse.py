"""Files become blocks, or a reason – never half a document, and never harm to the one who asked."""

from __future__ import annotations

import io
import os
import signal
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.index.parse import Limits, Parsed, Parser, Unparsed

from .office import docx, pdf, pptx, xlsx


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser() as made:
        yield made


def read(parser: Parser, name: str, data: bytes) -> list[tuple[str, str]]:
    found = parser.parse(name, "", data)
    assert isinstance(found, Parsed), found
    return [(block.kind, block.text or " / ".join(",".join(row) for row in block.rows)) for block in found.blocks]


def test_a_word_file_keeps_headings_text_and_tables(parser: Parser) -> None:
    data = docx(
        title="据付手順書", sections=[("安全上の注意", "電源を切る。*必ず*二人で。")], table=[("品番", "トルク|N・m"), ("SX-1", "10")]
    )
    assert read(parser, "手順.docx", data) == [
        ("heading", "据付手順書"),
        ("heading", "安全上の注意"),
        ("paragraph", "電源を切る。*必ず*二人で。"),
        ("table", "品番,トルク|N・m / SX-1,10"),
    ]


def test_every_sheet_of_a_workbook_comes_under_its_name_without_empty_rows(parser: Parser) -> None:
    data = xlsx({"点検": [["号機", "結果"], ["1号機", "良好"], [None, None], ["2号機", "要確認"]], "部品": [["品番", "数"], ["B-1", 3]]})
    assert read(parser, "点検.xlsx", data) == [
        ("heading", "点検"),
        ("table", "号機,結果 / 1号機,良好 / 2号機,要確認"),
        ("heading", "部品"),
        ("table", "品番,数 / B-1,3"),
    ]


def test_a_stale_dimension_in_a_sheet_loses_no_row(parser: Parser) -> None:
    made = xlsx({"点検": [["号機", "値"], *[[f"{n}号機", n] for n in range(1, 40)]]})
    source, target = zipfile.ZipFile(io.BytesIO(made)), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for entry in source.infolist():
            archive.writestr(entry, source.read(entry).replace(b'<dimension ref="A1:B40"', b'<dimension ref="A1:B2"'))
    assert "39号機" in read(parser, "x.xlsx", target.getvalue())[1][1]


def test_speaker_notes_stay_with_their_slide_even_when_slides_were_moved(parser: Parser) -> None:
    data = pptx([("一枚目", "不良率", "原因は工具摩耗"), ("二枚目", "対策", ""), ("三枚目", "予定", "来月報告")], order=[2, 0, 1])
    assert [text for _, text in read(parser, "会議.pptx", data)] == [
        "三枚目",
        "予定",
        "来月報告",
        "一枚目",
        "不良率",
        "原因は工具摩耗",
        "二枚目",
        "対策",
    ]


def test_a_japanese_pdf_has_no_spaces_where_its_lines_ended(parser: Parser) -> None:
    data = pdf(
        [
            (
                "第一章",
                [
                    "主軸を交換するときは、まず電源を切り、冷却水の弁を閉",
                    "じてから、カバーを外します。型番は NSK 7014 で",
                    "す。試運転を行ってください。",
                ],
            )
        ]
    )
    text = "".join(text for kind, text in read(parser, "主軸.pdf", data) if kind == "paragraph")
    assert "弁を閉じてから" in text
    assert "NSK 7014 です。" in text


@pytest.mark.parametrize("encoding", ["cp932", "euc_jp", "iso2022_jp", "utf-8", "utf-8-sig", "utf-16"])
def test_a_text_file_is_read_in_whatever_encoding_japan_wrote_it(parser: Parser, encoding: str) -> None:
    text = "主軸の温度が上がったときは、運転を止めてください。"
    assert read(parser, "memo.txt", text.encode(encoding)) == [("paragraph", text)]


@pytest.mark.parametrize(
    ("charset", "encoding", "word"),
    [("Shift_JIS", "cp932", "①㈱髙橋"), ("EUC-JP", "euc_jis_2004", "①点検"), ("iso-2022-jp", "iso2022_jp", "点検")],
)
def test_an_html_page_is_read_by_the_charset_it_declares(parser: Parser, charset: str, encoding: str, word: str) -> None:
    page = f'<html><head><meta http-equiv="Content-Type" content="text/html; charset={charset}"><title>題</title></head><body><h1>{word}</h1><p>本文</p></body></html>'
    assert read(parser, "page.html", page.encode(encoding)) == [("heading", word), ("paragraph", "本文")]


def test_half_width_katakana_in_shift_jis_is_not_taken_for_euc(parser: Parser) -> None:
    assert read(parser, "a.txt", "ｼﾘﾝﾀﾞの交換は、年に一度。".encode("cp932")) == [("paragraph", "ｼﾘﾝﾀﾞの交換は、年に一度。")]


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("写真.png", b"\x89PNG", "unsupported"),
        ("空.txt", b"", "no_text"),
        ("壊.docx", b"PK\x03\x04 broken", "damaged"),
        ("壊.pdf", b"%PDF-1.7 broken", "damaged"),
        ("偽.pdf", b"<html>", "damaged"),
        ("偽.docx", b"%PDF-1.4", "mislabelled"),
        ("旧.xlsx", b"\xd0\xcf\x11\xe0" + b"0" * 600, "damaged"),
        ("謎.txt", b"\x81\xff\xfe\xa4", "undecodable"),
    ],
)
def test_a_file_that_cannot_be_read_gives_a_reason(parser: Parser, name: str, data: bytes, code: str) -> None:
    found = parser.parse(name, "", data)
    assert isinstance(found, Unparsed)
    assert found.code == code


def test_a_scanned_pdf_without_text_says_so(parser: Parser) -> None:
    assert parser.parse("scan.pdf", "", pdf([("", [])])) == Unparsed("no_text", "")


def test_a_file_that_never_ends_is_killed_and_the_next_one_is_read() -> None:
    with Parser(Limits(wall_seconds=2)) as parser:
        assert isinstance(parser.parse("before.txt", "", "前。".encode()), Parsed)
        assert parser._process is not None
        os.kill(parser._process.pid, signal.SIGSTOP)
        assert parser.parse("endless.txt", "", "止。".encode()) == Unparsed("too_slow", "2 s")
        assert isinstance(parser.parse("after.txt", "", "後。".encode()), Parsed)
        assert parser.started == 2


def test_a_page_that_keeps_the_parser_busy_gives_a_reason_and_no_text() -> None:
    many = "".join(f"<p>{n}</p><table><tr><td>{n}</td></tr></table>" for n in range(300_000)).encode()
    with Parser(Limits(wall_seconds=0.3)) as parser:
        found = parser.parse("endless.html", "", many)
    assert isinstance(found, Unparsed)
    assert found.code in ("too_slow", "worker_died")


def test_a_worker_that_hits_its_limits_is_replaced_by_a_new_one() -> None:
    with Parser(Limits(memory_bytes=400 << 20)) as parser:
        assert isinstance(parser.parse("a.txt", "", "前。".encode()), Parsed)
        found = parser.parse("big.csv", "", b"1,2,3,4,5,6,7,8\n" * 2_000_000)
        assert isinstance(found, Unparsed)
        assert found.code in ("too_big", "worker_died")
        assert isinstance(parser.parse("b.txt", "", "後。".encode()), Parsed)
        assert parser.started == 2


def test_a_file_with_more_text_than_the_limit_is_left_out_whole() -> None:
    with Parser(Limits(output_bytes=2000)) as parser:
        found = parser.parse("long.txt", "", ("長い文。" * 1000).encode())
        assert isinstance(found, Unparsed)
        assert found.code == "too_much_text"


def test_the_worker_gets_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINTONE_TOKEN", "top-secret-token")
    with Parser() as parser:
        parser.parse("a.txt", "", b"a")
        assert parser._process is not None
        with open(f"/proc/{parser._process.pid}/environ", "rb") as environment:
            assert b"top-secret-token" not in environment.read()


def test_one_worker_reads_a_hundred_and_fifty_files(parser: Parser) -> None:
    file = docx(title="題", sections=[("節", "本文。")])
    before = parser.started
    assert all(isinstance(parser.parse(f"{n}.docx", "", file), Parsed) for n in range(150))
    assert parser.started == before


def test_a_pdf_is_read_on_a_machine_where_none_was_read_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Parser() as fresh:
        assert read(fresh, "first.pdf", pdf([("初回", ["この機械で最初のPDFです。"])]))
    assert list(tmp_path.iterdir()) == [], "what was unpacked goes with the parser"
