"""Every line a person reads comes from the one catalogue, in Japanese as in English; only data (names, numbers, codes) goes straight through."""

from __future__ import annotations

import ast
import json
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import httpx
import pytest
from cli_lines import english_lines, valid
from click.testing import Result
from typer.testing import CliRunner

from connectors.errors import SourceUnavailable
from connectors.messages import catalogue
from connectors.transport import Transport, TransportOptions
from expectations.drift import Kind
from expectations.policy import Policy
from infra.sandbox import process
from pipelines.cli.main import app
from pipelines.cli.output import spoken
from pipelines.evidence.history import Eligibility
from pipelines.project import Project

ROOT = Path(__file__).resolve().parents[3]
CLI = {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "pipelines" / "cli").glob("*.py"))}
#: Those who take a code of the catalogue, and those who print data.
SPEAKERS, PRINTERS = {"line", "word", "tell"}, {"row", "show"}
#: A line that scripts look for, the same in every language.
FIXED = {"HELD"}
JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")


def calls(names: set[str]) -> Iterator[tuple[str, ast.Call]]:
    for file, tree in CLI.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) in names:
                yield f"{file}:{node.lineno}", node


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def test_only_the_output_module_prints() -> None:
    assert [where for where, _ in calls({"echo", "secho", "print", "write"}) if not where.startswith("output.py")] == []


def test_every_sentence_a_command_says_is_one_of_the_catalogue() -> None:
    known, said = set(catalogue()), 0
    for where, call in calls(SPEAKERS):
        first = call.args[0]
        if isinstance(first, ast.Name | ast.Attribute):
            continue
        said += 1
        if isinstance(first, ast.JoinedStr):
            prefix = first.values[0]
            assert isinstance(prefix, ast.Constant) and any(code.startswith(str(prefix.value)) for code in known), where
            continue
        codes = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
        assert all(isinstance(code, ast.Constant) and code.value in known for code in codes), where
    assert said > 30


def test_what_is_printed_besides_has_no_words_of_its_own() -> None:
    rows = 0
    for where, call in calls(PRINTERS):
        for given in call.args:
            rows += 1
            assert not (isinstance(given, ast.Name) and given.id.isupper() and given.id not in FIXED), where
            parts = given.values if isinstance(given, ast.JoinedStr) else [given]
            words = [str(part.value) for part in parts if isinstance(part, ast.Constant)]
            assert not any(re.search(r"[A-Za-zぁ-んァ-ヶ一-龠]", text) for text in words), where
    assert rows > 10


def test_every_step_a_progress_bar_names_has_its_word() -> None:
    steps: set[str] = set()
    for path in sorted((ROOT / "pipelines").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and called(node) in {"Progress", "step", "report"}:
                texts = [one.value for one in node.args[:2] if isinstance(one, ast.Constant) and isinstance(one.value, str)]
                steps |= set(texts)
    assert {"fetch", "land", "embedding", "map"} <= steps
    assert {f"step.{step}" for step in steps} <= set(catalogue())


@pytest.mark.parametrize(("prefix", "values"), [("drift.kind", Kind), ("drift.policy", Policy), ("gate.eligibility", Eligibility)])
def test_every_value_that_is_shown_as_a_word_has_one(prefix: str, values: object) -> None:
    assert {f"{prefix}.{value}" for value in get_args(values)} <= set(catalogue())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, sandbox: Path) -> Path:
    """The example project of which one stream was pulled."""
    folder = tmp_path_factory.mktemp("lines") / "project"
    shutil.copytree(ROOT / "infra" / "project", folder, ignore=shutil.ignore_patterns(".fortnight", "data", ".env"))
    variables = process.environment(sandbox)
    (folder / ".env").write_text("\n".join(f"{name}={value}" for name, value in variables.items()) + "\n", encoding="utf-8")
    assert fortnight(folder, "pull", "erp/suppliers", "--lang", "en").exit_code == 0
    return folder


def fortnight(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--project", str(project)])


#: Command → its exit code on that project.
QUIET = {
    ("doctor",): 0,
    ("map", "erp"): 0,
    ("contract", "show", "erp/suppliers"): 0,
    ("contract", "diff", "erp/suppliers"): 0,
    ("pull", "erp/suppliers"): 0,
    ("backfill", "erp/suppliers", "--from", "2026-11-18", "--to", "2026-11-20", "--plan"): 0,
    ("gate", "status", "product-support"): 1,
    ("gate", "seal"): 0,
    ("index", "releases", "product-support"): 0,
    ("sandbox", "status"): 1,
    ("sandbox", "down"): 0,
}
REFUSED = {
    ("pull", "erp/dreams"): 2,
    ("backfill", "erp/suppliers", "--from", "2026-11-20", "--to", "2026-11-18"): 2,
    ("search", "部品", "--as", "kenta.suzuki@sakura-seiki.example"): 1,
    ("index", "build", "dreams"): 2,
}


@pytest.mark.parametrize(("arguments", "exit"), [*QUIET.items(), *REFUSED.items()], ids=lambda one: str(one))
def test_asked_in_japanese_a_command_says_nothing_in_english(project: Path, arguments: tuple[str, ...], exit: int) -> None:
    done = fortnight(project, *arguments, "--lang", "ja")
    assert done.exit_code == exit, done.output
    assert JAPANESE.search(done.output) and english_lines(done.output) == []
    # What the search finds, it finds: the same command in English is full of it.
    english = fortnight(project, *arguments, "--lang", "en")
    assert english.exit_code == exit and (english_lines(english.output) or arguments[:2] == ("contract", "show"))


@pytest.mark.parametrize(("arguments", "exit"), [*QUIET.items(), *REFUSED.items()], ids=lambda one: str(one))
def test_what_a_command_prints_as_json_is_what_its_schema_says(project: Path, arguments: tuple[str, ...], exit: int) -> None:
    done = fortnight(project, *arguments, "--json")
    assert done.exit_code == exit, done.output
    valid(json.loads(done.stdout))


def test_codes_and_names_in_json_are_the_same_in_both_languages(project: Path) -> None:
    ja, en = (json.loads(fortnight(project, "doctor", "--json", "--lang", lang).stdout) for lang in ("ja", "en"))
    assert [(one["subject"], one["ok"], one["code"]) for one in ja["findings"]] == [
        (one["subject"], one["ok"], one["code"]) for one in en["findings"]
    ]
    assert any(JAPANESE.search(one["found"]) for one in ja["findings"]) and any(english_lines(one["found"]) for one in en["findings"])


def test_a_payload_that_breaks_its_promise_is_not_printed() -> None:
    from pydantic import ValidationError

    from pipelines.cli.payloads import as_promised

    assert as_promised("seal", {"sealed": []}) == {"schema": "fortnight.seal/1", "sealed": []}
    for wrong in ({}, {"sealed": [], "extra": 1}, {"sealed": "none"}):
        with pytest.raises(ValidationError):
            as_promised("seal", wrong)


@pytest.mark.parametrize(("lang", "said"), [("ja", "中断しました"), ("en", "Interrupted.")])
def test_ctrl_c_is_answered_in_the_language_asked_for_with_exit_code_four(
    project: Path, monkeypatch: pytest.MonkeyPatch, lang: str, said: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Project, "connect", interrupt)
    done = fortnight(project, "doctor", "--lang", lang)
    assert done.exit_code == 4 and done.stderr.startswith(said)
    as_json = fortnight(project, "doctor", "--lang", lang, "--json")
    assert as_json.exit_code == 4 and json.loads(as_json.stdout)["code"] == "cli.interrupted"
    valid(json.loads(as_json.stdout))


@pytest.mark.parametrize(("lang", "said"), [("ja", "停止しました"), ("en", "Dagster is stopped.")])
def test_ctrl_c_is_how_dev_is_stopped_and_no_failure(project: Project, monkeypatch: pytest.MonkeyPatch, lang: str, said: str) -> None:
    ended: list[str] = []

    class Running:
        pid = 2**31 - 1  # nobody's

        def __init__(self, *_: object, **__: object) -> None: ...

        def poll(self) -> None:
            raise KeyboardInterrupt

        def wait(self, timeout: float | None = None) -> None: ...

        def terminate(self) -> None:
            ended.append("terminated")

    monkeypatch.setattr("subprocess.Popen", Running)
    monkeypatch.setattr("pipelines.cli.dev.port_is_free", lambda _: True)
    # Imports Dagster, which may start a process of its own.
    monkeypatch.setattr("pipelines.cli.dev.dagster_environment", lambda _: {})
    done = fortnight(project, "dev", "--lang", lang)
    assert done.exit_code == 0 and said in done.output and len(ended) == 2


def test_a_request_that_is_tried_again_says_so_in_the_language_of_who_waits(capsys: pytest.CaptureFixture[str]) -> None:
    transport = Transport(
        "https://src.example",
        options=TransportOptions(attempts=2),
        secrets=["hunter2222"],
        sleep=lambda _: None,
        rng=random.Random(7),
        handler=httpx.MockTransport(lambda _: httpx.Response(503)),
    )
    for lang, said in (("ja", "再試行します"), ("en", "; attempt 1, waiting")):
        with spoken(lang), pytest.raises(SourceUnavailable):
            transport.send("GET", "/rows/hunter2222")
        heard = capsys.readouterr().err
        assert heard.count("\n") == 1 and said in heard and "src.example" in heard and "hunter2222" not in heard
