"""What ``index evaluate``, ``compare``, ``tune`` and ``eval add`` print."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipelines.cli.payloads.parts import Part, Payload
from pipelines.index.evaluation.summary import Bad, Summary


class IndexEvaluate(Payload):
    """``fortnight index evaluate``."""

    schema_: Literal["fortnight.index_evaluate/1"] = Field(alias="schema")
    examination: Summary


class IndexCompare(Payload):
    """``fortnight index compare``: ``won`` are found among the first five only in ``after``, ``lost`` only in ``before``.

    ``p`` is McNemar's exact one; ``mrr`` the mean difference in reciprocal rank, ``low`` to ``high`` its 95 % bootstrap interval.
    """

    schema_: Literal["fortnight.index_compare/1"] = Field(alias="schema")
    before: str
    after: str
    part: Literal["dev", "test"]
    questions: int
    won: tuple[Bad, ...]
    lost: tuple[Bad, ...]
    p: float
    mrr: float
    low: float
    high: float
    leaks: int
    worse: bool


class Weighting(Part):
    lexical: float
    vector: float
    recall_at_5: float
    mrr_at_10: float


class IndexTune(Payload):
    """``fortnight index tune``: what was chosen, on how many dev questions, and what every weighting gave."""

    schema_: Literal["fortnight.index_tune/1"] = Field(alias="schema")
    index: str
    release: str
    path: str
    lexical: float
    vector: float
    threshold: float
    questions: int
    tried: tuple[Weighting, ...]


class EvalAdd(Payload):
    """``fortnight eval add``: the line's id, the part it belongs to, and how many questions the set has now."""

    schema_: Literal["fortnight.eval_add/1"] = Field(alias="schema")
    index: str
    id: str
    part: Literal["dev", "test"]
    path: str
    questions: int
