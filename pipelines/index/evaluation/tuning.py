"""How much words and vectors say, chosen on the dev part alone, and the file that keeps the choice for the next release to pin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.errors import FixConfiguration
from pipelines.index.evaluation.examination import Report
from pipelines.index.evaluation.figures import best_threshold
from pipelines.index.store import Weights

if TYPE_CHECKING:
    from pipelines.project import Project

#: Shares of the word search that are tried; the vector search has the rest. Both ends are one search alone.
GRID = tuple(step / 10 for step in range(11))


class Tuned(BaseModel):
    """``evaluation/<index>.weights.yaml``. ``threshold`` is the best score below which nothing is said to answer.

    The rest says what it rests on: release, content and model asked, the questions' hash, and the figures they gave (``n`` answerable ones).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["fortnight.weights/1"] = Field(default="fortnight.weights/1", alias="schema")
    lexical: float = Field(ge=0, le=1)
    vector: float = Field(ge=0, le=1)
    threshold: float = Field(ge=0)
    release: str
    content_hash: str
    model: str
    questions: str
    n: int = Field(ge=1)
    recall_at_5: float = Field(ge=0, le=1)
    mrr_at_10: float = Field(ge=0, le=1)

    @property
    def weights(self) -> Weights:
        return Weights(lexical=self.lexical, vector=self.vector)


def grid() -> tuple[Weights, ...]:
    return tuple(Weights(lexical=share, vector=round(1 - share, 1)) for share in GRID)


def choose(reports: Mapping[Weights, Report]) -> Weights:
    """The weights with the best recall@5, then the best reciprocal rank, then nearest to equal: what the questions do not decide stays plain."""
    # Sums of floats differ in their last digits by order; a difference that small decides nothing.
    return max(
        reports,
        key=lambda weights: (
            reports[weights].score.at5,
            round(reports[weights].score.mrr, 9),
            -round(abs(weights.lexical - weights.vector), 9),
            -weights.lexical,
        ),
    )


def tune(ask: Callable[[Weights], Report]) -> tuple[Weights, Mapping[Weights, Report]]:
    """Ask the dev part under every weighting of the grid; the chosen one, and what each gave."""
    reports = {weights: ask(weights) for weights in grid()}
    return choose(reports), reports


def threshold_of(report: Report) -> float:
    """The threshold that this report's best scores speak for."""
    something = [one.answered.best for one in report.asked if one.counts]
    return best_threshold(something, [one.answered.best for one in report.asked if one.question.kind == "unanswerable"])


def weights_path(project: Project, index: str) -> Path:
    return project.folder / "evaluation" / f"{index}.weights.yaml"


def read_tuned(project: Project, index: str) -> Tuned | None:
    """What was tuned for an index; None where nothing was. Raises FixConfiguration for a file that says something else."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = weights_path(project, index)
    if not path.exists():
        return None
    try:
        found: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        return Tuned.model_validate(found)
    except (OSError, UnicodeDecodeError, YAMLError, ValidationError) as error:
        raise FixConfiguration("evaluation.bad_weights", path=str(path), reason=" ".join(str(error).split())[:200]) from error


def write_tuned(project: Project, index: str, tuned: Tuned) -> Path:
    """Write the file anew, whole or not at all; returns where it is."""
    from ruamel.yaml import YAML

    path = weights_path(project, index)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".saving")
    with beside.open("w", encoding="utf-8") as target:
        target.write(f"# Made by `fortnight index tune {index}`, on the dev questions alone. The next release pins it.\n")
        yaml = YAML()
        yaml.dump(tuned.model_dump(by_alias=True), target)
    beside.replace(path)
    return path
