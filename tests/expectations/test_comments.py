"""What stands after a node of a contract's YAML stays, whatever becomes of the node."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from expectations.amend import signed
from expectations.comments import dump, load, put, take_key, take_out


def item(name: str, form: str, beside: str) -> str:
    note = f"  # beside {name}" if beside else ""
    if form == "flow":
        return f"  - {{name: {name}, source: {name}}}{note}\n"
    if form == "block":
        return f"  - name: {name}\n    source: {name}{note}\n"
    return f"  - name: {name}\n    fields:\n      - {{name: x{name}}}\n      - name: y{name}\n        of: [1]{note}\n"


FORMS = list(product(("flow", "block", "nested"), ("beside", ""), ("\n", "")))


@given(st.lists(st.sampled_from(FORMS), min_size=2, max_size=4), st.data())
def test_of_a_removed_item_nothing_goes_but_its_own_lines(forms: list[tuple[str, str, str]], data: st.DataObject) -> None:
    names = "abcd"[: len(forms)]
    items = [item(name, form, beside) for name, (form, beside, _) in zip(names, forms, strict=True)]
    before = [f"{blank}  # about {name}\n  # more of {name}\n" for name, (_, _, blank) in zip(names, forms, strict=True)]
    head, tail = "version: 1\nfields:\n", "# what is expected\nrules: []\n"
    text = head + "".join(map("".join, zip(before, items, strict=True))) + tail
    document = load(text)
    assert dump(document) == text
    gone = data.draw(st.integers(0, len(forms) - 1))
    take_out(document["fields"], gone)
    wanted = head + "".join(lead + ("" if at == gone else own) for at, (lead, own) in enumerate(zip(before, items, strict=True))) + tail
    assert [line for line in dump(document).splitlines() if line.strip()] == [line for line in wanted.splitlines() if line.strip()]


@pytest.mark.parametrize("beside", ["  # beside", ""])
def test_a_key_that_goes_leaves_the_lines_after_it(beside: str) -> None:
    document = load(f"fields:\n  - name: a\n    required: true{beside}\n    # about the next\n  - {{name: b}}\n")
    take_key(document["fields"][0], "required")
    assert dump(document) == "fields:\n  - name: a\n    # about the next\n  - {name: b}\n"


LONG = "accepted:\n  by: A\n  at: '2026-06-01'\n  why: x\n  changes:\n    - one{}\n"
SHORT = "accepted: {{by: A, at: '2026-06-01', why: x}}{}\n"


@pytest.mark.parametrize("was", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("changes", [["two", "three"], []], ids=["long now", "short now"])
@pytest.mark.parametrize("beside", ["  # beside", ""])
def test_a_new_acceptance_leaves_what_stands_after_the_one_before(was: str, changes: list[str], beside: str) -> None:
    head = "stream: a/b\nversion: 1\nsource: {app_id: 1}\nkey: [id]\nfields:\n  - {name: id, source: id, type: int64, required: true}\n"
    text = head + was.format(beside) + "\n# how it drifts\ndrift: {added: ask}\n# the end\n"
    made = signed(text, 2, {"by": "B", "at": "2026-06-02", "why": "y", "changes": changes})
    tail = made[made.index("\n# how it drifts") :]
    assert tail == "\n# how it drifts\ndrift: {added: ask}\n# the end\n"
    again = signed(made, 3, {"by": "C", "at": "2026-06-03", "why": "z", "changes": changes[::-1]})
    assert again[again.index("\n# how it drifts") :] == tail


def test_another_value_of_the_same_length_keeps_the_comment_beside_it() -> None:
    document = load("options: [a, b]  # as in the app\nnext: 1\n")
    put(document, "options", "c")
    assert "# as in the app" in dump(document)


@pytest.mark.parametrize(
    "text",
    [
        "Orders [all of them]\n  since 2019",
        '"Orders {all}\n  since [2019]\n  and on"',
        "|\n  Orders [all of them]\n  since 2019",
        ">\n  Orders [all]\n  since 2019",
    ],
    ids=["plain", "quoted", "literal", "folded"],
)
def test_a_bracket_in_text_of_several_lines_is_text(text: str) -> None:
    document = load(f"title: {text}\nkey: [id]\n# the end\n")
    assert "\ue000" not in document["title"]
    assert YAML(typ="safe").load(dump(document)) == {"title": document["title"], "key": ["id"]}
    assert dump(document).endswith("key: [id]\n# the end\n")


def test_a_mapping_that_ends_on_a_line_of_its_own_stays_one_that_every_reader_reads() -> None:
    made = dump(load("fields:\n  - {name: a,\n     of: [x]\n    }\n# about the next\nrules: []\n"))
    assert made == "fields:\n  - {name: a, of: [x]}\n# about the next\nrules: []\n"
