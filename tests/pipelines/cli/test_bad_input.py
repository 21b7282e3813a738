"""What a person sees who mistyped something: one message in their language that says what, where and what to do; the right exit code; no harm done.

Every case runs the real command in a process of its own, against the shared sandbox.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conformance.live import project_for, with_contract, without_our_variables

from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load

ROOT = Path(__file__).resolve().parents[3]
JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")
Spoil = Callable[[Project], None]


@pytest.fixture(scope="module")
def healthy(sandbox: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose streams could all be pulled; each test spoils a copy of it."""
    project = project_for(tmp_path_factory.mktemp("healthy") / "project", sandbox)
    for stream in ("kintone/faq", "erp/suppliers"):
        project = with_contract(project, stream)
    (project.folder / "contracts" / "sharepoint").mkdir()
    shutil.copy(ROOT / "infra/project/contracts/sharepoint/corrective-actions.yaml", project.folder / "contracts" / "sharepoint")
    return load(project.folder)


@pytest.fixture
def project(healthy: Project, tmp_path: Path) -> Project:
    shutil.copytree(healthy.folder, tmp_path / "project")
    return load(tmp_path / "project")


def fortnight(project: Project | None, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    place = {"FORTNIGHT_PROJECT": str(project.folder)} if project else {}
    environment = without_our_variables() | {"LANG": "C.UTF-8"} | place | variables
    for name in ("LC_ALL", "LC_MESSAGES"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def message(done: subprocess.CompletedProcess[str]) -> str:
    """The one message on stderr, besides the line that names the stream and those that say that it is being tried again."""
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith("  ") and "; attempt " not in line]
    assert len(lines) == 1, done.stderr
    return lines[0]


@dataclass(frozen=True)
class Case:
    """``says`` are what the message must name, in either language; ``hides`` what it must not."""

    code: str
    exit: int
    says: tuple[str, ...]
    stream: str = "kintone/faq"
    variables: dict[str, str] = field(default_factory=dict)
    spoil: Spoil = lambda _: None
    hides: tuple[str, ...] = ()


def port_of_nobody() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def edited(file: str, old: str, new: str) -> Spoil:
    def spoil(project: Project) -> None:
        path = project.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return spoil


def without_variable(name: str) -> Spoil:
    def spoil(project: Project) -> None:
        path = project.folder / ".env"
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join(line for line in lines if not line.startswith(name + "=")) + "\n", encoding="utf-8")

    return spoil


def pointed(name: str, at: Callable[[Project], str]) -> Spoil:
    def spoil(project: Project) -> None:
        value = at(project)
        without_variable(name)(project)
        path = project.folder / ".env"
        path.write_text(path.read_text(encoding="utf-8") + f"{name}={value}\n", encoding="utf-8")

    return spoil


def erp_host(project: Project) -> str:
    return project.variables["ERP_WSDL"].split("/erp/")[0]


def expired(project: Project) -> None:
    """The app signs in by its secret alone, and that has run out."""
    path = project.folder / "project.yaml"
    text = path.read_text(encoding="utf-8")
    fewer = re.sub(r"\s+certificate:\s*\{env: SHAREPOINT_CERTIFICATE\}", "", text)
    assert fewer != text
    path.write_text(fewer, encoding="utf-8")
    pointed("SHAREPOINT_CLIENT_SECRET", lambda p: p.variables["SHAREPOINT_CLIENT_SECRET"] + "-expired")(project)


TOKENS = {f"KINTONE_TOKEN_{code}": "WrongTokenWrongToken" for code in ("CUSTOMERS", "ORDERS", "FAQ", "DEFECTS")}
CASES = {
    "a wrong token": Case("kintone.token_refused", 3, ("FAQ", "localhost"), variables=TOKENS, hides=("WrongToken",)),
    "a wrong password": Case(
        "kintone.login_refused", 3, ("localhost",), variables={"KINTONE_PASSWORD": "WrongPassword"}, hides=("WrongPassword",)
    ),
    "a token with a full-width letter": Case(
        "transport.bad_header", 2, ("localhost",), variables=TOKENS | {"KINTONE_TOKEN_FAQ": "ｔｏｋｅｎ"}, hides=("ｔｏｋｅｎ",)
    ),
    "a refused port": Case(
        "source.unavailable", 3, ("localhost", "5"), spoil=pointed("KINTONE_URL", lambda _: f"https://localhost:{port_of_nobody()}")
    ),
    "a host that is not kintone": Case("kintone.not_json", 3, ("localhost",), spoil=pointed("KINTONE_URL", erp_host)),
    "an address that is none": Case(
        "project.invalid", 2, ("project.yaml", "systems.kintone.base_url"), variables={"KINTONE_URL": "kintone"}
    ),
    "an unknown app": Case(
        "kintone.app_code_unknown", 3, ("FAC",), spoil=edited("contracts/kintone/faq.yaml", "app_code: FAQ", "app_code: FAC")
    ),
    "an unreadable WSDL": Case(
        "soap.not_there", 3, ("localhost",), "erp/suppliers", spoil=pointed("ERP_WSDL", lambda p: p.variables["KINTONE_URL"] + "/k/x?wsdl")
    ),
    "a wrong ERP password": Case(
        "soap.refused", 3, ("localhost", "401"), "erp/suppliers", {"ERP_PASSWORD": "WrongPassword"}, hides=("WrongPassword",)
    ),
    "an unknown operation": Case(
        "soap.operation_unknown",
        3,
        ("ReadMultipleDreams",),
        "erp/suppliers",
        spoil=edited("contracts/erp/suppliers.yaml", "operation: ReadMultipleSuppliers", "operation: ReadMultipleDreams"),
    ),
    "a missing variable": Case(
        "project.missing_variable",
        2,
        ("KINTONE_TOKEN_FAQ", "systems.kintone.auth.api_tokens[2]"),
        spoil=without_variable("KINTONE_TOKEN_FAQ"),
    ),
    "a CA file that is not there": Case("transport.ca_file", 2, ("nowhere.pem",), variables={"FORTNIGHT_CA_FILE": "nowhere.pem"}),
    "a typo in the project file": Case(
        "project.invalid", 2, ("project.yaml", "systms"), spoil=edited("project.yaml", "systems:", "systms:")
    ),
    "a project file that is no YAML": Case(
        "project.not_yaml", 2, ("project.yaml",), spoil=edited("project.yaml", "systems:", "systems: [")
    ),
    "a project file in Shift_JIS": Case(
        "project.not_yaml",
        2,
        ("project.yaml",),
        spoil=lambda p: (p.folder / "project.yaml").write_bytes("name: 桜精機".encode("cp932")) and None,
    ),
    "a time zone that is none": Case(
        "project.invalid", 2, ("timezone", "Asia/Tokio"), spoil=edited("project.yaml", "name: live", "name: live\ntimezone: Asia/Tokio")
    ),
    "a typo in the contract": Case(
        "contract.invalid", 2, ("faq.yaml", "versoin"), spoil=edited("contracts/kintone/faq.yaml", "version:", "versoin:")
    ),
    "a type that is none": Case(
        "contract.invalid", 2, ("faq.yaml", "strong"), spoil=edited("contracts/kintone/faq.yaml", "type: string", "type: strong")
    ),
    "an unknown stream": Case("project.unknown_stream", 2, ("kintone/fax", "kintone/faq"), "kintone/fax"),
    "an expired SharePoint secret": Case(
        "sharepoint.secret_expired", 3, (), "sharepoint/corrective-actions", spoil=expired, hides=("-expired",)
    ),
}


def harmless(project: Project) -> None:
    """Nothing was published and no table is half there."""
    root = project.folder / "data"
    assert not [path for path in root.rglob("*.json") if "published" in path.parts]
    if root.exists():
        warehouse = Warehouse(str(root))
        for stream in ("kintone/faq", "erp/suppliers", "sharepoint/corrective-actions"):
            assert warehouse.versions(stream) == {}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_mistake_is_answered_with_one_message_that_names_it(project: Project, case: Case) -> None:
    case.spoil(project)
    done = fortnight(project, "pull", case.stream, "--lang", "en", **case.variables)
    assert done.returncode == case.exit, done.stderr
    said = message(done)
    assert "Traceback" not in done.stderr
    assert said.endswith(".") and "。" not in said and not done.stdout
    for named in case.says:
        assert named in said
    for hidden in case.hides:
        assert hidden not in done.stderr + done.stdout
    harmless(project)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items() if case.code != "source.unavailable"])
def test_in_japanese_and_as_json_the_same_mistake_has_the_same_code(project: Project, case: Case) -> None:
    case.spoil(project)
    done = fortnight(project, "pull", case.stream, "--lang", "ja", "--json", **case.variables)
    assert done.returncode == case.exit and "Traceback" not in done.stderr
    answer = json.loads(done.stdout)
    error = answer.get("error", answer)
    assert error["code"] == case.code
    assert JAPANESE.search(error["message"])
    for named in case.says:
        assert named in error["message"]
    for hidden in case.hides:
        assert hidden not in done.stderr + done.stdout
    harmless(project)


def test_the_language_follows_the_locale_and_an_unknown_one_is_refused_before_anything_is_done(project: Project) -> None:
    assert JAPANESE.search(message(fortnight(project, "pull", "kintone/fax", LANG="ja_JP.UTF-8")))
    done = fortnight(project, "pull", "kintone/faq", "--lang", "fr")
    assert done.returncode == 2 and "--lang" in done.stderr
    harmless(project)


def test_doctor_finds_every_broken_thing_at_once_and_its_exit_code_is_the_worst(project: Project) -> None:
    edited("contracts/kintone/faq.yaml", "version:", "versoin:")(project)
    done = fortnight(project, "doctor", "--json", "--lang", "ja", ERP_PASSWORD="WrongPassword", KINTONE_PASSWORD="WrongPassword")
    assert done.returncode == 3 and "WrongPassword" not in done.stdout + done.stderr
    answer = json.loads(done.stdout)
    broken = {finding["subject"] for finding in answer["findings"] if not finding["ok"]}
    assert answer["ok"] is False and "contract kintone/faq" in broken
    assert any(subject.startswith("kintone") for subject in broken) and any(subject.startswith("erp") for subject in broken)
    assert not any(subject.startswith("sharepoint") for subject in broken)


def test_doctor_exits_three_when_a_source_refuses_and_names_the_streams_it_could_not_examine(project: Project) -> None:
    done = fortnight(project, "doctor", "kintone", "--lang", "ja", KINTONE_PASSWORD="WrongPassword")
    assert done.returncode == 3
    skipped = next(line for line in done.stdout.splitlines() if "調べていません" in line)
    assert "kintone/faq" in skipped
    answer = json.loads(fortnight(project, "doctor", "kintone", "--json", KINTONE_PASSWORD="WrongPassword").stdout)
    refused = [one for one in answer["findings"] if one["code"] == "kintone.login_refused"]
    assert refused and {one["exit"] for one in refused} == {3}


def test_a_key_nobody_knows_is_told_in_japanese_and_a_library_is_quoted(project: Project) -> None:
    edited("project.yaml", "systems:", "systms:")(project)
    assert "このようなキーはありません" in message(fortnight(project, "doctor", "--lang", "ja"))
    edited("project.yaml", "systms:", "systems:")(project)
    said = message(fortnight(project, "map", "kintone", "--lang", "ja", KINTONE_URL="kintone"))
    assert "「base_url is scheme and host only" in said


def test_without_a_project_the_message_says_how_to_name_one(tmp_path: Path) -> None:
    done = fortnight(None, "pull", "kintone/faq", "--project", str(tmp_path))
    assert done.returncode == 2 and "FORTNIGHT_PROJECT" in message(done) and str(tmp_path) in message(done)


def test_a_sandbox_port_that_is_taken_is_named_and_nothing_is_left_running(project: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = fortnight(project, "sandbox", "up", "--port", str(port))
    assert done.returncode == 2 and str(port) in message(done) and "Traceback" not in done.stderr
    assert fortnight(project, "sandbox", "status").returncode == 1


@pytest.mark.parametrize(
    "arguments", [("pull",), ("pul", "kintone/faq"), ("pull", "kintone/faq", "--ful"), ("backfill", "kintone/faq", "--from", "2026-06-01")]
)
def test_a_command_that_is_mistyped_is_a_usage_error(project: Project, arguments: tuple[str, ...]) -> None:
    done = fortnight(project, *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr and "Usage" in done.stderr


@pytest.mark.parametrize(
    ("first", "last"), [("2026-13-01", "2026-06-02"), ("2026-11-05", "2026-11-01"), ("yesterday", "today"), ("2020-01-01", "2020-01-02")]
)
def test_a_range_of_days_that_cannot_be_is_refused(project: Project, first: str, last: str) -> None:
    done = fortnight(project, "backfill", "kintone/faq", "--from", first, "--to", last, "--plan")
    assert done.returncode == 2 and first in message(done)


def test_help_of_every_verb_is_there_in_a_moment_and_says_something(project: Project) -> None:
    done = fortnight(None, "--help")
    verbs = re.findall(r"^│ ([a-z]+) ", done.stdout, re.MULTILINE)
    assert done.returncode == 0 and {"pull", "backfill", "doctor", "sandbox", "contract", "gate"} <= set(verbs)
