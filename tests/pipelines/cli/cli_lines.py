"""How tests judge what a command printed: no English in a Japanese answer, and JSON as its committed schema says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema

ROOT = Path(__file__).resolve().parents[3]
#: Two words of English running text. Names, codes and addresses are no words, and a command to type is none either.
ENGLISH = re.compile(r"(?<![\w./:-])[A-Za-z][a-z']+,? [a-z']{2,}(?![\w./:=-])")


def english_lines(output: str) -> list[str]:
    return [line for line in output.splitlines() if ENGLISH.search(re.sub(r"`[^`]*`", "", line))]


def valid(answer: dict[str, Any]) -> None:
    """Held to the committed schema of the noun it names."""
    noun = re.fullmatch(r"fortnight\.(\w+)/1", str(answer["schema"]))
    assert noun is not None
    schema = json.loads((ROOT / "docs" / "schemas" / f"{noun[1]}.json").read_text(encoding="utf-8"))
    jsonschema.validate(answer, schema, jsonschema.Draft202012Validator)
