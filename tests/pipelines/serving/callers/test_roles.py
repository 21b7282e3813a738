"""Who may do what: the whole matrix, written out, so that a change of it is read as one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conformance.live import write_yaml

from pipelines.project import Project
from pipelines.serving.callers.roles import MATRIX, Action, Role, demand, may, roles_of
from pipelines.serving.reasons import AnswerWithheld, Reason
from tests.pipelines.serving.served_house import MORI, SATO, House

#            reader previewer operator approver engineer
TABLE = """
ask            x       x         x        x        x
feedback       x       x         x        x        x
status         x       x         x        x        x
preview        -       x         x        x        x
inspect        -       -         x        x        x
audit          -       -         x        -        -
erase          -       -         -        x        -
suspend        -       -         x        x        -
resume         -       -         -        x        -
promote        -       -         -        x        -
build          -       -         -        -        x
"""
CELLS = [
    (role, Action(name), mark == "x")
    for name, *marks in (line.split() for line in TABLE.strip().splitlines())
    for role, mark in zip(Role, marks, strict=True)
]


@pytest.mark.parametrize(("role", "action", "allowed"), CELLS, ids=[f"{role.value}-{action.value}" for role, action, _ in CELLS])
def test_a_role_may_do_what_the_table_says_and_no_more(role: Role, action: Action, allowed: bool) -> None:
    assert may([role], action) is allowed
    if allowed:
        demand([role], action)
    else:
        with pytest.raises(AnswerWithheld) as refused:
            demand([role], action)
        assert refused.value.reason is Reason.NOT_ALLOWED and action.value in str(refused.value)


def test_the_table_holds_every_role_and_action() -> None:
    assert len(CELLS) == len(Role) * len(Action) == sum(1 for _ in MATRIX) * len(Action)


def test_nobody_who_builds_promotes_and_nobody_without_a_role_does_anything() -> None:
    assert not any(may([], action) for action in Action)
    assert not any(may([role], Action.BUILD) and may([role], Action.PROMOTE) for role in Role)


def test_everybody_is_a_reader_and_the_project_names_the_others_by_address_in_whatever_case(house: House) -> None:
    block = house.project.file.serving.model_copy(update={"roles": {"operator": (MORI.upper(),), "approver": (MORI,)}})
    project: Project = replace(house.project, file=house.project.file.model_copy(update={"serving": block}))
    assert roles_of(project, SATO) == {Role.READER}
    assert roles_of(project, MORI) == {Role.READER, Role.OPERATOR, Role.APPROVER}


def test_people_yaml_gives_roles_and_takes_them_as_soon_as_it_is_written_anew(house: House) -> None:
    for roles in (["engineer"], [], ["approver"]):
        write_yaml(house.project.folder / "people.yaml", {"people": [{"id": "sato", "mail": SATO, "roles": roles}]})
        assert roles_of(house.project, SATO) == {Role.READER, *map(Role, roles)}
    (house.project.folder / "people.yaml").unlink()
    assert roles_of(house.project, SATO) == {Role.READER}
