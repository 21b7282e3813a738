"""Replies to generated contracts as servers write them, and what goes wrong with them: in careless servers, and on the wire."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent))

from soap_contracts import GOOD, NS
from soap_oracle import ENVELOPES, Field, Shape
from soap_oracle_types import RANGES, TEXTS, BadValue, Facets, Kind, read, spaced

#: Text a row may hold wherever it is wanted: Japanese, full-width digits, signs that markup and Shift_JIS trip over.
WORDS = ("軸受", "ﾊﾝｶｸ", "１２３", "高い", "A&B", "a<b>c", "]]>", "\\~", " two  spaces ", "\tx\ny", "é", "𠮷野家", "－", "　", "x", "")
#: What servers write where a type forbids it (the sheet, 0.2 and 7.2), and what is nearly right.
NEARLY = (
    "12,5", "1.005", "2026/11/01", "0000-00-00", "Yes", "TRUE", "", " ", "-", "+", "NaN", "INF", "1e5", "0x10", "1_000", "１２", "9" * 39, "9" * 400,
    "-0", "+7", "007", "128", "-129", "32768", "2147483648", "9223372036854775808", "1.", ".5", "1.50", "0001-01-01", "2026-02-30", "2026-11-01Z",
    "2026-11-01T24:00:00", "2026-11-01T24:00:01Z", "2026-11-01T10:00:00", "2026-11-01T10:00:00.1234567Z", "2026-11-01T10:00:00+14:30",
    "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+09:00", "2026-11-01T10:00:60Z", "2026-11-01 10:00:00", "10:00", "24:00:01",
    "--02-30", "---32", "P", "P1YT", "PT1.5S", "YQ==", "YQ=", "YR==", "Y Q = =", "ZZ", "abc", "0a", "p:x", "nix:x", "p:", "none", "1 2 x", "1　2", "\u00a07",
)  # fmt: skip


#: What stands in an element that the contract leaves open.
_OPEN = (
    "", " ", "文", "a&amp;&#13;&lt;b", '<a xmlns="urn:a" b="1" a="&quot;&#9;"/>', "<p:x>1</p:x>末", '<z:q xmlns:z="urn:z" z:k="v" j="w"><!-- c -->t<![CDATA[<]]><z:q/></z:q>',
    "<Code>in</Code><Row_><Count>1</Count></Row_>", 'x<a xmlns=""><b xsi:nil="true"/></a>', "<!-- c -->", '<p:t xsi:type="xsd:int">7</p:t>', "<?pi x?>y",
    '<z:a xmlns:z="urn:z"><z:b xmlns:z="urn:y" z:c=""/></z:a>',
)  # fmt: skip


#: What stands in an element that holds itself: its attribute, its text, its texts, and what it holds.
_DEEP = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={"k": st.sampled_from(WORDS), "A": st.sampled_from(WORDS), "B": st.lists(st.none() | st.sampled_from(WORDS), max_size=3)},
    ),
    lambda inner: st.fixed_dictionaries({"Deep": st.none() | inner}, optional={"B": st.lists(st.sampled_from(WORDS), max_size=2)}),
    max_leaves=4,
)


def _laid_out(inside: Any, prefix: str) -> str:
    made = ""
    for name, value in inside.items():
        for one in value if isinstance(value, list) else [] if name == "k" else [value]:
            if one is None:
                made += f'<{prefix}{name} xsi:nil="true"/>'
            elif isinstance(one, dict):
                made += _whole(f"{prefix}{name}", "", one, prefix)
            else:
                made += f"<{prefix}{name}>{escape(one)}</{prefix}{name}>"
    return made


def _whole(name: str, said: str, inside: Any, prefix: str) -> str:
    k = f" k={quoteattr(inside['k'])}" if "k" in inside else ""
    return f"<{name}{said}{k}>{_laid_out(inside, prefix)}</{name}>"


def fits(text: str, kind: Kind) -> bool:
    """Whether the reference model takes the text as a value of the kind."""
    try:
        read(spaced(text, kind.xsd), kind, {None: NS, "p": NS})
    except BadValue:
        return False
    return True


def texts(kind: Kind) -> st.SearchStrategy[str]:
    """Good texts of the kind."""
    if kind.listed:
        return st.lists(st.integers(-5, 5), max_size=3).map(lambda items: " ".join(map(str, items)))
    if kind.facets.enumeration:
        return st.sampled_from(kind.facets.enumeration)
    if kind.xsd in RANGES:
        low, high = RANGES[kind.xsd]
        high = 10**20 if high is None else high
        high = high if kind.facets.max_inclusive is None else min(high, int(kind.facets.max_inclusive))
        return st.integers(min(-(10**20), high) if low is None else low, high).map(str)
    listed = st.sampled_from([text for text in (*GOOD.get(kind.xsd, ()), *WORDS, "AB", "0", "0.0001") if fits(text, kind)])
    if kind.xsd not in TEXTS or kind.xsd == "QName" or kind.facets != Facets():
        return listed
    return st.one_of(listed, st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=8))


@st.composite
def _element(draw: st.DrawFn, one: Field, prefix: str, unit: bool) -> str:
    """One value as servers write it: plain, in CDATA, by references, with comments between; or nil, empty, with a prefix of its own."""
    step = one.steps[-1]
    way = draw(st.integers(0, 19))
    slip = draw(st.integers(0, 59)) == 0
    nil = slip or any(step.nillable or not step.required for step in one.steps)
    own = "" if prefix else draw(st.sampled_from(["", "", "", "", "z:"]))
    name = f"{prefix or own}{step.name}"
    said = f' xmlns:z="{NS}"' if own else ""
    if unit:
        said += draw(st.sampled_from(["", ' unit="個"', " unit='A&amp;B'", ' unit=""']))
    if way == 0 and nil and not (one.required and not slip):
        return f'<{name}{said} xsi:nil="{draw(st.sampled_from(["true", "1"]))}"/>'
    if one.json:
        return _whole(name, said, draw(_DEEP), prefix)
    if one.xml:
        return f"<{name}{said}>{draw(st.sampled_from(_OPEN))}</{name}>"
    if way == 1 and (slip or fits("", one.kind) or one.default):
        return f"<{name}{said}/>"
    text = draw(st.sampled_from(NEARLY + WORDS) if slip else texts(one.kind))
    if one.fixed and not slip:
        text = one.fixed
    written = escape(text).replace("\r", "&#13;")
    if way == 2 and "]]>" not in text:
        written = f"<![CDATA[{text}]]>"
    elif way == 3:
        written = "".join(f"&#x{ord(sign):X};" if at % 2 else f"&#{ord(sign)};" for at, sign in enumerate(text))
    elif way == 4 and text:
        at = draw(st.integers(0, len(text)))
        between = draw(st.sampled_from(["<!-- コメント -->", "<?pi 中?>", "<![CDATA[]]>"]))
        written = escape(text[:at]) + between + escape(text[at:])
    elif way == 5:
        said += draw(st.sampled_from([' xsi:nil="false"', ' xsi:nil="0"', ' xsi:type="xsd:string"', ' a="1"']))
    return f"<{name}{said}>{written}</{name}>"


@st.composite
def _row(draw: st.DrawFn, shape: Shape, at: int, prefix: str) -> str:
    with_unit = {one.steps for one in shape.fields if one.attribute}
    own: list[str] = [f"<{prefix}Code>{at}</{prefix}Code>"]
    place: list[str] = []
    left_out: set[str] = set()
    for choice in shape.choices:
        # One branch, but for a server that is careless now and then.
        kept = draw(st.sampled_from([*choice.branches, *choice.branches, ()]))
        if draw(st.integers(0, 14)):
            left_out |= {name for names in choice.branches if names != kept for name in names}
    for one in shape.fields[1:]:
        if one.attribute or one.steps[0].name in left_out:
            continue
        times = draw(st.integers(0, 2)) if one.steps[-1].many else draw(st.sampled_from([1] if one.required else [0, 1, 1, 1, 1, 1]))
        for _ in range(times):
            (own if len(one.steps) == 1 else place).append(draw(_element(one, prefix, one.steps in with_unit)))
    if shape.turns is not None:
        own += [draw(_element(one, prefix, False)) for one in draw(st.lists(st.sampled_from(shape.turns.fields), max_size=4))]
    if place:
        own.append(f"<{prefix}Place>{''.join(place)}</{prefix}Place>")
    between = draw(
        st.sampled_from(["", "", "\n  ", "<!-- x -->", "<?pi y?>", f"<{prefix}New><{prefix}Deep>?</{prefix}Deep></{prefix}New>"])
    )
    return f"<{prefix}Row_>{between.join(own)}</{prefix}Row_>"


@dataclass(frozen=True)
class Written:
    """A reply as text before it is damaged and encoded."""

    text: str
    encoding: str


@st.composite
def replies(draw: st.DrawFn, shape: Shape) -> Written:
    prefix = draw(st.sampled_from(["", "", "p:"]))
    rows = [draw(_row(shape, at, prefix)) for at in range(draw(st.integers(0, 5)))]
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8", "utf-16", "Shift_JIS", "Windows-31J", "EUC-JP", "ISO-8859-1"]))
    head = draw(st.sampled_from([f'<?xml version="1.0" encoding="{encoding}"?>\n', "" if encoding in ("utf-8", "utf-16") else None]))
    head = head if head is not None else f"<?xml version='1.0' encoding='{encoding}' standalone='yes' ?>"
    bound = f'xmlns:p="{NS}"' if prefix else f'xmlns="{NS}" xmlns:p="{NS}"'
    gap = draw(st.sampled_from(["", "\n", "\r\n"]))
    code = draw(st.sampled_from(["OK"] * 20 + ["NOT_FOUND", "DENIED", "ERR"]))
    return Written(
        f'{head}<e:Envelope xmlns:e="{draw(st.sampled_from(ENVELOPES))}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xmlns:xsd="http://www.w3.org/2001/XMLSchema">{gap}<e:Body><{prefix}Read_Result {bound}><{prefix}Result><{prefix}Code>{code}</{prefix}Code>'
        f"</{prefix}Result><{prefix}Count>{len(rows)}</{prefix}Count><{prefix}List>{gap}{gap.join(rows)}{gap}</{prefix}List></{prefix}Read_Result>"
        f"</e:Body></e:Envelope>{gap}",
        encoding,
    )


def encoded(written: Written) -> bytes:
    """The reply's bytes. What its encoding can't write stands as a reference, as servers do it."""
    codec = {"Shift_JIS": "cp932", "Windows-31J": "cp932"}.get(written.encoding, written.encoding)
    return written.text.encode(codec, "xmlcharrefreplace")


# --- damage ------------------------------------------------------------------------------------------------------------------------------

_INSERTED = (
    "<!DOCTYPE e [<!ENTITY a 'b'>]>", "&a;", "&#0;", "&amp", "<!-- c -->", "<?pi x?>", "<![CDATA[", "]]>", "<b/>", "<b>", "</b>", "12,5", "Yes", "  ", "\u3000",
    "9" * 50, ' xsi:nil="true"', ' xsi:nil="yes"', ' xsi:type="p:Ghost"', ' xsi:type="nix:Ghost"', ' unit="2"', ' xmlns:p="urn:else"', ' xmlns=""', "\x00", "<", ">",
    "<d>" * 40 + "</d>" * 40, "<d>" * 320 + "</d>" * 320, "<p:Code>x</p:Code>", "<p:Row_/>", "<p:Count>1</p:Count>", "<p:List/>", "<e:Fault/>", "<e:Body/>",
)  # fmt: skip
_LEAF = re.compile(r"<([^\s<>/!?]+)((?:\s[^<>]*)?)>([^<>]*)</\1>")
_TAG = re.compile(r"</?([^\s<>/!?]+)[^<>]*>")
_ROW = re.compile(r"<(p:)?Row_>.*?</(p:)?Row_>", re.DOTALL)


@st.composite
def damaged_text(draw: st.DrawFn, text: str) -> str:
    """One change that a careless or broken server makes: the reply is often still XML afterwards."""
    way = draw(st.integers(0, 9))
    leaves, tags, rows = list(_LEAF.finditer(text)), list(_TAG.finditer(text)), list(_ROW.finditer(text))
    if way <= 2 and leaves:
        one = draw(st.sampled_from(leaves))
        new = [
            f"<{one[1]}{one[2]}>{escape(draw(st.sampled_from(NEARLY + WORDS)))}</{one[1]}>",
            "",
            one[0] * 2,
            f"<{one[1]}{one[2]} xsi:nil='true'>{one[3]}</{one[1]}>",
            f"<{one[1]}{one[2]}><b>{one[3]}</b></{one[1]}>",
            f"<{one[1]}{one[2]}>{one[3]}<b/>7</{one[1]}>",
            f"<X{one[2]}>{one[3]}</X>",
            one[3],
        ]
        return text[: one.start()] + draw(st.sampled_from(new)) + text[one.end() :]
    if way == 3 and len(leaves) > 1:
        at = draw(st.integers(0, len(leaves) - 2))
        a, b = leaves[at], leaves[at + 1]
        return text[: a.start()] + b[0] + text[a.end() : b.start()] + a[0] + text[b.end() :]
    if way == 4 and rows:
        one = draw(st.sampled_from(rows))
        new = ["", one[0] * 2, one[0].replace("Row_", "Row"), one[0].replace("Row_>", 'Row_ xsi:nil="true">', 1), f"<x>{one[0]}</x>"]
        return text[: one.start()] + draw(st.sampled_from(new)) + text[one.end() :]
    if way == 5 and tags:
        one = draw(st.sampled_from(tags))
        return text[: one.start(1)] + draw(st.sampled_from(["X", "p:Code", "Row_", "q:y", "e:Fault", ""])) + text[one.end(1) :]
    if way == 6 and tags:
        one = draw(st.sampled_from(tags))
        return text[: one.start()] + draw(st.sampled_from(_INSERTED)) + text[one.start() :]
    if way == 7 and tags:
        one = draw(st.sampled_from(tags))
        return text[: one.end() - 1] + draw(st.sampled_from(_INSERTED)) + text[one.end() - 1 :]
    if way == 8:
        old, new = draw(
            st.sampled_from(
                [("urn:fuzz", "urn:fuzy"), ("envelope", "envelop"), ("encoding=", "encoding ="), ("Count>", "count>"), ("e:", "f:")]
            )
        )
        return text.replace(old, new, draw(st.sampled_from([1, 2, -1])))
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.sampled_from(_INSERTED)) + text[at:]


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """One thing that goes wrong on the wire."""
    if not content:
        return content
    at, to = sorted((draw(st.integers(0, len(content) - 1)), draw(st.integers(0, len(content)))))
    way = draw(st.integers(0, 4))
    if way == 0:
        return content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]
    if way == 1:
        return content[:at]
    if way == 2:
        return content[:to] + content[at:to] + content[to:]
    if way == 3:
        return content[:at] + content[to:]
    return content[:at] + draw(st.binary(min_size=1, max_size=6)) + content[at:]


@st.composite
def damaged_replies(draw: st.DrawFn, shape: Shape) -> bytes:
    """A reply with none, one or several things wrong."""
    written = draw(replies(shape))
    for _ in range(draw(st.integers(0, 2))):
        written = replace(written, text=draw(damaged_text(written.text)))
    content = encoded(written)
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 0, 1, 1, 2]))):
        content = draw(damaged_bytes(content))
    return content
