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
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.places import Places
from pipelines.evidence.reasons import Reason
from pipelines.evidence.spans import Span, endpoint_mark, merged

#: All of a seal that the gate decides by.
NAMES = ("seq", "environment", "subject", "day", "verdict", "contract", "endpoint", "reasons")
#: Worst first, as in ``spans.rank``.
_VERDICTS = ("red", "missing", "excused", "green")
_EXCUSED = _VERDICTS.index("excused")
_EPOCH = date(1970, 1, 1)
#: Days from any date to one before all of them.
_BEFORE_ANY = 10_000_000
_POLICY = '"policy":"'
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
        told.update(json.dumps(self.reasons.take(pa.array(bad)).to_pylist()).encode())
        return told.digest()

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
        order = np.lexsort((own.verdicts, own.days, own.codes["subject"]))
        own = own._at(order)
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
        found: dict[str, list[Span]] = defaultdict(list)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            word = _VERDICTS[verdict[start]]
            policy, contract, endpoint = (own.words[name][own.codes[name][start]] for name in ("policy", "contract", "endpoint"))
            why = _why(own.reasons[start].as_py()) if word in ("red", "missing") else None
            first = _EPOCH + timedelta(days=int(day[start]))
            found[names[subject[start]]].append(Span(first, end - start, word, str(policy).removesuffix('"}'), contract, endpoint, why))
        return {stream: merged(each) for stream, each in found.items()}

    def _where(self, mask: Any) -> Seals:
        return self if mask.all() else self._at(np.flatnonzero(mask))

    def _at(self, order: Any) -> Seals:
        codes = {name: own[order] for name, own in self.codes.items()}
        return Seals(self.seqs[order], self.days[order], self.verdicts[order], self.words, codes, self.reasons.take(pa.array(order)))


def seals_of(table: pa.Table) -> Seals:
    """Seal rows with the columns ``NAMES``, in chain order. Raises LedgerBroken for one that no sealer wrote."""
    columns = {
        "environment": table["environment"],
        "subject": table["subject"],
        "contract": pc.struct_field(table["contract"], "fingerprint"),
        "endpoint": _endpoints(table),
        "policy": _policies(table),
    }
    coded = {name: _codes(column) for name, column in columns.items()}
    days = table["day"].cast(pa.int32()).to_numpy().astype(np.int64)
    words = {name: words for name, (words, _) in coded.items()}
    codes = {name: codes for name, (_, codes) in coded.items()}
    seqs = table["seq"].to_numpy().astype(np.int64)
    return Seals(seqs, days, _verdicts(table["verdict"], table["seq"]), words, codes, _whole(table["reasons"]))


def seal_columns(ledger: Ledger, environment: Environment | None = None) -> Seals:
    """The seals of an environment (all where none is named)."""
    found = seals_of(ledger.columns(NAMES, pc.field("kind") == "seal"))
    return found if environment is None else found.of(environment)


def _codes(column: Any) -> tuple[list[Any], Any]:
    """A column as its different values and the number of each row's; a null has a number of its own."""
    coded = pc.dictionary_encode(_whole(column), null_encoding="encode")
    return coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _whole(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _verdicts(column: Any, seqs: Any) -> Any:
    numbers = pc.index_in(column, value_set=pa.array(_VERDICTS))
    unknown = pc.is_null(numbers)
    if pc.any(unknown).as_py():
        raise LedgerBroken("ledger.broken", seq=pc.min(seqs.filter(unknown)).as_py(), why="a seal with another word")
    return numbers.to_numpy().astype(np.int64)


def _endpoints(own: pa.Table) -> Any:
    fingerprint, sandbox = pc.struct_field(own["endpoint"], "fingerprint"), pc.struct_field(own["endpoint"], "sandbox")
    return pc.if_else(sandbox, pc.binary_join_element_wise(endpoint_mark("", True), fingerprint, ""), fingerprint)


def _policies(own: pa.Table) -> Any:
    """What each seal was judged under: its first reason, as the sealer writes it. Any other form is nobody's policy and restarts the count."""
    silent = pc.less(pc.list_value_length(own["reasons"]), 1)
    if pc.any(silent).as_py():
        raise LedgerBroken("ledger.broken", seq=pc.min(own["seq"].filter(silent)).as_py(), why="a seal without a policy")
    # Only the first reason of each row: the lists' first values stand at their offsets.
    reasons = _whole(own["reasons"])
    params = pc.struct_field(reasons.values, "params").take(reasons.offsets[:-1]) if len(reasons) else pa.array([], pa.string())
    strange = pc.invert(pc.fill_null(pc.match_substring(params, _POLICY), False))
    if pc.any(strange).as_py():
        raise LedgerBroken("ledger.broken", seq=pc.min(_whole(own["seq"]).filter(strange)).as_py(), why="a seal without a policy")
    # Canonical JSON sorts its keys, and the policy's is the last.
    return pc.list_element(pc.split_pattern(params, _POLICY, max_splits=1), 1)


def _why(reasons: Sequence[Mapping[str, str]]) -> Reason | None:
    """The first reason beside what a seal was judged under."""
    told = next((each for each in reasons if each["code"] != "seal.judged_under"), None)
    return None if told is None else Reason(told["code"], json.loads(told["params"]))
