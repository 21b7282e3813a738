"""What each role may do: one matrix, asked wherever a right is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from pipelines.people import FILE, People, read_people
from pipelines.project import Project
from pipelines.serving.callers.identity import person_id
from pipelines.serving.reasons import AnswerWithheld, Reason


class Role(StrEnum):
    """Everybody linked to an account is a reader; the others are named by the project."""

    READER = "reader"
    PREVIEWER = "previewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ENGINEER = "engineer"


class Action(StrEnum):
    ASK = "ask"
    FEEDBACK = "feedback"
    STATUS = "status"
    #: See the newest candidate where production does not answer.
    PREVIEW = "preview"
    #: See how the index stands: budgets, cost, freshness of every stream.
    INSPECT = "inspect"
    #: See what was answered to others, replay it, see what was flagged.
    AUDIT = "audit"
    #: Have a person forgotten.
    ERASE = "erase"
    SUSPEND = "suspend"
    RESUME = "resume"
    PROMOTE = "promote"
    BUILD = "build"


_EVERYBODY = frozenset({Action.ASK, Action.FEEDBACK, Action.STATUS})
#: Who builds does not promote, and who promotes does not read what others asked.
MATRIX: Mapping[Role, frozenset[Action]] = {
    Role.READER: _EVERYBODY,
    Role.PREVIEWER: _EVERYBODY | {Action.PREVIEW},
    Role.OPERATOR: _EVERYBODY | {Action.PREVIEW, Action.INSPECT, Action.AUDIT, Action.SUSPEND},
    Role.APPROVER: _EVERYBODY | {Action.PREVIEW, Action.INSPECT, Action.PROMOTE, Action.SUSPEND, Action.RESUME, Action.ERASE},
    Role.ENGINEER: _EVERYBODY | {Action.PREVIEW, Action.INSPECT, Action.BUILD},
}


def may(roles: Iterable[Role], action: Action) -> bool:
    return any(action in MATRIX[role] for role in roles)


def demand(roles: Iterable[Role], action: Action) -> None:
    """Raises AnswerWithheld (``not_allowed``) naming the roles that could."""
    if not may(roles, action):
        able = ", ".join(role.value for role in Role if action in MATRIX[role])
        raise AnswerWithheld(Reason.NOT_ALLOWED, action=action.value, roles=able)


def roles_of(project: Project, person: str) -> frozenset[Role]:
    """The roles of the person known by this mail: a reader, what people.yaml says of them, and what ``serving.roles`` in project.yaml gives.

    Owners are not roles here: to own an index is no right to see what others may read.
    """
    named = {role for role, people in project.file.serving.roles.items() if person_id(person) in map(person_id, people)}
    someone = _people(project.folder).who(person)
    named |= set(someone.roles if someone is not None else ())
    return frozenset({Role.READER}) | {role for role in Role if role.value in named}


def _people(folder: Path) -> People:
    """people.yaml as it is now. Every question asks, so it is read again only when the file is another."""
    path = folder / FILE
    found = path.stat() if path.exists() else None
    return _read(folder, (found.st_mtime_ns, found.st_size, found.st_ino) if found is not None else None)


@lru_cache(maxsize=8)
def _read(folder: Path, file: tuple[int, int, int] | None) -> People:
    return read_people(folder)
