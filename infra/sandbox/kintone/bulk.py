"""An app of up to a million records that takes no room: every record is a function of its id until somebody changes it.

Field values repeat with two prime periods, so that whole stretches of a record's JSON are made once per form and only joined per record;
a page of 500 costs a fraction of a millisecond. A record that was changed or added lives in ``BulkRecords`` like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.sandbox.company.people import PEOPLE
from infra.sandbox.company.trade import customers, items
from infra.sandbox.kintone.forms import Field, system_fields

if TYPE_CHECKING:
    from infra.sandbox.kintone.store import App, Record

MOST_RECORDS = 1_000_000
#: Minutes between the oldest record and the newest: creation times grow with the ids, update times are the same.
SPAN_MINUTES = 900 * 24 * 60
_A, _B = 997, 1009
_KINDS = ("標準", "特注", "予備品", "修理")
_CERTAINTY = ("確定", "内示", "見込み")
_TAGS = ("至急", "分納可", "立会検査", "輸出")
_NOTES = (
    "納品書は2部必要です。受領印をいただいた控えを月末までに返送してください。",
    "午前中の納品をご希望です。\n前日までに担当者へ電話で到着予定をお伝えください。",
    "検査成績書を同梱してください。様式は先方指定のものを使います。",
    "",
    "前回と同じ取付寸法であることを図面で確認済みです。図面番号は件名にあります。",
)
_SUBJECTS = (
    "定期点検部品一式",
    "搬送ライン増設（第2期）",
    "治具の更新",
    "主軸ユニット交換",
    "検査工程の見直しに伴う手配",
    "試作品の追加分",
)

#: What a field's value is at a place of its period; keys without an entry depend on the id itself.
Maker = tuple[int, Callable[[int], Any]]


def bulk_fields() -> list[Field]:
    """Twenty fields: the five of the system and fifteen of the types that business apps are made of."""
    return [
        *system_fields(),
        Field("案件番号", "SINGLE_LINE_TEXT"),
        Field("件名", "SINGLE_LINE_TEXT"),
        Field("顧客名", "SINGLE_LINE_TEXT"),
        Field("製品コード", "SINGLE_LINE_TEXT"),
        Field("数量", "NUMBER"),
        Field("単価", "NUMBER"),
        Field("値引率", "NUMBER"),
        Field("受注日", "DATE"),
        Field("開始時刻", "TIME"),
        Field("納期", "DATETIME"),
        Field("区分", "DROP_DOWN", options=_KINDS),
        Field("確度", "RADIO_BUTTON", options=_CERTAINTY),
        Field("タグ", "CHECK_BOX", options=_TAGS),
        Field("担当者", "USER_SELECT"),
        Field("備考", "MULTI_LINE_TEXT"),
    ]


#: What the fields that depend on the id are in the comprehension of ``Rows.writer``.
_DYNAMIC = {"作成日時": "days[t // 1440], times[t % 1440]", "更新日時": "days[t // 1440], times[t % 1440]", "案件番号": "b'PJ-%07d' % n"}


_TIMES_OF_DAY = [b"T%02d:%02d:00Z" % divmod(minute, 60) for minute in range(1440)]


class _Days(dict[int, bytes]):
    """Days since 1970 as dates."""

    def __missing__(self, day: int) -> bytes:
        text = self[day] = datetime.fromtimestamp(day * 86_400, UTC).date().isoformat().encode()
        return text


class Rows:
    """The base records, ids 1 to ``count``, as values and as JSON. The newest was saved a day before ``made``."""

    def __init__(self, count: int, made: datetime, seed: int) -> None:
        if not 1 <= count <= MOST_RECORDS:
            raise ValueError(f"a bulk app holds 1 to {MOST_RECORDS} records, not {count}")
        self.count = count
        first = made - timedelta(days=1, minutes=SPAN_MINUTES)
        self._first = int(first.timestamp()) // 60
        self._days = _Days()
        #: Field key → {old option: new option}, for options that were renamed since.
        self.renamed: dict[str, dict[str, str]] = {}
        self._makers = _makers(seed)

    def minute(self, number: int) -> int:
        """When the record was made and last saved, in minutes since 1970."""
        return self._first + (number - 1) * SPAN_MINUTES // self.count

    def revision(self, number: int) -> int:
        return 1 + number % 3

    def values(self, number: int) -> dict[str, Any]:
        """What a stored record of this id holds."""
        day, time = divmod(self.minute(number), 1440)
        at = (self._days[day] + _TIMES_OF_DAY[time]).decode()
        found: dict[str, Any] = {"作成日時": at, "更新日時": at, "案件番号": f"PJ-{number:07d}"}
        for key, (period, make) in self._makers.items():
            found[key] = self._translated(key, make(number % period))
        return found

    def writer(self, app: App, codes: frozenset[str] | None, hidden: frozenset[str]) -> Callable[[Iterable[int]], list[bytes]]:
        """A function from ids to the records' JSON with these codes (None: all) less the hidden ones. Made anew when the form changes.

        It is one comprehension, put together as source: with a million records to serve, a loop over parts would be most of the cost.
        """
        known: dict[str, Any] = {"join": b"".join, "days": self._days, "times": _TIMES_OF_DAY}
        terms: list[str] = []
        last: tuple[int, list[bytes]] | None = None

        def constant(text: bytes) -> None:
            known[f"c{len(terms)}"] = text
            terms.append(f"c{len(terms)}")

        joint = b"{"
        for code, head, write in app.writers:
            if (codes is not None and code not in codes) or code in hidden:
                continue
            key = app.key_of(code)
            if key in self._makers:
                period, make = self._makers[key]
                pool = [joint + head + write(_loose(key, self._translated(key, make(place)))) for place in range(period)]
                if last is not None and last[0] == period:
                    last[1][:] = [before + after for before, after in zip(last[1], pool, strict=True)]
                else:
                    last = (period, pool)
                    known[f"p{len(terms)}"] = pool
                    terms.append(f"p{len(terms)}[n % {period}]")
            else:
                last = None
                term = _DYNAMIC.get(key, "s" if code == app.record_number else "")
                if term:
                    kind = _kind(app, code)
                    lead = b"" if kind != b"RECORD_NUMBER" or not app.code else f"{app.code}-".encode()
                    constant(joint + head + b'{"type":"' + kind + b'","value":"' + lead)
                    terms.append(term)
                    constant(b'"}')
                else:
                    constant(joint + head + write(_loose(key, None)))
            joint = b","
        if codes is None or "$id" in codes:
            constant(joint + b'"$id":{"type":"__ID__","value":"')
            terms.append("s")
            constant(b'"}')
            joint = b","
        if codes is None or "$revision" in codes:
            known["revisions"] = [joint + b'"$revision":{"type":"__REVISION__","value":"%d"}' % (1 + rest) for rest in range(3)]
            terms.append("revisions[n % 3]")
            joint = b","
        constant(b"{}" if joint == b"{" else b"}")
        time = f"for t in ({self._first} + (n - 1) * {SPAN_MINUTES} // {self.count},)"
        return eval(f"lambda ids: [join(({', '.join(terms)},)) for n in ids for s in (b'%d' % n,) {time}]", known)

    def _translated(self, key: str, value: Any) -> Any:
        names = self.renamed.get(key)
        if not names:
            return list(value) if isinstance(value, list) else value
        return [names.get(one, one) for one in value] if isinstance(value, list) else names.get(value, value)


class BulkRecords:
    """The records of a bulk app by id, in the ways the rest of the server asks for them."""

    def __init__(self, rows: Rows, make: Callable[[int, dict[str, Any], int], Record]) -> None:
        self.rows = rows
        #: Records that were changed or added.
        self.own: dict[int, Record] = {}
        self._gone: set[int] = set()
        self._make = make

    @property
    def untouched(self) -> bool:
        """Whether every record is still as it was made."""
        return not self.own and not self._gone

    def __contains__(self, number: object) -> bool:
        return number in self.own or (isinstance(number, int) and 1 <= number <= self.rows.count and number not in self._gone)

    def __getitem__(self, number: int) -> Record:
        if number in self.own:
            return self.own[number]
        if number not in self:
            raise KeyError(number)
        return self._make(number, self.rows.values(number), self.rows.revision(number))

    def get(self, number: int) -> Record | None:
        try:
            return self[number]
        except KeyError:
            return None

    def __setitem__(self, number: int, record: Record) -> None:
        self.own[number] = record
        self._gone.discard(number)

    def __delitem__(self, number: int) -> None:
        if number not in self:
            raise KeyError(number)
        self.own.pop(number, None)
        self._gone.add(number)

    def __len__(self) -> int:
        return self.rows.count - len(self._gone) + sum(number > self.rows.count for number in self.own)

    def values(self) -> Iterator[Record]:
        for number in range(1, self.rows.count + 1):
            if number not in self._gone:
                yield self[number]
        yield from [one for number, one in self.own.items() if number > self.rows.count]


def _kind(app: App, code: str) -> bytes:
    return next(one.type for one in app.fields if one.code == code).encode()


class _Loose(dict[str, Any]):
    """One field's value where a writer expects a whole record."""

    @property
    def values(self) -> dict[str, Any]:  # type: ignore[override]
        return self


def _loose(key: str, value: Any) -> Any:
    return _Loose() if value is None else _Loose({key: value})


def _makers(seed: int) -> dict[str, Maker]:
    staff = [one.login for one in PEOPLE if not one.guest]
    partners, goods = customers(seed), items(seed)
    day = datetime(2025, 1, 6, tzinfo=UTC)
    return {
        "作成者": (_A, lambda at: staff[at % len(staff)]),
        "更新者": (_A, lambda at: staff[at * 7 % len(staff)]),
        "件名": (_A, lambda at: f"{_SUBJECTS[at % len(_SUBJECTS)]} 図面{at:04d}"),
        "顧客名": (_A, lambda at: partners[at * 31 % len(partners)].name),
        "製品コード": (_A, lambda at: goods[at * 17 % len(goods)].code),
        "数量": (_A, lambda at: str(1 + at % 60)),
        "単価": (_A, lambda at: f"{at * 137 % 90_000 + 120}.{at % 100:02d}"),
        "値引率": (_A, lambda at: "" if at % 5 == 0 else f"{at % 30}.5"),
        "受注日": (_B, lambda at: (day + timedelta(days=at % 360)).date().isoformat()),
        "開始時刻": (_B, lambda at: None if at % 9 == 0 else f"{8 + at % 10:02d}:{at % 4 * 15:02d}"),
        "納期": (_B, lambda at: (day + timedelta(days=at % 400, hours=at % 9)).strftime("%Y-%m-%dT%H:%M:00Z") if at % 11 else ""),
        "区分": (_B, lambda at: _KINDS[at % 4] if at % 13 else None),
        "確度": (_B, lambda at: _CERTAINTY[at % 3]),
        "タグ": (_B, lambda at: [tag for place, tag in enumerate(_TAGS) if at >> place & 1 and at % 3]),
        "担当者": (_B, lambda at: [staff[at % len(staff)]] if at % 7 else [staff[at % len(staff)], staff[(at + 5) % len(staff)]]),
        "備考": (_B, lambda at: _NOTES[at % len(_NOTES)]),
    }
