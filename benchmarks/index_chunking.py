"""Pages per second from blocks to chunks, against kreuzberg's own chunker on the same text; and whether each cuts a header off its rows."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measure import Measure, in_child, in_turn, quick

PAGES = 400 if quick() else 4_000

# A page holds what a full A4 sheet does, about 1,700 characters: a heading, four paragraphs, a list and a table. Every fourth is English.
_WORLD = """
import json, random, resource, time
drawn = random.Random(20261127)
NOUNS = "主軸 冷却水 弁 カバー 工具 治具 記録簿 責任者 検査 部品 図面 納期 温度 圧力 品番".split()
VERBS = "止める 確かめる 交換する 記録する 報告する 取り付ける 締める 測る 清掃する".split()
WORDS = "the spindle coolant valve cover operator must check before after record replace pressure report manual".split()
def sentence(english):
    if english:
        return " ".join(drawn.choices(WORDS, k=14)).capitalize() + f" at {{drawn.randint(1, 99)}}.{{drawn.randint(0, 9)}} bar."
    return "、".join(f"{{drawn.choice(NOUNS)}}を{{drawn.choice(VERBS)}}" for _ in range(3)) + f"(SX-{{drawn.randint(100, 999)}}、{{drawn.randint(1, 99)}}.5 mm)。"
def page(number):
    english = number % 4 == 0
    text = [f"## {{number}} {{drawn.choice(NOUNS)}}の{{drawn.choice(NOUNS)}}", ""]
    for _ in range(4):
        text += ["".join(sentence(english) + (" " if english else "") for _ in range(5 if english else 6)), ""]
    text += [f"- {{sentence(english)}}" for _ in range(3)] + ["", "| 品番 | 名称 | 値 |", "| --- | --- | --- |"]
    return "\\n".join(text + [f"| SX-{{drawn.randint(100, 999)}} | {{drawn.choice(NOUNS)}} | {{drawn.randint(1, 999)}} |" for _ in range(8)]) + "\\n"
DOCUMENTS = ["# 手順書\\n\\n" + "\\n".join(page(number) for number in range(first, first + 20)) for first in range(0, {pages}, 20)]
"""

_OURS = (
    _WORLD
    + """
from pipelines.index.blocks import markdown_blocks
from pipelines.index.chunks import chunks
from pipelines.index.documents import Document
import numpy
made = [
    Document(f"s/t#{{n}}", f"s/t#{{n}}", "s/t", "手順書", "", "file", "all", "", (), "1", "h", "p", tuple(markdown_blocks(text)))
    for n, text in enumerate(DOCUMENTS)
]
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start, cpu = time.perf_counter(), time.process_time()
found = sum(len(list(chunks(document, {{"all": ("everyone:x",)}}))) for document in made)
wall, cpu = time.perf_counter() - start, time.process_time() - cpu
assert found > {pages}
peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
print(json.dumps({{"value": {pages} / cpu, "wall": wall, "cpu": cpu, "peak_mb": peak}}))
"""
)

# kreuzberg cuts what it has just parsed; to parse Markdown is little, and it is all that it does besides.
_PEER = (
    _WORLD
    + """
import kreuzberg
config = kreuzberg.ExtractionConfig(
    use_cache=False, enable_quality_processing=False, output_format="markdown",
    chunking=kreuzberg.ChunkingConfig(max_chars=500, max_overlap=0, chunker_type="markdown"),
)
data = [text.encode() for text in DOCUMENTS]
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start, cpu = time.perf_counter(), time.process_time()
found = sum(len(kreuzberg.extract_bytes_sync(one, "text/markdown", config).chunks or ()) for one in data)
wall, cpu = time.perf_counter() - start, time.process_time() - cpu
assert found > {pages} / 2
peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
print(json.dumps({{"value": {pages} / cpu, "wall": wall, "cpu": cpu, "peak_mb": peak}}))
"""
)


def measures() -> Iterator[Measure]:
    """Both sides single-threaded, pages a second of CPU: the machine may be busy with other work."""
    yield in_turn(
        "index.chunking.pages",
        "pages/s of CPU",
        f"{PAGES:,} parsed pages of about 1,700 characters to chunks with ids, language and group of copies; "
        "the peer is kreuzberg's Markdown chunker, which parses the Markdown too and repeats no header row",
        lambda: in_child(_OURS.format(pages=PAGES)),
        lambda: in_child(_PEER.format(pages=PAGES)),
        bound=">= 1000",
        holds=None if quick() else lambda ours, _: ours >= 1000,
    )
