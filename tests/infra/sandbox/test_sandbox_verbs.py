"""``fortnight sandbox`` as somebody types it: breaking and healing kintone, moving the clock, stopping; in both languages and as JSON."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.main import get_command
from typer.testing import CliRunner

from infra.sandbox import process
from pipelines.cli.main import app

ROOT = Path(__file__).resolve().parents[3]
JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The example project with the kintone of its sandbox running."""
    folder = tmp_path_factory.mktemp("verbs") / "project"
    shutil.copytree(ROOT / "infra" / "project", folder, ignore=shutil.ignore_patterns(".fortnight", "data", ".env"))
    home = folder / ".fortnight" / "sandbox"
    process.up(home, base_port=0, only=("kintone",))
    yield folder
    process.down(home)


@pytest.fixture(autouse=True)
def in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")


def fortnight(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["sandbox", *arguments, "--project", str(project)])


def answer(project: Path, *arguments: str) -> dict[str, Any]:
    done = fortnight(project, *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_without_a_name_every_break_is_listed_with_a_line(project: Path) -> None:
    listed = answer(project, "break", "kintone")
    assert listed["schema"] == "fortnight.sandbox_breaks/1" and len(listed["breaks"]) >= 25
    for lang in ("ja", "en"):
        lines = fortnight(project, "break", "kintone", "--lang", lang).output.splitlines()
        assert len(lines) == len(listed["breaks"])
        assert all(bool(JAPANESE.search(line)) is (lang == "ja") for line in lines)


def test_the_list_says_which_options_each_break_takes_and_all_of_them_are_there(project: Path) -> None:
    from infra.sandbox.erp.breaks import BREAKS as OF_ERP
    from infra.sandbox.kintone.breaks import BREAKS as OF_KINTONE
    from infra.sandbox.sharepoint.breaks import BREAKS as OF_SHAREPOINT
    from pipelines.cli.breaks import OPTIONS

    known = {"kintone": list(OF_KINTONE), "erp": list(OF_ERP), "sharepoint": list(OF_SHAREPOINT)}
    assert {system: list(breaks) for system, breaks in OPTIONS.items()} == known
    offered = {name for param in get_command(app).commands["sandbox"].commands["break"].params for name in param.opts}  # pyright: ignore
    assert {option.split()[0] for breaks in OPTIONS.values() for options in breaks.values() for option in options} <= offered
    lines = fortnight(project, "break", "kintone", "--lang", "en").output.splitlines()
    assert next(line for line in lines if line.startswith("delete-field")).endswith("[--app APP --field CODE]")


@pytest.mark.parametrize("verb", ["break", "heal"])
def test_a_break_there_is_not_points_at_the_list_and_does_not_print_it(project: Path, verb: str) -> None:
    for lang in ("ja", "en"):
        said = fortnight(project, verb, "kintone", "nonsense", "--lang", lang).output
        assert "nonsense" in said and "`fortnight sandbox break kintone`" in said and "rename-field" not in said


def test_what_the_sandbox_refuses_is_a_sentence_of_its_own(project: Path) -> None:
    for lang, end in (("ja", "」。"), ("en", ". See")):
        assert end in fortnight(project, "break", "kintone", "rename-field", "--app", "NONE", "--lang", lang).output


def test_a_field_is_renamed_and_healed(project: Path) -> None:
    home = project / ".fortnight" / "sandbox"
    done = answer(project, "break", "kintone", "rename-field", "--app", "FAQ", "--field", "回答", "--to", "答え")
    assert (done["name"], done["healable"], done["facts"]["to"]) == ("rename-field", True, "答え")
    record = process.control(home, "truth", {"app": "FAQ", "ids": [1]}, server="kintone")["records"][0]
    assert "答え" in record
    assert answer(project, "heal", "kintone", "rename-field") == {"schema": "fortnight.sandbox_heal/1", "healed": ["rename-field"]}
    assert "回答" in process.control(home, "truth", {"app": "FAQ", "ids": [1]}, server="kintone")["records"][0]
    assert answer(project, "heal")["healed"] == []


def test_healing_a_deleted_app_says_that_its_code_was_set_again(project: Path) -> None:
    for lang in ("ja", "en"):
        answer(project, "break", "kintone", "delete-app", "--app", "FAQ")
        first, second = fortnight(project, "heal", "kintone", "delete-app", "--lang", lang).output.splitlines()
        assert "delete-app" in first
        assert "FAQ" in second
        assert bool(JAPANESE.search(second)) is (lang == "ja")
    assert process.control(project / ".fortnight" / "sandbox", "truth", {"app": "FAQ", "count": True}, server="kintone")["code"] == "FAQ"


def test_what_was_broken_is_said_in_the_language_asked_for(project: Path) -> None:
    told = {lang: fortnight(project, "break", "kintone", "throttle-storm", "--count", "2", "--lang", lang).output for lang in ("ja", "en")}
    assert "kintone を壊しました" in told["ja"] and "Broken in kintone" in told["en"]
    healed = fortnight(project, "heal", "--lang", "ja")
    assert healed.exit_code == 0 and "元に戻しました" in healed.output
    assert "壊れている箇所はもうありません" in fortnight(project, "heal", "kintone", "--lang", "ja").output


@pytest.mark.parametrize(("duration", "minutes"), [("90m", 90), ("2h", 120), ("1d", 1_440), ("0.5", 720)])
def test_the_clock_is_moved_by_a_length_of_time(project: Path, duration: str, minutes: int) -> None:
    from datetime import datetime, timedelta

    home = project / ".fortnight" / "sandbox"
    before = datetime.fromisoformat(process.control(home, "clock", {})["now"])
    now = datetime.fromisoformat(answer(project, "advance", duration)["now"])
    assert timedelta(minutes=minutes) <= now - before < timedelta(minutes=minutes + 5)


@pytest.mark.parametrize(
    "arguments",
    [
        ("advance", "soon"),
        ("break", "erp", "x"),
        ("break", "kintone", "no-such-thing"),
        ("break", "kintone", "rename-field", "--app", "NONE"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(project: Path, arguments: tuple[str, ...]) -> None:
    for lang in ("ja", "en"):
        done = fortnight(project, *arguments, "--lang", lang)
        assert done.exit_code == 2 and bool(JAPANESE.search(done.output)) is (lang == "ja"), done.output
    refused = json.loads(fortnight(project, *arguments, "--json").output)
    assert refused["schema"] == "fortnight.error/1" and refused["code"].startswith("sandbox.")


def test_status_and_down_speak_and_answer_as_json(project: Path) -> None:
    running = answer(project, "status")
    assert running["running"] and [one["name"] for one in running["servers"]] == ["kintone"]
    assert answer(project, "down") == {"schema": "fortnight.sandbox_down/1", "running": False}
    assert "停止しました" in fortnight(project, "down", "--lang", "ja").output, "saying it twice does no harm"
    done = fortnight(project, "status", "--lang", "ja")
    assert done.exit_code == 1 and "動いていません" in done.output
    gone = fortnight(project, "break", "kintone", "latency", "--lang", "ja")
    assert gone.exit_code == 2 and "fortnight sandbox up" in gone.output


@pytest.fixture(scope="module")
def with_erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The example project with the ERP of its sandbox running."""
    folder = tmp_path_factory.mktemp("erp-verbs") / "project"
    shutil.copytree(ROOT / "infra" / "project", folder, ignore=shutil.ignore_patterns(".fortnight", "data", ".env"))
    home = folder / ".fortnight" / "sandbox"
    process.up(home, base_port=0, only=("erp",))
    yield folder
    process.down(home)


def test_what_can_be_broken_in_the_erp_is_listed_in_both_languages_with_its_options(with_erp: Path) -> None:
    listed = answer(with_erp, "break", "erp")
    assert listed["system"] == "erp" and len(listed["breaks"]) == 28
    for lang in ("ja", "en"):
        lines = fortnight(with_erp, "break", "erp", "--lang", lang).output.splitlines()
        assert len(lines) == len(listed["breaks"])
        assert next(line for line in lines if line.startswith("add-value")).endswith("[--service NAME --field NAME --option VALUE]")


def test_an_element_of_the_erp_is_renamed_in_the_service_named_and_healed(with_erp: Path) -> None:
    home = with_erp / ".fortnight" / "sandbox"

    def titles() -> set[str]:
        rows = process.control(home, "truth", {"service": "zumen", "entity": "drawings"}, server="erp")["rows"]
        return {name for name in rows[0] if name in ("Title", "名称")}

    done = answer(with_erp, "break", "erp", "rename-element", "--service", "zumen", "--field", "Title", "--to", "名称")
    assert (done["system"], done["healable"], done["facts"]["service"], done["facts"]["to"]) == ("erp", True, "zumen", "名称")
    assert titles() == {"名称"}
    assert answer(with_erp, "heal", "erp", "rename-element")["healed"] == ["rename-element"]
    assert titles() == {"Title"}


def test_what_was_broken_in_the_erp_is_said_with_the_way_back(with_erp: Path) -> None:
    told = {lang: fortnight(with_erp, "break", "erp", "login-page", "--count", "3", "--lang", lang).output for lang in ("ja", "en")}
    assert "erp を壊しました：login-page" in told["ja"] and "Broken in erp: login-page" in told["en"]
    for said in told.values():
        assert "`fortnight sandbox heal erp login-page`" in said and "SakuraErp" in said
    assert "Healed: login-page" in fortnight(with_erp, "heal", "erp", "--lang", "en").output


@pytest.mark.parametrize(
    ("arguments", "code", "points_at"),
    [
        (("break", "erp", "explode"), "sandbox.no_such_break", "`fortnight sandbox break erp`"),
        (("heal", "erp", "explode"), "sandbox.no_such_break", "`fortnight sandbox break erp`"),
        (("break", "erp", "login-page", "--service", "kaikei"), "sandbox.refused", "SakuraErp, hanbai, zumen"),
        (("break", "erp", "lose-part", "--service", "hanbai"), "sandbox.refused", "zumen"),
        (("break", "erp", "rename-element", "--field", "Nope"), "sandbox.refused", "Nope"),
        (("break", "kintone", "latency"), "sandbox.without", "`fortnight sandbox up`"),
        (("break", "salesforce", "latency"), "sandbox.no_breaks", "sharepoint"),
        (("break", "sharepoint", "expire-delta"), "sandbox.without", "`fortnight sandbox up`"),
    ],
)
def test_a_bad_name_is_one_clear_sentence(with_erp: Path, arguments: tuple[str, ...], code: str, points_at: str) -> None:
    assert json.loads(fortnight(with_erp, *arguments, "--json").output)["code"] == code
    for lang in ("ja", "en"):
        done = fortnight(with_erp, *arguments, "--lang", lang)
        assert done.exit_code == 2 and points_at in done.output and bool(JAPANESE.search(done.output)) is (lang == "ja"), done.output
        assert "Traceback" not in done.output


def test_faults_of_the_other_servers_are_taken_away_by_their_number(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "infra" / "project", folder, ignore=shutil.ignore_patterns(".fortnight", "data", ".env"))
    home = folder / ".fortnight" / "sandbox"
    process.up(home, base_port=0, only=("erp", "sharepoint"))
    try:
        process.control(home, "fault", {"kind": "503", "count": 1}, server="erp")
        process.control(home, "fault", {"kind": "503", "count": 2}, server="sharepoint")
        healed = fortnight(folder, "heal")
        assert healed.exit_code == 0 and "erp (1)" in healed.stdout and "sharepoint (1)" in healed.stdout, healed.stdout
    finally:
        process.down(home)
