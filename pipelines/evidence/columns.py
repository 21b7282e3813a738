"""Seals read by columns: a year of a thousand streams becomes spans without one Python object a day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.evidence.claims import Environment
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.ledger import Ledger, reasons_of
from pipelines.evidence.places import Places
from pipelines.evidence.reasons import Reason
from pipelines.evidence.spans import Span, endpoint_mark, merged, rank

_NAMES = ("seq", "environment", "subject", "day", "verdict", "contract", "endpoint", "reasons")
_VERDICTS = ("red", "missing", "excused", "green")
_EPOCH = date(1970, 1, 1)
#: Days from any date to one before all of them.
_BEFORE_ANY = 10_000_000
_POLICY = r'"policy":"(?P<policy>[^"]*)"'


@dataclass(frozen=True)
class SealColumns:
    """The seal rows of one environment in chain order, as the ledger's columns."""

    table: pa.Table

    @property
    def places(self) -> Places:
        """Where each newly sealed day stands in the chain."""
        seqs, days = self.table["seq"].to_numpy(), self._days()
        highest = np.maximum.accumulate(days) if len(days) else days
        fresh = np.flatnonzero(np.diff(highest, prepend=-_BEFORE_ANY) > 0) if len(days) else np.array([], dtype=np.int64)
        return Places(seqs[fresh].tolist(), [_EPOCH + timedelta(days=int(day)) for day in highest[fresh]])

    def spans(
        self,
        streams: Sequence[str],
        amended: frozenset[tuple[str, date]],
        excluded: Callable[[str, date, str], bool],
    ) -> Mapping[str, tuple[Span, ...]]:
        """The days of ``streams`` as spans, oldest first. ``amended`` are the days for which ``excluded`` is asked."""
        own = self.table.filter(pc.field("subject").isin(pa.array(sorted(set(streams)), pa.string())))
        if not len(own):
            return {}
        names, subject = _codes(own["subject"])
        day = own["day"].combine_chunks().cast(pa.int32()).to_numpy(zero_copy_only=False).astype(np.int64)
        verdict = _verdicts(own["verdict"], own["seq"])
        order = np.lexsort((verdict, day, subject))
        # Of two seals of one day the worse, which sorts first.
        first = np.ones(len(order), dtype=bool)
        first[1:] = (np.diff(subject[order]) != 0) | (np.diff(day[order]) != 0)
        order = order[first]
        own = own.take(pa.array(order))
        subject, day, verdict = subject[order], day[order], verdict[order]
        for stream, on in amended:
            code = names.index(stream) if stream in names else -1
            for at in np.flatnonzero((subject == code) & (day == (on - _EPOCH).days)):
                if excluded(stream, on, _VERDICTS[verdict[at]]):
                    verdict[at] = _VERDICTS.index("excused")
        contracts, contract = _codes(pc.struct_field(own["contract"], "fingerprint"))
        endpoints, endpoint = _codes(_endpoints(own))
        policies, policy = _codes(_policies(own))
        said = np.diff(np.array([subject, contract, endpoint, policy, verdict]), prepend=-2)
        starts = np.flatnonzero((said != 0).any(axis=0) | (np.diff(day, prepend=-9) != 1) | (verdict < _VERDICTS.index("excused")))
        ends = np.append(starts[1:], len(day))
        found: dict[str, list[Span]] = defaultdict(list)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            word = _VERDICTS[verdict[start]]
            found[cast(str, names[subject[start]])].append(
                Span(
                    _EPOCH + timedelta(days=int(day[start])),
                    end - start,
                    word,
                    cast(str, policies[policy[start]]),
                    contracts[contract[start]],
                    endpoints[endpoint[start]],
                    _why(own["reasons"][start].as_py()) if word in ("red", "missing") else None,
                )
            )
        return {stream: merged(each) for stream, each in found.items()}

    def _days(self) -> Any:
        return self.table["day"].cast(pa.int32()).to_numpy().astype(np.int64)


def seal_columns(ledger: Ledger, environment: Environment | None = None) -> SealColumns:
    """The seal rows of an environment (all where none is named)."""
    wanted = pc.field("kind") == "seal"
    if environment is not None:
        wanted = wanted & (pc.field("environment") == environment)
    return SealColumns(ledger.columns(_NAMES, wanted))


def _codes(column: Any) -> tuple[list[Any], Any]:
    """A column as its different values and the number of each row's; a null has a number of its own."""
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    coded = pc.dictionary_encode(flat, null_encoding="encode")
    return coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _verdicts(column: Any, seqs: Any) -> Any:
    numbers = pc.index_in(column, value_set=pa.array(_VERDICTS))
    unknown = pc.is_null(numbers)
    if pc.any(unknown).as_py():
        raise LedgerBroken("ledger.broken", seq=pc.min(seqs.filter(unknown)).as_py(), why="a seal with another word")
    assert [rank(cast(Any, word)) for word in _VERDICTS] == [0, 1, 2, 3]
    return numbers.to_numpy().astype(np.int64)


def _endpoints(own: pa.Table) -> Any:
    fingerprint, sandbox = pc.struct_field(own["endpoint"], "fingerprint"), pc.struct_field(own["endpoint"], "sandbox")
    return pc.if_else(sandbox, pc.binary_join_element_wise(endpoint_mark("", True), fingerprint, ""), fingerprint)


def _policies(own: pa.Table) -> Any:
    """What each seal was judged under: its first reason, as the sealer writes it. Any other form is nobody's policy and restarts the count."""
    lengths = pc.list_value_length(own["reasons"])
    silent = pc.less(lengths, 1)
    if pc.any(silent).as_py():
        raise LedgerBroken("ledger.broken", seq=pc.min(own["seq"].filter(silent)).as_py(), why="a seal without a policy")
    params = pc.struct_field(pc.list_element(own["reasons"], 0), "params")
    return pc.fill_null(pc.struct_field(pc.extract_regex(params, _POLICY), "policy"), "")


def _why(reasons: Sequence[Mapping[str, str]]) -> Reason | None:
    told = [each for each in reasons_of(reasons) if each.code != "seal.judged_under"]
    return told[0] if told else None
