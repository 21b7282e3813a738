"""A second, plain reader of SOAP replies for tests: bytes in, typed rows and rejected rows out, or the error it must end in.

Written from the protocol sheet (sections 0, 2 and 7) and the XML and XSD recommendations alone. It holds the whole tree in memory and knows
nothing of the connector, so that the two can only agree by both being right. What the sheet leaves open is listed in ``odd``: a reader may
then refuse the reply as a whole, but when it gives rows they must be these.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from xml.parsers import expat

from lxml import etree
from soap_oracle_types import LISTS, TEXTS, BadValue, Kind, Value, read, spaced

ENVELOPES = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")
XSI = "http://www.w3.org/2001/XMLSchema-instance"
#: The sheet (7.13): depth 300 is refused. Between these two a reader may refuse, and above the last two it may, where nobody wants the text.
USUAL_DEPTH, MAX_DEPTH, MAX_TEXT = 64, 299, 5_000_000
#: Names under which Windows-31J travels; Python's cp932 is the reading of all of them (the sheet, 0.7 and 7.10).
SHIFT_JIS = frozenset(
    {"shift_jis", "shift-jis", "sjis", "x-sjis", "ms_kanji", "csshiftjis", "windows-31j", "cswindows31j", "ms932", "cp932"}
)


@dataclass(frozen=True)
class Step:
    """An element on the way to a value: how often it may stand there, and whether it may be nil."""

    name: str
    required: bool = True
    nillable: bool = False
    many: bool = False


@dataclass(frozen=True)
class Field:
    """A column: the steps from the row to its element, or to the element whose attribute it is; what its text must be."""

    column: str
    steps: tuple[Step, ...]
    kind: Kind
    attribute: str | None = None
    required: bool = False
    """The contract wants a value in every row."""
    default: str | None = None
    fixed: str | None = None
    xml: bool = False
    """The element may hold elements, and the column has all of its inside as XML."""
    json: bool = False
    """The same, of a type with the elements ``A`` (a text), ``B`` (texts, any number) and ``Deep`` (another one), as JSON."""


@dataclass(frozen=True)
class OneOf:
    """A choice in a row: branches as names of their elements, whether one must come, and the column that says which one did, if any."""

    branches: tuple[tuple[str, ...], ...]
    required: bool
    column: str = ""


@dataclass(frozen=True)
class Turns:
    """Elements that repeat together, as a list in the order of the document: its column, the one in it that says which came, and theirs."""

    column: str
    branch: str
    fields: tuple[Field, ...]


#: What may stand in an element, by local name; None where the contract leaves that open.
Tree = Mapping[str, "Tree | None"]


@dataclass(frozen=True)
class Shape:
    """Where things lie in a reply: names are local, all of ``namespace``; paths lead down from the Body's first child."""

    namespace: str
    wrapper: str
    rows: tuple[str, ...]
    fields: tuple[Field, ...]
    ok: tuple[str, ...] = ()
    ok_values: tuple[str, ...] = ()
    empty_values: tuple[str, ...] = ()
    refused_values: tuple[str, ...] = ()
    count: tuple[str, ...] = ()
    type_column: str = ""
    row_types: tuple[str, ...] = ()
    """The column that says which type a row has by xsi:type, if any, and the types that a row may say it has, as ``{namespace}local``."""
    null_values: tuple[str, ...] = ()
    empty_as_null: bool = False
    choices: tuple[OneOf, ...] = ()
    turns: Turns | None = None
    known: Tree | None = None
    """What may stand below the wrapper. Without it, unknown elements are not counted."""


@dataclass(frozen=True)
class Rejected:
    """A row that can't be typed: its number from 1, and every column that is wrong (a reader may name any one of them)."""

    number: int
    columns: frozenset[str]


@dataclass(frozen=True)
class Rows:
    rows: tuple[Mapping[str, Value], ...]
    rejected: tuple[Rejected, ...]
    odd: tuple[str, ...] = ()
    told: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """What has to be said of the reply beside its rows: ``("unknown", name)``, and ``("value.absent", column)``, ``nil`` and ``empty`` of the
    columns in which more than one of these came (the sheet, 2 and 7.3)."""


@dataclass(frozen=True)
class Failure:
    """The reply as a whole ends in this class of error (or one below it) of connectors/errors.py."""

    error: str
    why: str


class _Refused(Exception):
    def __init__(self, error: str, why: str) -> None:
        self.failure = Failure(error, why)


class _Disagree(Exception):
    """One parser reads what another refuses (a namespace that is no URI)."""


@dataclass
class _Notes:
    odd: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Unsure:
    """Two XML parsers of good standing disagree whether this is a document at all, so the model has no opinion."""

    why: str


def judge(content: bytes, shape: Shape) -> Rows | Failure | Unsure:
    """What a right reader makes of a reply that came with HTTP 200 and an XML media type without a charset."""
    notes = _Notes()
    try:
        body = _body(_tree(content, notes), notes)
        return _judged(body, shape, notes)
    except _Disagree as error:
        return Unsure(str(error))
    except _Refused as refused:
        # Where something was odd before, a reader may have stopped there.
        return replace(refused.failure, error="SourceError") if notes.odd else refused.failure


# --- bytes to a tree ---------------------------------------------------------------------------------------------------------------------


def _text(content: bytes, notes: _Notes) -> str:
    """The reply's characters. A byte order mark decides, then the declaration, then UTF-8 (XML 1.0 appendix F, RFC 7303)."""
    marks = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
    encoding = next((name for mark, name in marks if content.startswith(mark)), None)
    start = next((len(mark) for mark, name in marks if content.startswith(mark)), 0)
    if encoding is None:
        encoding = {b"<\x00": "utf-16-le", b"\x00<": "utf-16-be"}.get(content[:2])
    said = re.match(rb"<\?xml\s[^>]*?encoding\s*=\s*[\"']([A-Za-z][A-Za-z0-9._\-]*)[\"']", content[start:][:200])
    if encoding is not None and (encoding == "utf-8" and said is not None and said.group(1).lower() not in (b"utf-8", b"utf8")):
        notes.odd.append("a byte order mark and a declaration that contradict")
    if encoding is None:
        encoding = said.group(1).decode().lower() if said is not None else "utf-8"
        if encoding.startswith("utf-16"):
            raise _Refused("BrokenReply", "says UTF-16 and is not")
    try:
        return content[start:].decode("cp932" if encoding in SHIFT_JIS else encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise _Refused("BrokenReply", f"encoding: {error}") from error


def _expat_reads(plain: bytes) -> bool:
    try:
        expat.ParserCreate("UTF-8", "}").Parse(plain, True)
    except expat.ExpatError:
        return False
    return True


def _tree(content: bytes, notes: _Notes) -> etree._Element:
    text = re.sub(r"^(<\?xml\s[^>]*?)\s+encoding\s*=\s*[\"'][A-Za-z][A-Za-z0-9._\-]*[\"']", r"\1", _text(content, notes), count=1)
    plain = text.encode("utf-8", "surrogatepass")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, recover=False)
    try:
        root = etree.fromstring(plain, parser)
    except etree.XMLSyntaxError as error:
        if _expat_reads(plain):
            raise _Disagree(str(error)) from error
        raise _Refused("BrokenReply", f"XML: {error}") from error
    if not _expat_reads(plain):
        # Letters that only the fifth edition of XML 1.0 allows in names, for one.
        notes.odd.append("two parsers disagree")
    if root.getroottree().docinfo.internalDTD is not None:
        raise _Refused("BrokenReply", "DOCTYPE")
    depth = max(len(list(element.iterancestors())) + 1 for element in root.iter())
    longest = max(len(_own_text(element)) for element in root.iter())
    if depth > MAX_DEPTH:
        raise _Refused("BrokenReply", "deeper than any reply")
    if depth > USUAL_DEPTH or longest > MAX_TEXT:
        notes.odd.append("near the limits")
    return root


# --- the envelope ------------------------------------------------------------------------------------------------------------------------


def _children(element: etree._Element) -> list[etree._Element]:
    """Child elements, comments and processing instructions left out."""
    return [child for child in element if isinstance(child.tag, str)]


def _own_text(element: etree._Element) -> str:
    """Character data directly inside of the element, whatever stands between."""
    return (element.text or "") + "".join(child.tail or "" for child in element)


def _body(root: etree._Element, notes: _Notes) -> etree._Element:
    space = next((name for name in ENVELOPES if root.tag == f"{{{name}}}Envelope"), None)
    if space is None:
        raise _Refused("BrokenReply", "no envelope")
    bodies = [child for child in _children(root) if child.tag == f"{{{space}}}Body"]
    if not bodies:
        raise _Refused("BrokenReply", "no body")
    if len(bodies) > 1:
        notes.odd.append("more than one body")
    if any(child.tag not in (f"{{{space}}}Header", f"{{{space}}}Body") for child in _children(root)):
        notes.odd.append("an element beside Header and Body")
    inside = [child for body in bodies for child in _children(body)]
    if not inside:
        raise _Refused("BrokenReply", "nothing in the body")
    if any(child.tag == f"{{{space}}}Fault" for child in inside):
        if inside[0].tag != f"{{{space}}}Fault" or len(inside) > 1:
            raise _Refused("SourceError", "a fault beside something else")
        raise _Refused("SourceError", "fault")
    if len(inside) > 1:
        notes.odd.append("more than one element in the body")
    return inside[0]


def _judged(wrapper: etree._Element, shape: Shape, notes: _Notes) -> Rows | Failure:
    if wrapper.tag != f"{{{shape.namespace}}}{shape.wrapper}":
        raise _Refused("BrokenReply", f"{wrapper.tag} is not the reply")
    rows = _along([wrapper], shape.rows, shape)
    if len(_along([wrapper], shape.rows[:-1], shape)) > 1:
        notes.odd.append("more than one list of rows")
    empty = False
    if shape.ok:
        said = _scalar(wrapper, shape.ok, shape, notes)
        counts = _along([wrapper], shape.count, shape) if shape.count else []
        if len(counts) > 1:
            # What says two things of one is damaged, whatever its code says.
            notes.odd.append("more than one count")
        if said in shape.refused_values:
            whole = all(not _children(one) for one in counts)
            raise _Refused("AccessRefused" if whole else "SourceError", said)
        empty = said in shape.empty_values
        if not empty and said not in shape.ok_values:
            raise _Refused("SourceError", f"the application says {said}")
    if shape.count and not empty:
        said = _scalar(wrapper, shape.count, shape, notes).strip(" \t\r\n")
        if said.startswith("+"):
            notes.odd.append("a count with a sign")
        if not re.fullmatch(r"\+?[0-9]+", said):
            raise _Refused("BrokenReply", f"{said!r} is no count")
        if int(said) != len(rows):
            raise _Refused("BrokenReply", f"{said} rows said, {len(rows)} sent")
    if empty and rows:
        notes.odd.append("rows where the application says that there are none")
    made = _typed(rows, shape, notes)
    told = Counter[tuple[str, str]]()
    if shape.known is not None:
        _count_unknown(wrapper, shape.known, shape, told)
        for column in shape.fields:
            ways = Counter(way for row in rows if (way := _missing(row, column, shape)))
            told.update({(f"value.{way}", column.column): count for way, count in ways.items()} if len(ways) > 1 else {})
    return replace(made, told=dict(told))


def _count_unknown(element: etree._Element, known: Tree, shape: Shape, told: Counter[tuple[str, str]]) -> None:
    for child in _children(element):
        space, _, name = child.tag.rpartition("}")
        if space != f"{{{shape.namespace}" or name not in known:
            told["unknown", name] += 1
        elif (inside := known[name]) is not None:
            _count_unknown(child, inside, shape, told)


def _missing(row: etree._Element, column: Field, shape: Shape) -> str | None:
    """Why the column has no text in the row: absent, nil or empty; None where it has one, or what is no value."""
    try:
        here = [row]
        for step in column.steps[:-1]:
            here = [child for parent in here for child in _once(parent, step, shape)]
        last = column.steps[-1]
        found = [child for parent in here for child in (_named if last.many else _once)(parent, last, shape)]
        if not found or last.many:
            return None if found else "absent"
        (element,) = found
        if column.attribute:
            text = element.get(column.attribute)
            return "absent" if text is None else "empty" if not text else None
        if _is_nil(element):
            return "nil"
        if column.json:
            return None
        return "empty" if not _children(element) and not _own_text(element) else None
    except BadValue:
        return None


def _along(start: Sequence[etree._Element], path: Sequence[str], shape: Shape) -> list[etree._Element]:
    here = list(start)
    for name in path:
        here = [child for element in here for child in _children(element) if child.tag == f"{{{shape.namespace}}}{name}"]
    return here


def _scalar(wrapper: etree._Element, path: Sequence[str], shape: Shape, notes: _Notes) -> str:
    found = _along([wrapper], path, shape)
    if len(found) != 1 or _children(found[0]) or found[0].get(f"{{{XSI}}}nil", "false").strip() not in ("false", "0"):
        raise _Refused("SourceError", f"{len(found)} values at {'/'.join(path)}, or none that can be read")
    text = _own_text(found[0])
    if text != text.strip():
        notes.odd.append("space around a scalar")
    return text.strip()


# --- rows --------------------------------------------------------------------------------------------------------------------------------


def _typed(rows: Sequence[etree._Element], shape: Shape, notes: _Notes) -> Rows:
    good: list[Mapping[str, Value]] = []
    bad: list[Rejected] = []
    for number, row in enumerate(rows, 1):
        if row.get(f"{{{XSI}}}nil", "false").strip(" \t\r\n") not in ("false", "0"):
            raise _Refused("BrokenReply", "a row that is nil")
        values: dict[str, Value] = {}
        wrong: set[str] = set()
        for column in shape.fields:
            try:
                values[column.column] = _cell(row, column, shape)
            except BadValue:
                wrong.add(column.column)
        for choice in shape.choices:
            made = [names[0] for names in choice.branches if any(_named(row, Step(name), shape) for name in names)]
            if len(made) > 1 or (choice.required and not made):
                wrong |= {choice.column, "$branch"}
            elif choice.column:
                values[choice.column] = made[0] if made else None
        if shape.turns is not None:
            try:
                values[shape.turns.column] = _turns(row, shape.turns, shape)
            except BadValue:
                wrong.add(shape.turns.column)
        kind = row.get(f"{{{XSI}}}type")
        said = None if kind is None else _type_name(kind, row)
        if shape.type_column:
            values[shape.type_column] = said
        if said is not None and said not in shape.row_types:
            # The sheet (7.21): a type that is none of the declared ones is an error, whoever asks for it.
            wrong.add(shape.type_column or "@xsi:type")
        if wrong:
            bad.append(Rejected(number, frozenset(wrong)))
        else:
            good.append(values)
    return Rows(tuple(good), tuple(bad), tuple(notes.odd))


def _turns(row: etree._Element, turns: Turns, shape: Shape) -> Value:
    by_tag = {f"{{{shape.namespace}}}{one.steps[0].name}": one for one in turns.fields}
    none: dict[str, Value] = {one.column: None for one in turns.fields}
    items = [(child, by_tag[str(child.tag)]) for child in _children(row) if child.tag in by_tag]
    made: list[Value] = [{**none, turns.branch: one.steps[0].name, one.column: _value(child, one, shape)} for child, one in items]
    return made or None


def _type_name(name: str, row: etree._Element) -> str:
    """``{namespace}local`` by the prefixes in scope at the row; as written where the prefix means nothing."""
    prefix, colon, local = name.strip(" \t\r\n").rpartition(":")
    space = row.nsmap.get(prefix if colon else None)
    return f"{{{space}}}{local}" if space else name


def _cell(row: etree._Element, column: Field, shape: Shape) -> Value:
    parents = [row]
    for step in column.steps[:-1]:
        parents = [child for parent in parents for child in _once(parent, step, shape)]
    last = column.steps[-1]
    if last.many:
        items = [child for parent in parents for child in _named(parent, last, shape)]
        if not items and column.required:
            raise BadValue("required")
        return [_value(item, column, shape) for item in items] if items else None
    value: Value = None
    for parent in parents:
        for element in _once(parent, last, shape):
            value = _attribute(element, column, shape) if column.attribute else _value(element, column, shape)
    if value is None and column.required:
        raise BadValue("required")
    return value


def _named(parent: etree._Element, step: Step, shape: Shape) -> list[etree._Element]:
    return [child for child in _children(parent) if child.tag == f"{{{shape.namespace}}}{step.name}"]


def _once(parent: etree._Element, step: Step, shape: Shape) -> list[etree._Element]:
    """The element of this step, or nothing where it is absent: whether a value has to be there is the contract's word (``required``)."""
    found = _named(parent, step, shape)
    if len(found) > 1:
        raise BadValue(f"{step.name} stands there {len(found)} times")
    return found


def _is_nil(element: etree._Element) -> bool:
    """Raises BadValue for a nil that is no boolean, or a nil element with something in it."""
    said = element.get(f"{{{XSI}}}nil")
    if said is None or said.strip(" \t\r\n") in ("false", "0"):
        return False
    # XSD wants a nil element empty; the white space of a layout is let pass.
    if said.strip(" \t\r\n") not in ("true", "1") or _children(element) or _own_text(element).strip(" \t\r\n"):
        raise BadValue("nil that is none")
    return True


def tree(element: etree._Element) -> tuple[Value, ...]:
    """The inside of an element, whatever prefixes it is written with: texts, and elements by name, attributes and inside."""
    parts: list[Value] = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str):
            said = {key: _type_name(value, child) if key == f"{{{XSI}}}type" else value for key, value in child.attrib.items()}
            parts += [(child.tag, tuple(sorted(said.items())), tree(child)), child.tail or ""]
        else:
            # A comment and an instruction are nothing: the text goes on behind them.
            parts[-1] = f"{parts[-1]}{child.tail or ''}"
    return tuple(parts)


#: What stands for a value that the contract says nothing of: that it is there is all that is compared.
SOMETHING = "?"


def laid_out(element: etree._Element, shape: Shape) -> Value:
    """The inside of a ``Field.json``. The sheet says JSON and no more; that lists, keys and nulls are so is the connector's word."""
    made: dict[str, Value] = {}
    for name, value in element.attrib.items():
        space, _, local = str(name).rpartition("}")
        if name == f"{{{XSI}}}type":
            made["@xsi:type"] = _type_name(str(value), element)
        elif space[1:] not in (XSI, *ENVELOPES, "http://schemas.xmlsoap.org/soap/encoding/", "http://www.w3.org/2003/05/soap-encoding"):
            known = {"": "", "{http://www.w3.org/XML/1998/namespace": "xml:"}.get(space, f"{space}}}")
            made[f"@{known}{local}"] = str(value)
    lists: dict[str, list[Value]] = {}
    for child in _children(element):
        space, _, local = str(child.tag).rpartition("}")
        ours = space == f"{{{shape.namespace}"
        if not ours or local not in ("A", "B", "Deep"):
            _is_nil(child)
            lists.setdefault(local if ours else f"{space or '{'}}}{local}", []).append(SOMETHING)
            continue
        value = None if _is_nil(child) else laid_out(child, shape) if local == "Deep" else _own_text(child)
        if local != "Deep" and _children(child):
            raise BadValue("an element inside of a value")
        if local != "B" and local in made:
            raise BadValue(f"{local} twice")
        if local == "B":
            lists.setdefault("B", []).append(value)
        else:
            made[local] = value
    if _own_text(element).strip(" \t\r\n"):
        made["#text"] = _own_text(element)
    return {**made, **lists}


def _attribute(element: etree._Element, column: Field, shape: Shape) -> Value:
    text = element.get(column.attribute or "")
    return None if text is None else _convert(text, element, column, shape)


def _value(element: etree._Element, column: Field, shape: Shape) -> Value:
    if _is_nil(element):
        if not any(step.nillable or not step.required for step in column.steps):
            raise BadValue("nil where the contract allows none")
        return None
    if column.xml:
        return tree(element)
    if column.json:
        return laid_out(element, shape)
    if _children(element):
        raise BadValue("an element inside of a value")
    text = _own_text(element)
    if not text and column.default is not None:
        text = column.default
    value = _convert(text, element, column, shape)
    if column.fixed is not None and value != _convert(column.fixed, element, column, shape):
        raise BadValue("not the fixed value")
    return value


def _convert(text: str, element: etree._Element, column: Field, shape: Shape) -> Value:
    kind = column.kind
    plain = spaced(text, kind.xsd)
    if kind.xsd not in TEXTS and kind.xsd not in LISTS and not kind.listed:
        if plain in shape.null_values:
            return None
        if not plain and shape.empty_as_null:
            return None
    return read(plain, kind, dict(element.nsmap))
