"""Alerts: what is worth one, what it says, that it arrives once, and that a channel which is down hinders nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from connectors.errors import AccessRefused, FixConfiguration, SourceUnavailable
from pipelines.evidence.chain import GENESIS, Entry, Head, link
from pipelines.evidence.gate import GateState
from pipelines.evidence.reasons import reason
from pipelines.operations import ALERT_KINDS, Alerts, Channel
from pipelines.project import Project, load
from pipelines.reports.alerts import LISTED, Event, write
from pipelines.reports.channels import Posted, send, slack_blocks, teams_card
from pipelines.reports.events import FailedRun, WaitingDrift, of_broken, of_calendar, of_drift, of_rows, of_runs, of_state
from pipelines.reports.outbox import Sweep, deliver, health, post, read_sweep
from tests.certificates import served_by, written

from .alert_servers import mail_server, web_server

NOW = datetime(2026, 11, 20, 1, 10, tzinfo=UTC)
HEAD = Head(7, "ab" * 32)
DAY = date(2026, 11, 19)


def sealed(stream: str, verdict: str, *codes: str) -> Entry:
    said = tuple(reason(code, slot="05:00") for code in codes)
    judged = reason("seal.judged_under", policy="sha256:p", last_good_at=None)
    return Entry(
        kind="seal",
        environment="production",
        clock="wall",
        subject=stream,
        day=DAY,
        finished_at=NOW,
        verdict=verdict,
        reasons=(judged, *said),
    )


def red_day(seen: int = 1) -> Event:
    entries = [sealed("kintone/orders", "green"), *(sealed(f"erp/s{at}", "missing", "seal.slot_missed") for at in range(seen))]
    (event,) = of_rows(link(entries, GENESIS))
    return event


def state(eligibility: Any) -> GateState:
    return GateState("support", eligibility, 14, 14, (), (reason("gate.suspended_by", actor="riku.ikeda"),))


def every_kind() -> list[Event]:
    finding = Entry(
        kind="finding", environment="production", clock="wall", subject="erp/items", day=DAY, reasons=(reason("seal.runless", pull_id="p"),)
    )
    return [
        *of_runs([FailedRun("r", "r", "pull_erp", "2026-11-19", (("erp/items", "source.unavailable"),))]),
        red_day(),
        *of_drift([WaitingDrift("erp/items", "2026-11-19", 2)]),
        *(event for to in ("eligible", "suspended", "revoked") for event in of_state("ineligible", state(to), 7)),
        *of_state("eligible", state("ineligible"), 7),
        *of_calendar((2026,), DAY),
        *of_rows(link([finding], GENESIS)),
        *of_broken("ledger.broken", {"seq": 5, "why": "The row does not hash to what it says."}, DAY),
        *of_broken("ledger.shorter", {"found": 5, "known": 7, "proof": "/srv/project/.fortnight/proof.json"}, DAY),
    ]


def project_of(folder: Path, channels: Mapping[str, Any], **env: str) -> Project:
    told = {
        "name": "alerted",
        "environment": "staging",
        "env_file": ".env",
        "systems": {},
        "alerts": {"ui": "https://dagster.example", "channels": dict(channels)},
    }
    if (folder / "ca.pem").exists():
        told["ca_file"] = "ca.pem"
    with (folder / "project.yaml").open("w", encoding="utf-8") as target:
        YAML(typ="safe").dump(told, target)
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in env.items()), encoding="utf-8")
    return load(folder)


def posted(event: Event | None = None) -> Posted:
    told = event or red_day()
    return Posted(told, tuple(write(told, HEAD, lang, "https://dagster.example/") for lang in ("ja", "en")), NOW, "alerted")


# What is worth an alert


def test_a_day_that_was_sealed_red_is_one_event_with_every_stream_and_its_reason() -> None:
    event = red_day(2)
    assert (event.kind, event.params["day"], event.params["count"]) == ("day_red", "2026-11-19", 2)
    assert [(stream, code) for stream, code, _ in event.details] == [("erp/s0", "seal.slot_missed"), ("erp/s1", "seal.slot_missed")]


def test_a_green_or_excused_day_is_no_event() -> None:
    assert of_rows(link([sealed("erp/items", "green"), sealed("erp/items", "excused")], GENESIS)) == []


def test_an_index_that_stays_where_it_is_is_no_event_and_neither_is_its_first_standing() -> None:
    assert of_state("eligible", state("eligible"), 7) == []
    assert of_state(None, state("ineligible"), 7) == []


def test_a_calendar_is_told_about_once_it_ends_within_a_year() -> None:
    assert of_calendar((2026, 2027), date(2026, 12, 30)) == []
    (event,) = of_calendar((2026, 2027), date(2026, 12, 31))
    assert (event.key, event.params) == ("calendar-2027", {"last": 2027, "days": 365})
    assert of_calendar((), DAY) == []


# What it says


@pytest.mark.parametrize("event", every_kind(), ids=lambda event: event.key)
@pytest.mark.parametrize("lang", ["ja", "en"])
def test_every_alert_says_what_happened_what_it_means_and_what_to_do(event: Event, lang: Any) -> None:
    message = write(event, HEAD, lang, "https://dagster.example/")
    for text in (message.title, message.what, message.means, message.do):
        assert text
        assert "{" not in text and not text.startswith("alert."), text
    assert HEAD.hash in message.anchor
    assert message.link.startswith("https://dagster.example/")


def test_every_kind_that_a_channel_may_name_is_made_by_something() -> None:
    assert {event.kind for event in every_kind()} == set(ALERT_KINDS)


def test_a_long_list_is_cut_and_says_how_much_is_left() -> None:
    message = write(red_day(LISTED + 3), HEAD, "en")
    assert "erp/s0" in message.what
    assert message.what.endswith("and 3 more")
    assert message.link == ""


def test_when_something_was_is_said_in_the_projects_own_time() -> None:
    missed = ("erp/items", "seal.slot_missed", {"slot": "2026-11-10T20:00:00.000000Z"})
    message = write(replace(red_day(1), details=(missed,)), HEAD, "en", zone="Asia/Tokyo")
    assert "2026-11-11 05:00" in message.what and "Z" not in message.what


def test_text_from_a_source_is_no_markup_in_teams_and_slack() -> None:
    event = Event("drift_waits", "k", {"stream": "erp/<!channel>[x](https://evil.example)", "count": 1})
    message = write(event, HEAD, "en")
    blocks = slack_blocks([message])
    # A header is plain text, which Slack shows as it is; everything else is read as mrkdwn.
    parsed = [block for block in blocks["blocks"] if block["type"] != "header"]
    assert "<!channel>" not in json.dumps([blocks["text"], parsed])
    title = teams_card([message])["attachments"][0]["content"]["body"][0]["text"]
    assert "\\[x\\](https" in title


def test_a_card_of_the_longest_message_is_within_what_teams_takes() -> None:
    assert len(json.dumps(teams_card(posted(red_day(40)).messages), ensure_ascii=False).encode()) < 28_000


# Where it goes


def test_teams_slack_and_a_webhook_receive_what_they_understand(tmp_path: Path) -> None:
    with web_server() as server:
        project = project_of(
            tmp_path,
            {
                "ops": {"kind": "teams", "url": {"env": "HOOK"}},
                "chat": {"kind": "slack", "url": {"env": "HOOK"}, "lang": "ja"},
                "own": {"kind": "webhook", "url": {"env": "HOOK"}, "secret": {"env": "KEY"}},
            },
            HOOK=server.url,
            KEY="aikotoba",
        )
        for name in ("ops", "chat", "own"):
            send(project, name, project.file.alerts.channels[name], posted())
    card, blocks, own = (json.loads(body) for body in server.bodies)
    assert card["attachments"][0]["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert "2026-11-19" in blocks["text"]
    assert (own["schema"], own["kind"], own["messages"]["ja"]["title"]) == ("fortnight.alert/1", "day_red", posted().messages[0].title)
    stamp = server.headers[2]["Fortnight-Timestamp"]
    made = hmac.new(b"aikotoba", f"{stamp}.".encode() + server.bodies[2], hashlib.sha256).hexdigest()
    assert server.headers[2]["Fortnight-Signature"] == f"v1={made}"


def test_mail_goes_through_tls_and_a_repeat_has_the_same_id(tmp_path: Path) -> None:
    written(tmp_path)
    with mail_server(served_by(tmp_path, ssl.CERT_NONE)) as server:
        mail = {"kind": "email", "host": "127.0.0.1", "port": server.port, "from": "dagster@sakura-seiki.example"}
        project = project_of(tmp_path, {"mail": mail | {"to": ["riku.ikeda@sakura-seiki.example"]}})
        for _ in range(2):
            send(project, "mail", project.file.alerts.channels["mail"], posted())
    assert server.encrypted == [True, True]
    first, again = server.letters
    assert first["Message-ID"] == again["Message-ID"]
    assert posted().messages[0].title in first["Subject"]
    assert HEAD.hash in first.get_content()


def test_a_mail_server_without_tls_is_given_nothing(tmp_path: Path) -> None:
    with mail_server(None) as server:
        mail = {
            "kind": "email",
            "host": "127.0.0.1",
            "port": server.port,
            "from": "a@sakura-seiki.example",
            "to": ["b@sakura-seiki.example"],
        }
        project = project_of(tmp_path, {"mail": mail})
        with pytest.raises(SourceUnavailable, match="mail could not be reached"):
            send(project, "mail", project.file.alerts.channels["mail"], posted())
    assert server.letters == []


@pytest.mark.parametrize(("status", "error"), [(404, AccessRefused), (503, SourceUnavailable), (429, SourceUnavailable)])
def test_an_error_names_the_channel_and_never_its_address(tmp_path: Path, status: int, error: type[Exception]) -> None:
    with web_server() as server:
        server.status = status
        project = project_of(tmp_path, {"ops": {"kind": "teams", "url": {"env": "HOOK"}}}, HOOK=server.url)
        with pytest.raises(error, match="ops") as caught:
            send(project, "ops", project.file.alerts.channels["ops"], posted())
    assert "himitsu" not in str(caught.value)


def test_an_address_without_tls_is_refused_unless_it_is_this_machine(tmp_path: Path) -> None:
    project = project_of(tmp_path, {"ops": {"kind": "slack", "url": {"env": "HOOK"}}}, HOOK="http://hooks.example/x")
    with pytest.raises(FixConfiguration, match="not https"):
        send(project, "ops", project.file.alerts.channels["ops"], posted())


@pytest.mark.parametrize(
    "channel",
    [
        {"kind": "teams", "url": "https://hooks.example/secret"},
        {"kind": "webhook", "url": {"env": "A"}, "secret": "plain"},
        {"kind": "email", "host": "mail.example", "tls": "none", "from": "a@b.example", "to": ["c@d.example"]},
        {"kind": "email", "host": "mail.example", "user": "u", "from": "a@b.example", "to": ["c@d.example"]},
        {"kind": "pager", "url": {"env": "A"}},
    ],
    ids=["address as a value", "secret as a value", "mail in the clear", "user without password", "unknown kind"],
)
def test_a_channel_that_would_leak_or_not_work_is_refused_with_the_file(tmp_path: Path, channel: Mapping[str, Any]) -> None:
    with pytest.raises(FixConfiguration, match=r"alerts\.channels"):
        project_of(tmp_path, {"ops": channel})
    assert Alerts().channels == {}


# Once, and until it arrived


class Scripted:
    """A channel that fails as often as it is told to."""

    def __init__(self, failures: int) -> None:
        self.failures, self.sent = failures, list[str]()

    def __call__(self, project: Project, name: str, channel: Channel, told: Posted) -> None:
        if self.failures:
            self.failures -= 1
            raise SourceUnavailable("alert.unreachable", channel=name, why="HTTP 503")
        self.sent.append(told.event.key)


TEAMS = {"ops": {"kind": "teams", "url": {"env": "HOOK"}}}


def test_an_event_found_twice_is_sent_once(tmp_path: Path) -> None:
    project, sender = project_of(tmp_path, TEAMS), Scripted(0)
    assert post(project, [red_day()], HEAD, Sweep(seq=3), NOW) == 1
    assert post(project, [red_day()], HEAD, Sweep(seq=3), NOW) == 0
    deliver(project, NOW, sender)
    assert post(project, [red_day()], HEAD, Sweep(seq=3), NOW) == 0
    deliver(project, NOW + timedelta(days=1), sender)
    assert sender.sent == [red_day().key]
    assert read_sweep(project) == Sweep(seq=3)


def test_a_channel_that_is_down_is_tried_later_and_raises_nothing(tmp_path: Path) -> None:
    project, sender = project_of(tmp_path, TEAMS), Scripted(2)
    post(project, [red_day()], HEAD, Sweep(), NOW)
    assert deliver(project, NOW, sender) == {"arrived": 0, "failed": 1}
    assert deliver(project, NOW + timedelta(seconds=30), sender) == {"arrived": 0, "failed": 0}, "not before its pause is over"
    assert deliver(project, NOW + timedelta(minutes=2), sender) == {"arrived": 0, "failed": 1}
    assert deliver(project, NOW + timedelta(minutes=9), sender) == {"arrived": 1, "failed": 0}
    assert sender.sent == [red_day().key]


def test_one_channel_that_is_down_holds_up_no_other(tmp_path: Path) -> None:
    project = project_of(tmp_path, TEAMS | {"chat": {"kind": "slack", "url": {"env": "HOOK"}}})
    sent: list[str] = []

    def sender(_: Project, name: str, channel: Channel, told: Posted) -> None:
        if name == "ops":
            raise AccessRefused("alert.refused", channel=name, why="HTTP 404")
        sent.append(name)

    post(project, [red_day()], HEAD, Sweep(), NOW)
    for minutes in (0, 5, 30):
        deliver(project, NOW + timedelta(minutes=minutes), sender)
    assert sent == ["chat"]


def test_a_channel_takes_only_the_kinds_it_names(tmp_path: Path) -> None:
    project, sender = project_of(tmp_path, {"ops": TEAMS["ops"] | {"events": ["gate_changed"]}}), Scripted(0)
    post(project, [red_day(), *of_state("ineligible", state("eligible"), 9)], HEAD, Sweep(), NOW)
    deliver(project, NOW, sender)
    assert sender.sent == ["gate-support-eligible-9"]


def test_doctor_says_of_each_channel_whether_alerts_arrive(tmp_path: Path) -> None:
    project = project_of(tmp_path, TEAMS, HOOK="https://teams.example/hook")
    assert [ok for _, ok, _ in health(project)] == [True]
    post(project, [red_day()], HEAD, Sweep(), NOW)
    deliver(project, NOW, Scripted(1))
    from pipelines.cli.main import app

    said = CliRunner().invoke(app, ["doctor", "--project", str(tmp_path), "--json"])
    assert said.exit_code == 1
    (finding,) = [one for one in json.loads(said.stdout)["findings"] if one["code"] == "doctor.alerts_failing"]
    assert "HTTP 503" in finding["found"]
    deliver(project, NOW + timedelta(hours=1), Scripted(0))
    assert [(ok, str(said)) for _, ok, said in health(project)] == [(True, "the last alert arrived at 2026-11-20 02:10Z")]
