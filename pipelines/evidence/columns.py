"""Seals read by columns: a year of a thousand streams becomes spans without one Python object a day."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.evidence.claims import Environment
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.places import Places
from pipelines.evidence.reading import Reading
from pipelines.evidence.reasons import Reason
from pipelines.evidence.spans import Span, endpoint_mark, merged

#: All of a seal that the gate decides by.
NAMES = ("seq", "environment", "subject", "day", "verdict", "contract", "endpoint", "reasons")
#: Worst first, as in ``spans.rank``.
_VERDICTS = ("red", "missing", "excused", "green")
_EXCUSED = _VERDICTS.index("excused")
_EPOCH = date(1970, 1, 1)
_EPOCH_ORDINAL = _EPOCH.toordinal()
#: Days from any date to one before all of them.
_BEFORE_ANY = 10_000_000
_POLICY = '"policy":"'
#: As many different policies are looked for one by one.
_FEW = 8
_WORDS = ("environment", "subject", "contract", "endpoint", "policy")


@dataclass(frozen=True)
class Seals:
    """Seal rows in chain order, as arrays of one length: ``words`` holds, for each of ``_WORDS``, its different values in the order they first
    appear, ``codes`` which of them each row has. ``days`` count from 1970, ``verdicts`` are numbers of ``_VERDICTS``."""

    seqs: Any
    days: Any
    verdicts: Any
    words: Mapping[str, Sequence[Any]]
    codes: Mapping[str, Any]
    reasons: Any
    #: Where each row's reasons stand in ``reasons``, which is never moved: lists are dear to move.
    told: Any

    def of(self, environment: Environment) -> Seals:
        """Those of one environment."""
        known = list(self.words["environment"])
        return self._where(self.codes["environment"] == (known.index(environment) if environment in known else -1))

    def digest(self, upto: int) -> bytes:
        """A hash of everything here that the gate decides by, of the rows up to number ``upto``."""
        count = int(np.searchsorted(self.seqs, upto, side="right"))
        told = hashlib.blake2b(digest_size=32)
        for array in (self.seqs, self.days, self.verdicts):
            told.update(np.ascontiguousarray(array[:count]).tobytes())
        for name in _WORDS:
            own = self.codes[name][:count]
            told.update(own.tobytes())
            told.update(json.dumps(list(self.words[name][: int(own.max()) + 1 if count else 0])).encode())
        bad = np.flatnonzero(self.verdicts[:count] < _EXCUSED)
        told.update(json.dumps(self._said(bad)).encode())
        return told.digest()

    def _said(self, rows: Any) -> list[Any]:
        """The reasons of some rows."""
        return self.reasons.take(pa.array(self.told[rows])).to_pylist()

    @cached_property
    def places(self) -> Places:
        """Where each newly sealed day stands in the chain."""
        if not len(self.seqs):
            return Places()
        highest = np.maximum.accumulate(self.days)
        fresh = np.flatnonzero(np.diff(highest, prepend=-_BEFORE_ANY) > 0)
        return Places(self.seqs[fresh].tolist(), [_EPOCH + timedelta(days=int(day)) for day in highest[fresh]])

    def spans(
        self,
        streams: Sequence[str],
        amended: frozenset[tuple[str, date]],
        excluded: Callable[[str, date, str], bool],
    ) -> Mapping[str, tuple[Span, ...]]:
        """The days of ``streams`` as spans, oldest first. ``amended`` are the days for which ``excluded`` is asked."""
        names = list(self.words["subject"])
        wanted = np.isin(np.array(names), list(streams)) if names else np.array([], dtype=bool)
        own = self._where(wanted[self.codes["subject"]])
        if not len(own.seqs):
            return {}
        # One number a row that sorts by stream, day and verdict. Stable, for the chain is in the order of days and streams already.
        least = own.days.min()
        place = (own.codes["subject"] * (own.days.max() - least + 1) + (own.days - least)) * len(_VERDICTS) + own.verdicts
        own = own._at(np.argsort(place, kind="stable"))
        # Of two seals of one day the worse, which sorts first.
        own = own._where((np.diff(own.codes["subject"], prepend=-1) != 0) | (np.diff(own.days, prepend=-_BEFORE_ANY) != 0))
        subject, day, verdict = own.codes["subject"], own.days, own.verdicts.copy()
        for stream, on in amended:
            code = names.index(stream) if stream in names else -1
            for at in np.flatnonzero((subject == code) & (day == (on - _EPOCH).days)):
                if excluded(stream, on, _VERDICTS[verdict[at]]):
                    verdict[at] = _EXCUSED
        new = (np.diff(day, prepend=-_BEFORE_ANY) != 1) | (verdict < _EXCUSED) | (np.diff(verdict, prepend=-1) != 0)
        for name in ("subject", "contract", "endpoint", "policy"):
            new |= np.diff(own.codes[name], prepend=-1) != 0
        starts = np.flatnonzero(new)
        ends = np.append(starts[1:], len(day))
        why = iter(own._said(starts[verdict[starts] < _EXCUSED]))
        policies = [str(word).removesuffix('"}') for word in own.words["policy"]]
        contracts, endpoints = own.words["contract"], own.words["endpoint"]
        known: dict[tuple[str, str], Reason] = {}
        found: dict[str, list[Span]] = defaultdict(list)
        of_span = (subject, day, verdict, *(own.codes[name] for name in ("policy", "contract", "endpoint")))
        for days, stream, first, rank, policy, contract, endpoint in zip(
            (ends - starts).tolist(), *(each[starts].tolist() for each in of_span), strict=True
        ):
            found[names[stream]].append(
                Span(
                    date.fromordinal(_EPOCH_ORDINAL + first),
                    days,
                    _VERDICTS[rank],
                    policies[policy],
                    contracts[contract],
                    endpoints[endpoint],
                    _why(next(why), known) if rank < _EXCUSED else None,
                )
            )
        return {stream: merged(each) for stream, each in found.items()}

    def _where(self, mask: Any) -> Seals:
        return self if mask.all() else self._at(np.flatnonzero(mask))

    def _at(self, order: Any) -> Seals:
        codes = {name: own[order] for name, own in self.codes.items()}
        return Seals(self.seqs[order], self.days[order], self.verdicts[order], self.words, codes, self.reasons, self.told[order])


def seals_of(table: pa.Table) -> Seals:
    """Seal rows with the columns ``NAMES``, in chain order. Raises LedgerBroken for one that no sealer wrote."""
    columns = {
        "environment": table["environment"],
        "subject": table["subject"],
        "contract": pc.struct_field(table["contract"], "fingerprint"),
        "endpoint": _endpoints(table),
    }
    coded = {name: _codes(column) for name, column in columns.items()} | {"policy": _policies(table)}
    days = table["day"].cast(pa.int32()).to_numpy().astype(np.int64)
    words = {name: words for name, (words, _) in coded.items()}
    codes = {name: codes for name, (_, codes) in coded.items()}
    seqs = table["seq"].to_numpy().astype(np.int64)
    reasons = _whole(table["reasons"])
    return Seals(seqs, days, _verdicts(table["verdict"], table["seq"]), words, codes, reasons, np.arange(len(seqs)))


def seal_columns(read: Reading, environment: Environment | None = None, upto: int | None = None) -> Seals:
    """The seals of an environment (all where none is named) that were read, as far as row ``upto`` where one is."""
    wanted = pc.field("kind") == "seal"
    if upto is not None:
        wanted &= pc.field("seq") <= upto
    found = seals_of(read.columns(NAMES, wanted, words=("environment", "subject", "verdict")))
    return found if environment is None else found.of(environment)


def _codes(column: Any) -> tuple[list[Any], Any]:
    """A column as its different values and the number of each row's; a null has a number of its own."""
    if pa.types.is_dictionary(column.type):
        return _renumbered(column)
    coded = pc.dictionary_encode(_whole(column), null_encoding="encode")
    return coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _renumbered(column: Any) -> tuple[list[Any], Any]:
    """The same of a column that was read as a dictionary, whose words stand in whatever order its files had them."""
    words: dict[Any, int] = {}
    codes = [np.empty(0, dtype=np.int64)]
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        own = chunk.dictionary.to_pylist()
        # A null is a word of its own, behind all others of its chunk.
        numbers = chunk.indices.fill_null(len(own)).to_numpy(zero_copy_only=False).astype(np.int64)
        seen, first = np.unique(numbers, return_index=True)
        known = np.full(len(own) + 1, -1, dtype=np.int64)
        for number in seen[np.argsort(first)].tolist():
            known[number] = words.setdefault(own[number] if number < len(own) else None, len(words))
        codes.append(known[numbers])
    return list(words), np.concatenate(codes)


def _whole(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _verdicts(column: Any, seqs: Any) -> Any:
    words, codes = _codes(column)
    numbers = np.array([_VERDICTS.index(word) if word in _VERDICTS else -1 for word in words], dtype=np.int64)[codes]
    unknown = numbers < 0
    if unknown.any():
        raise LedgerBroken("ledger.broken", seq=int(seqs.to_numpy()[unknown].min()), why="a seal with another word")
    return numbers


def _endpoints(own: pa.Table) -> Any:
    fingerprint, sandbox = pc.struct_field(own["endpoint"], "fingerprint"), pc.struct_field(own["endpoint"], "sandbox")
    return pc.if_else(sandbox, pc.binary_join_element_wise(endpoint_mark("", True), fingerprint, ""), fingerprint)


def _policies(own: pa.Table) -> tuple[list[Any], Any]:
    """What each seal was judged under: its first reason, as the sealer writes it. Any other form is nobody's policy and restarts the count."""
    silent = pc.less(pc.list_value_length(own["reasons"]), 1)
    if pc.any(silent).as_py():
        raise LedgerBroken("ledger.broken", seq=pc.min(own["seq"].filter(silent)).as_py(), why="a seal without a policy")
    # Only the first reason of each row: the lists' first values stand at their offsets.
    reasons = _whole(own["reasons"])
    params = pc.struct_field(reasons.values, "params").take(reasons.offsets[:-1]) if len(reasons) else pa.array([], pa.string())
    words: list[Any] = []
    codes = np.empty(len(params), dtype=np.int64)
    rows = np.arange(len(params))
    # Canonical JSON sorts its keys, and the policy's is the last. Few policies are ever in force, and an end is compared faster than cut off.
    while len(rows) and len(words) < _FEW:
        policy = str(params[0].as_py()).partition(_POLICY)
        if not policy[1]:
            raise LedgerBroken("ledger.broken", seq=own["seq"][int(rows[0])].as_py(), why="a seal without a policy")
        same = pc.fill_null(pc.ends_with(params, policy[1] + policy[2]), False)
        hit = same.to_numpy(zero_copy_only=False)
        codes[rows[hit]] = len(words)
        words.append(policy[2])
        rows, params = rows[~hit], params.filter(pc.invert(same))
    if not len(rows):
        return words, codes
    parts = pc.split_pattern(params, _POLICY, max_splits=1)
    strange = pc.fill_null(pc.not_equal(pc.list_value_length(parts), 2), True)
    if pc.any(strange).as_py():
        raise LedgerBroken(
            "ledger.broken", seq=pc.min(own["seq"].take(pa.array(rows)).filter(strange)).as_py(), why="a seal without a policy"
        )
    more, numbers = _codes(pc.list_element(parts, 1))
    codes[rows] = numbers + len(words)
    return words + more, codes


def _why(reasons: Sequence[Mapping[str, str]], known: dict[tuple[str, str], Reason]) -> Reason | None:
    """The first reason beside what a seal was judged under. A bad night gives many streams the same one: ``known`` are those read so far."""
    for each in reasons:
        code, params = each["code"], each["params"]
        if code != "seal.judged_under":
            found = known.get((code, params))
            if found is None:
                found = known[code, params] = Reason(code, json.loads(params))
            return found
    return None
