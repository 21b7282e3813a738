"""Whether one contract grew out of another: told by the two promises themselves, which their fingerprints prove, and by nobody's word."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from pipelines.evidence.chain import Entry

if TYPE_CHECKING:
    from expectations.contract import Contract
    from expectations.versions import Difference


def both(before: Contract, after: Contract) -> str:
    """The two promises as one text, to be signed with the word that the second only adds to the first."""
    return json.dumps([before.promise_text(), after.promise_text()], ensure_ascii=False, separators=(",", ":"))


def is_additive(entry: Entry) -> bool:
    """Whether ``entry`` accepts a contract that takes nothing away. Its word alone is none: it must bring both promises, each must be the one whose
    fingerprint it names, and no difference between them may break a reader."""
    told: Mapping[str, Any] = next((each.params for each in entry.reasons if each.code == "decision.contract_accepted"), {})
    promises = told.get("promises")
    if entry.verdict != "accept" or told.get("change") != "additive" or not isinstance(promises, str):
        return False
    return _grew(promises, str(told.get("before")), str(told.get("after")))


@lru_cache(maxsize=256)
def _grew(promises: str, before: str, after: str) -> bool:
    try:
        texts = json.loads(promises)
        if not isinstance(texts, list):
            return False
        old, new = (str(text) for text in cast("list[object]", texts))
        if ["sha256:" + hashlib.sha256(text.encode()).hexdigest() for text in (old, new)] != [before, after]:
            return False
        return not breaking(json.loads(old), json.loads(new))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # Not the promise of any contract: nothing is shown by it.
        return False


def breaking(before: Mapping[str, Any], after: Mapping[str, Any]) -> Sequence[Difference]:
    """The differences between two promises that break a reader's, or mislead one; and those by which a day's pull is judged by less: its readers lose
    nothing by that, but a green day then proves less than the ones before it."""
    from expectations.versions import between

    return [one for one in between(before, after) if one.breaks or one.place == "bands" or (one.place == "expectations" and not one.new)]
