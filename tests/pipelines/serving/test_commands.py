"""``fortnight audit`` and ``fortnight serve`` as an operator types them: each payload keeps its schema, each exit code says what is true."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conformance.live import write_yaml
from deltalake import DeltaTable
from typer.testing import CliRunner

from pipelines.cli.main import app
from pipelines.cli.payloads import PAYLOADS
from pipelines.clock import WallClock
from pipelines.serving.feedback import Verdict

from .served_house import SATO, SUZUKI, House, by, trace

LATE = timedelta(hours=1)


@pytest.fixture
def asked(house: House) -> tuple[House, list[str]]:
    """Three answers given a moment ago, of which one was useful and one from the wrong source."""
    house.clock.at = WallClock().now()
    house.project.file.serving.__dict__["access_limit"] = "P9000D"
    house.project.file.serving.__dict__["stale_after"] = "P9000D"
    reception = house.reception()
    verdicts: list[Verdict | None] = ["useful", "wrong_source", None]
    traces: list[str] = []
    for verdict in verdicts:
        answer = reception.search(by(SATO), "主軸の過熱", 2, trace()).answer
        traces.append(answer.trace_id)
        if verdict:
            reception.feedback(by(SATO), answer.trace_id, verdict, "")
    return house, traces


def run(house: House, *words: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, [*words, "--project", str(house.project.folder), "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    body: dict[str, Any] = json.loads(done.stdout)
    noun = body["schema"].removeprefix("fortnight.").removesuffix("/1")
    PAYLOADS[noun].model_validate_json(done.stdout)
    return done.exit_code, body


def test_what_was_answered_can_be_looked_up_flagged_costed_and_proven(asked: tuple[House, list[str]]) -> None:
    house, (first, second, _) = asked
    code, shown = run(house, "audit", "show", first)
    assert code == 0 and [(row["action"], row["person"]) for row in shown["rows"]] == [("search", SATO), ("feedback", SATO)]
    assert [one["trace_id"] for one in run(house, "audit", "flagged")[1]["flagged"]] == [second]
    cost = run(house, "audit", "cost")[1]
    assert (cost["denominator"], cost["value_jpy"]) == (1, 0.0) and "Useful" in cost["definition"]
    assert run(house, "audit", "verify")[0] == 0
    assert run(house, "audit", "show", "0" * 32)[0] == 1


def test_a_person_is_forgotten_by_one_command_and_the_record_still_holds(asked: tuple[House, list[str]]) -> None:
    house, (first, *_) = asked
    code, done = run(house, "audit", "erase", SATO, "--why", "asked to", "--by", "legal")
    assert (code, done["rows"], len(done["subjects"])) == (0, 5, 1)
    assert {row["person"] for row in run(house, "audit", "show", first)[1]["rows"]} == {""}
    assert run(house, "audit", "erase", SUZUKI, "--why", "w", "--by", "b")[1]["rows"] == 0
    code, refused = run(house, "audit", "replay", first)
    assert (code, refused["code"]) == (1, "audit.cannot_replay")
    assert run(house, "audit", "verify")[1]["ok"] is True
    assert run(house, "audit", "retain")[1] == {"schema": "fortnight.audit_retain/1", "words": 0, "rows": 0, "days": []}


def test_a_record_that_was_changed_is_named_and_ends_with_one(asked: tuple[House, list[str]]) -> None:
    house, _ = asked
    house.log.settle()
    table = DeltaTable(house.log.answers)
    table.alter.set_table_properties({"delta.appendOnly": "false"})
    table.update({"decision": "'no_match'"}, predicate="seq = 3")
    code, found = run(house, "audit", "verify")
    assert code == 1 and (found["flaw"]["seq"], found["flaw"]["why"]) == (3, "changed")


def test_a_development_token_is_printed_for_trying_out_and_refused_in_production(house: House, tmp_path: Path) -> None:
    code, made = run(house, "serve", "token", "--as", SATO)
    assert code == 0 and house.tokens.verify(made["token"], WallClock().now()).mail == SATO
    write_yaml(
        tmp_path / "project.yaml", {"name": "live", "environment": "production", "systems": {}, "indexes": {"i": {"streams": ["a/b"]}}}
    )
    live = House(house.project, house.clock)
    live.project = type(house.project)(tmp_path, house.project.file, {}, {})
    for words, code in ((["serve", "token", "--as", SATO], "serving.dev_token_in_production"), (["serve"], "serving.no_identity")):
        exit_code, refused = run(live, *words)
        assert (exit_code, refused["code"]) == (2, code)


def test_stdio_without_a_token_in_the_environment_is_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORTNIGHT_TOKEN", raising=False)
    code, refused = run(house, "serve", "--stdio")
    assert (code, refused["code"]) == (2, "serving.no_token_variable")


def test_a_port_that_is_taken_is_named(house: House) -> None:
    from pipelines.serving.doors.opening import listen

    taken = listen("127.0.0.1", 0)
    taken.listen()
    code, refused = run(house, "serve", "--port", str(taken.getsockname()[1]))
    taken.close()
    assert (code, refused["code"]) == (2, "serving.port_taken")


def test_an_address_of_no_machine_is_not_told_as_a_taken_port(house: House) -> None:
    code, refused = run(house, "serve", "--host", "203.0.113.9", "--port", "0")
    assert (code, refused["code"]) == (2, "serving.cannot_listen")
