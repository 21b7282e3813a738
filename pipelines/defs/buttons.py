"""Buttons: a job for each thing an operator does by hand, with a form in the launchpad. Each calls what its command calls; no logic of its own.

The seal is a button too, and lies with the assets' jobs: what it writes is an asset. What needs a person's own key is no button: a web page has none.

https://docs.dagster.io/guides/build/ops
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import Field

from connectors.errors import FixConfiguration, FortnightError
from connectors.messages import sentence
from pipelines.defs.resources import ProjectResource
from pipelines.defs.tags import job_tags
from pipelines.project import Project

#: What ``dg.job`` returns, by the name its form shows.
ButtonJob = dg.JobDefinition
#: A worker that dies may have done what it was for. Dagster would run it again: a rollback would go one release further than anybody asked.
_ONCE = {"dagster/max_retries": "0"}
Resource = dg.ResourceParam[ProjectResource]


class DrillForm(dg.Config):
    index: str = Field(description="The index's name in project.yaml.")
    by: str = Field(description="Your name, for the ledger.")


class RollbackForm(dg.Config):
    index: str = Field(description="The index's name in project.yaml.")
    by: str = Field(description="Your name, for the pointer's record.")
    why: str = Field(description="The reason, for those who read the record later.")
    release: int = Field(default=0, description="The release to go back to; 0: the one before.")


class SuspendForm(dg.Config):
    index: str = Field(description="The index's name in project.yaml.")
    by: str = Field(description="Your name, for the ledger. Taking away needs no key; two persons resume it with theirs.")
    why: str = Field(description="The reason, for those who read the ledger later.")


class ReplayForm(dg.Config):
    stream: str = Field(description="system/stream")
    keys: list[str] = Field(
        default=[], description="Keys of held rows, as the check's table shows them; none: every held row of the stream."
    )


def button_jobs(project: Project) -> list[ButtonJob]:
    """``replay`` always; the others where the project has an index."""
    return [_replay(), *([_drill(), _rollback(), _suspend()] if project.file.indexes else [])]


def _button(name: str, op: dg.OpDefinition, description: str) -> ButtonJob:
    @dg.job(name=name, tags={**job_tags("button"), **_ONCE}, executor_def=dg.in_process_executor, description=description)
    def button() -> None:
        op()

    return button


@contextmanager
def _told() -> Generator[None, None, None]:
    """What was foreseen ends the run with its sentence and its remedy; nobody tries again."""
    try:
        yield
    except FortnightError as error:
        raise dg.Failure(description=error.say(), allow_retries=False) from error


def _named(*words: str) -> None:
    if not all(word.strip() for word in words):
        raise FixConfiguration("buttons.unsigned")


def _drill() -> ButtonJob:
    @dg.op(name="drill_op")
    def drill_op(context: dg.OpExecutionContext, config: DrillForm, project_files: Resource) -> None:
        from pipelines.serving.examination.drill import drill

        with _told():
            _named(config.by)
            done = drill(project_files.project, config.index, config.by.strip(), project_files.clock)
        for proof in done.proofs:
            said = sentence(proof.code, proof.params)
            (context.log.info if proof.passed else context.log.error)(said)
        _numbers(context, forward_seconds=done.forward, back_seconds=done.back, seconds=done.seconds)
        if not done.passed:
            failed = "; ".join(sentence(proof.code, proof.params) for proof in done.proofs if not proof.passed)
            raise dg.Failure(description=failed or f"the drill took {done.seconds} s", allow_retries=False)

    return _button(
        "drill",
        drill_op,
        "Rehearse a promotion and the way back, beside production: two candidates, real questions, proof that nothing deleted comes back.",
    )


def _rollback() -> ButtonJob:
    @dg.op(name="rollback_op")
    def rollback_op(context: dg.OpExecutionContext, config: RollbackForm, project_files: Resource) -> None:
        from pipelines.index.models import embedder_of
        from pipelines.index.rollback import Model, roll_back

        project = project_files.project
        with _told():
            _named(config.by, config.why)
            embedder = embedder_of(project, index=config.index)
            served = Model(embedder.model_id, embedder.revision, embedder.dim)
            moved = roll_back(
                project.root,
                config.index,
                served,
                at=project_files.clock.now(),
                actor=config.by.strip(),
                reason=config.why.strip(),
                to=config.release or None,
            )
        _numbers(context, release=moved.release, position=moved.number)

    return _button(
        "rollback",
        rollback_op,
        "Point production at the release before, or at one that was in production. Deleted rows and revoked rights stay so.",
    )


def _suspend() -> ButtonJob:
    @dg.op(name="suspend_op")
    def suspend_op(context: dg.OpExecutionContext, config: SuspendForm, project_files: Resource) -> None:
        from pipelines.evidence.taking import stop

        project, clock = project_files.project, project_files.clock
        with _told():
            _named(config.by, config.why)
            project.index(config.index)
            row = stop(project, config.index, "suspend", config.why.strip(), config.by.strip(), clock.now(), clock.kind)
        _numbers(context, ledger_row=row)

    return _button(
        "suspend",
        suspend_op,
        "Stop an index at once: one row of the ledger, which servers see within seconds. Two persons resume it with their keys.",
    )


def _replay() -> ButtonJob:
    @dg.op(name="replay_op")
    def replay_op(context: dg.OpExecutionContext, config: ReplayForm, project_files: Resource) -> None:
        from pipelines.pull.replay import replay

        with _told():
            done = replay(project_files.project, config.stream, config.keys, project_files.clock, project_files.report)
            if done.result is not None and done.result.error is not None:
                raise done.result.error
        _numbers(context, asked=len(done.asked), landed=len(done.landed), gone=len(done.gone), held=len(done.held))

    return _button(
        "replay", replay_op, "Read held rows anew, after the contract or the source was mended. Never evidence: no slot is filled by it."
    )


def _numbers(context: dg.OpExecutionContext, **numbers: float) -> None:
    metadata: dict[str, Any] = {name: dg.MetadataValue.float(float(value)) for name, value in numbers.items()}
    context.add_output_metadata(metadata)
