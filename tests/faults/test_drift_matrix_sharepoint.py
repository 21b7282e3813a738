"""SharePoint: each break of a list's columns × each policy its kind may have, and the breaks of rights and feeds, which no policy of a
contract may change the end of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from conformance.live import contract_of, offers_by_place, project_for, tenant, write_yaml
from drift_ends import COMMENT, Bench, Cell, End, Row, ended, some, state
from soaking import share

from expectations.contract import Contract
from infra.sandbox import process
from infra.sandbox.company.people import PEOPLE
from pipelines.clock import FixedClock, WallClock
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.outcome import Request, Result
from pipelines.pull.run import pull
from pipelines.serving.callers.identity import closure

RULES, ACTIONS = "sharepoint/rules", "sharepoint/actions"
TITLES = {"品質規程": RULES, "是正処置一覧": ACTIONS}
EVOLVING, HOLDING = ("report", "ask", "stop", "evolve"), ("report", "ask", "stop", "quarantine")
#: Pulls so far: each lies two hours after the one before, so that it reads rights anew.
_PULLS = count(1)


class SharePointBench(Bench):
    """A list or a library, in a project of its own: what its rows are, and who may read each."""

    def __init__(self, home: Path, project: Project, stream: str) -> None:
        self.home, self.project, self.stream = home, project, stream
        #: Columns that the source's truth says nothing of: they must be as they were.
        self.known: dict[str, Row] = {}

    def pull(self) -> Result:
        return pull(self.project, Request(self.stream), FixedClock(WallClock().now() + timedelta(hours=2 * next(_PULLS))))

    def source(self) -> dict[str, Row]:
        rows = process.control(self.home, "truth", {"site": "quality"})["items"]
        mine = [row for row in rows if row["kind"] != "folder" and TITLES.get(row["list"]) == self.stream]
        readers = process.control(self.home, "effective", {"items": [row["unique_id"] for row in mine]})["items"]
        may_read = {row["unique_id"]: frozenset(row["readers"]) for row in readers}
        return {self._key(row): self.known.get(self._key(row), {}) | _said(row) | {"readers": may_read[row["unique_id"]]} for row in mine}

    def _key(self, row: Row) -> str:
        return str(row["list_item_id"] if self.stream == ACTIONS else row["id"])

    def rows(self) -> dict[str, Row]:
        warehouse = Warehouse(self.project.root)
        rows = warehouse.current(self.stream)
        scopes, members, accounts = (warehouse.read(table, self.stream) for table in ("scopes", "members", "accounts"))
        assert rows is not None and scopes is not None and members is not None and accounts is not None
        grants = dict(zip(scopes["scope"].to_pylist(), scopes["principals"].to_pylist(), strict=True))
        reach = {person.login: closure(person.mail, accounts, members) for person in PEOPLE}
        # The address follows from the path.
        fields = [field.name for field in self.project.contract(self.stream).fields if field.name not in ("web_url", "webUrl")]
        names = [name for name in fields if name in rows.column_names]
        found = {
            row["_key"]: {name: row[name] for name in names}
            | {"readers": frozenset(login for login, own in reach.items() if own & set(grants[row["_scope"]]))}
            for row in rows.to_pylist()
        }
        assert len(found) == rows.num_rows, "a key stands twice"
        return found


def _said(row: Row) -> Row:
    """What the truth says of a row, by the columns of the stream."""
    if row["kind"] == "row":
        return {"id": row["list_item_id"], "Title": row["path"].partition("/")[2]}
    path = row["path"].partition("/")[2]
    told = {
        "item_id": row["id"],
        "name": path.rpartition("/")[2],
        "path": f"/{path}",
        "size": row["size"],
        "quick_xor_hash": row["quick_xor"],
    }
    return told | {"etag": row["etag"]}


# --- what must happen, by the documents -------------------------------------------------------------------------------------------

#: Columns of the list, by the name that people see and the one that never changes.
COLUMNS = {
    "期限": "_x671f__x9650_", "区分": "_x533a__x5206_", "数量": "_x6570__x91cf_", "再発": "_x518d__x767a_",
    "担当者": "_x62c5__x5f53__x8005_", "影響工程": "_x5f71__x97ff__x5de5__x7a0b_",
}  # fmt: skip


def _relabelled(source: str, label: str) -> Any:
    def states(contract: Contract) -> bool:
        return next(field for field in contract.fields if field.source == source).label == label

    return states


def _cells() -> Iterator[Cell]:
    for shown, source in COLUMNS.items():
        named = (("label", source),)
        for policy in EVOLVING:
            end = {
                "report": End(named=named),
                "evolve": End(states=_relabelled(source, f"{shown}（改）")),
            }.get(policy) or End(code="pull.drift", named=named, says=(source,))
            yield Cell("rename-column", "label", policy, end, {"field": shown, "to": f"{shown}（改）"})
        named = (("replaced", source),)
        for policy in HOLDING:
            # A column made again holds nothing. Whoever lets another column stand in its place has not let go of its values yet.
            goes_on = policy in ("report", "quarantine")
            end = End(code="pull.emptied" if goes_on else "pull.drift", named=named, says=(source,))
            yield Cell("recreate-column", "retyped", policy, end, {"field": shown})
            if goes_on:
                yield Cell("recreate-column", "retyped", policy, End(named=named, empty=(source,)), {"field": shown}, {"removed": "report"})
    for policy in ("report", "ask", "stop"):
        for name in ("empty-group", "break-inheritance", "lose-permission-change", "move-folder", "folder-restore", "expire-delta"):
            body = {"item": "品質規程/検査/受入検査規程.docx"} if name == "lose-permission-change" else {}
            yield Cell(name, "identity", policy, End(), body)
        yield Cell("expire-certificate", "identity", policy, End(code="sharepoint.certificate_refused", says=("AADSTS700027",)))


CELLS = list(_cells())


# --- doing it -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tenant(tmp_path_factory.mktemp("tenant")) as folder:
        yield folder


@pytest.fixture(scope="module")
def offered(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Mapping[str, Any]]:
    """A project without contracts, and the contract that each stream would have."""
    project = project_for(tmp_path_factory.mktemp("offered") / "project", home)
    offers = offers_by_place(project)
    return project, {stream: contract_of(offers["/sites/quality", title], stream) for title, stream in TITLES.items()}


#: By stream and policies, the folder of a project whose stream was published once.
Bases = dict[tuple[str, tuple[tuple[str, str], ...]], Path]


@pytest.fixture(scope="module")
def bases() -> Bases:
    return {}


def stream_of(cell: Cell) -> str:
    return ACTIONS if cell.name.endswith("-column") else RULES


def base(bases: Bases, offered: tuple[Project, Mapping[str, Any]], folder: Path, cell: Cell) -> Path:
    stream, which = stream_of(cell), (stream_of(cell), tuple(sorted(cell.drift.items())))
    if which not in bases:
        shutil.copytree(offered[0].folder, folder, dirs_exist_ok=True)
        path = folder / "contracts" / f"{stream}.yaml"
        write_yaml(path, offered[1][stream] | {"drift": cell.drift})
        path.write_text(f"{COMMENT}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
        first = pull(load(folder), Request(stream), WallClock())
        assert first.error is None, first.error
        bases[which] = folder
    return bases[which]


def lived(home: Path, folder: Path, cell: Cell, first: Path) -> None:
    shutil.copytree(first, folder)
    one = SharePointBench(home, load(folder), stream_of(cell))
    before = state(one)
    one.known = before.rows
    assert before.rows == one.source()
    try:
        process.control(home, "break", {"name": cell.name, **cell.body})
        result = one.pull()
        ended(one, before, result, cell)
    finally:
        process.control(home, "heal", {})


def name_of(cell: Cell) -> str:
    return f"{cell.id} {cell.body.get('field', '')} {' '.join(cell.beside)}".strip()


SLICE = some(CELLS, 12, 3, lambda cell: (cell.name, cell.policy, str(cell.body.get("field"))))


@pytest.mark.parametrize("cell", SLICE, ids=name_of)
def test_a_break_of_the_tenant_ends_as_the_contract_says(
    home: Path,
    offered: tuple[Project, Mapping[str, Any]],
    bases: Bases,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    cell: Cell,
) -> None:
    lived(home, tmp_path / "cell", cell, base(bases, offered, tmp_path_factory.mktemp("base"), cell))


@pytest.mark.soak
@pytest.mark.parametrize("cell", share(CELLS), ids=name_of)
def test_every_break_of_the_tenant_under_every_policy_ends_as_the_contract_says(
    home: Path,
    offered: tuple[Project, Mapping[str, Any]],
    bases: Bases,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    cell: Cell,
) -> None:
    lived(home, tmp_path / "cell", cell, base(bases, offered, tmp_path_factory.mktemp("base"), cell))
