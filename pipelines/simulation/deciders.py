"""The people of a simulation who decide: each signs with a key of the simulation's home, through the code that the commands use."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.clock import Clock
from pipelines.evidence.asking import acceptance, first_week, resumption, review
from pipelines.evidence.declare import declare_all
from pipelines.evidence.signing import make_key, public_half, sign
from pipelines.evidence.taking import Asked, Signer, stop, take
from pipelines.people import key_files, read_people
from pipelines.project import Project
from pipelines.simulation.script import Decide, Drill


class Deciders:
    """Decisions and drills at the instant of ``clock``, in ``project``."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self._project, self._clock = project, clock
        # Before the first seal, so that the chain knows who may decide from its first day on.
        for person, public in self._keys().items():
            if not public.exists():
                make_key(public.with_suffix(""), person)

    def decide(self, step: Decide) -> None:
        """Everybody named signs; the pointer moves behind the second signature for a release. Raises AnswerIsNo where the rules refuse,
        FixConfiguration for a person who has no key in this home."""
        from pipelines.index.promotion import promote_decided

        project, clock = self._project, self._clock
        if step.what == "suspend":
            for person in step.by:
                stop(project, step.of, "suspend", step.why, person, clock.now(), clock.kind)
            return
        signers = [self._signer(person) for person in step.by]
        asked = self._asked(step)
        for signer in signers:
            declare_all(project, clock.now(), clock.kind)
            take(project, asked, signer, clock.now(), clock.kind)
        if step.what == "promote":
            moved = promote_decided(project, step.of, clock.now())
            if moved.record is None:
                raise AnswerIsNo("simulate.pointer_stays", index=step.of, why=moved.why.say().rstrip("。."))

    def drill(self, step: Drill) -> None:
        """Forward and back between the two newest candidates. Raises AnswerIsNo where there are not two."""
        from pipelines.serving.examination.drill import drill

        drill(self._project, step.index, self._person(step.by), self._clock)

    def _asked(self, step: Decide) -> Asked:
        from pipelines.index.promotion import proposed
        from pipelines.index.releases import newest_candidate

        project = self._project
        if step.what == "accept":
            return acceptance(project, step.of, step.why, additive=step.additive)
        if step.what == "week-one":
            return first_week(project, step.of, step.why)
        if step.what == "resume":
            return resumption(step.of, step.why)
        if step.what == "review":
            return review(step.of, self._clock.now().astimezone(ZoneInfo(project.file.timezone)).date(), step.why)
        made = newest_candidate(project.root, step.of)
        if made is None:
            raise AnswerIsNo("serving.no_candidate", index=step.of)
        return proposed(project, step.of, made.number, step.why, self._clock)

    def _person(self, named: str) -> str:
        person = read_people(self._project.folder).who(named)
        if person is None:
            raise FixConfiguration("simulate.nobody", person=named)
        return person.id

    def _signer(self, named: str) -> Signer:
        person = self._person(named)
        public = self._keys().get(person)
        if public is None:
            raise FixConfiguration("simulate.no_key", person=named)
        key = public.with_suffix("")
        return Signer(public_half(key), lambda message: sign(message, key))

    def _keys(self) -> dict[str, Path]:
        """Key files that lie in the home: a simulation signs with no key that anybody uses elsewhere."""
        home = self._project.folder.resolve()
        return {person: public for person, public in key_files(home).items() if public.resolve().is_relative_to(home)}
