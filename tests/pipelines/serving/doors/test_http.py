"""The HTTP door as its clients meet it: who has no token, asks too much, or sends nonsense gets a code and a sentence, and never a document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from soaking import rounds
from starlette.testclient import TestClient

from pipelines.serving.callers.tokens import Tokens
from pipelines.serving.doors.http import app_of
from pipelines.serving.reasons import Reason
from tests.pipelines.serving.served_house import BOOKS, MANUALS, MORI, SATO, SECRET, SUZUKI, House

URL = "https://search.example"


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with TestClient(app_of(house.reception(), Tokens(None, house.tokens), URL), raise_server_exceptions=False) as made:
        yield made


def as_(house: House, mail: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {house.token(mail)}"}


def ask(client: TestClient, house: House, mail: str, **body: Any) -> Any:
    return client.post("/v1/search", json={"query": "主軸の過熱", **body}, headers=as_(house, mail))


def test_a_question_is_answered_with_sources_labels_and_a_notice(client: TestClient, house: House) -> None:
    answer = ask(client, house, SATO, k=9, filters={"systems": ["sharepoint"]})
    body = answer.json()
    assert answer.status_code == 200 and body["schema"] == "fortnight.answer/1"
    assert (body["label"], body["eligibility"], body["release"], body["reason"]) == ("production", "eligible", 1, "answered")
    assert {hit["source"]["stream"] for hit in body["hits"]} == {MANUALS} and all(hit["untrusted"] for hit in body["hits"])
    assert "指示ではありません" in body["notice"]["ja"]
    piece = client.get(f"/v1/fetch/{body['hits'][0]['chunk']}", headers=as_(house, SATO)).json()
    assert piece["hits"][0]["text"] == body["hits"][0]["text"]
    around = client.get(f"/v1/neighbours/{body['hits'][0]['chunk']}", headers=as_(house, SATO))
    assert around.status_code == 200 and around.json()["schema"] == "fortnight.answer/1"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({}, "serving.no_token"),
        ({"Authorization": "Basic x"}, "serving.no_token"),
        ({"Authorization": "Bearer x.y.z"}, "serving.bad_token"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/status", "/v1/fetch/x", "/mcp"])
def test_without_a_token_that_proves_something_there_is_only_the_way_to_one(
    client: TestClient, path: str, header: dict[str, str], code: str
) -> None:
    refused = client.get(path, headers=header)
    assert (refused.status_code, refused.json()["code"]) == (401, code)
    suffix = "/mcp" if path == "/mcp" else ""
    assert f'resource_metadata="{URL}/.well-known/oauth-protected-resource{suffix}"' in refused.headers["WWW-Authenticate"]
    assert client.get(f"/.well-known/oauth-protected-resource{suffix}").json()["resource"] == f"{URL}{suffix}"


def test_a_token_in_the_address_or_a_person_in_the_body_is_nobody(client: TestClient, house: House) -> None:
    assert client.get(f"/v1/status?access_token={house.token(SATO)}").status_code == 401
    for extra in ({"user": SATO}, {"as": SATO}, {"principals": ["everyone:kintone"]}):
        assert ask(client, house, SUZUKI, **extra).status_code == 422


def test_what_is_forbidden_is_answered_byte_by_byte_as_what_is_absent(client: TestClient, house: House) -> None:
    secret = next(hit for hit in ask(client, house, SATO, k=9).json()["hits"] if SECRET in hit["text"])
    forbidden, absent = (
        client.get(f"/v1/fetch/{chunk}", headers=as_(house, SUZUKI)) for chunk in (secret["chunk"], "f" * len(secret["chunk"]))
    )
    same = [{**answer.json(), "trace_id": ""} for answer in (forbidden, absent)]
    assert forbidden.status_code == absent.status_code == 404 and same[0] == same[1]
    assert {**forbidden.headers, "content-length": ""} == {**absent.headers, "content-length": ""}


@pytest.mark.parametrize(
    ("eligibility", "status", "code"),
    [("ineligible", 409, "serving.ineligible"), ("suspended", 409, "serving.suspended"), ("revoked", 409, "serving.revoked")],
)
def test_an_index_that_may_not_answer_says_so_in_both_languages_and_nothing_else(
    client: TestClient, house: House, eligibility: Any, status: int, code: str
) -> None:
    house.eligibility = eligibility
    refused = ask(client, house, SATO)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert set(refused.json()) == {"schema", "code", "message", "trace_id", "retry_after"} and set(refused.json()["message"]) == {
        "ja",
        "en",
    }
    assert "{" not in str(refused.json()["message"].values())
    assert ask(client, house, MORI).json()["label"] == "candidate"


def test_old_access_and_too_many_questions_say_when_to_come_back(client: TestClient, house: House) -> None:
    limit = house.project.file.serving.budgets.per_minute
    statuses = [client.get("/v1/status", headers=as_(house, SUZUKI)) for _ in range(limit + 1)]
    assert statuses[-2].status_code == 200 and statuses[-1].status_code == 429
    assert int(statuses[-1].headers["Retry-After"]) == statuses[-1].json()["retry_after"] == 60
    house.later(hours=27)
    assert (ask(client, house, SATO).status_code, client.get("/readyz").text) == (503, "serving.overlay_stale")
    assert client.get("/healthz").text == "ok"


def test_a_request_of_the_wrong_form_or_size_is_refused_without_its_content(client: TestClient, house: House) -> None:
    mine = as_(house, SATO)
    for body, status in (
        (b"{", 422),
        (b"[]", 422),
        (b'{"query": ""}', 422),
        (b'{"query": "   "}', 422),
        (json.dumps({"query": "x" * 2001}).encode(), 422),
        (b'{"query": "x", "k": 0}', 422),
        (b'{"query": "x", "as_of": "2026-11-02T09:00:00"}', 422),
        (b'{"query": "x", "filters": {"changed_from": "yesterday-and-secret"}}', 422),
        (b'{"query": "\\ud800"}', 422),
        (b"x" * 70_000, 413),
    ):
        refused = client.post("/v1/search", content=body, headers={**mine, "Content-Type": "application/json"})
        assert (refused.status_code, refused.json()["schema"]) == (status, "fortnight.refusal/1"), body[:40]
        assert "secret" not in refused.text
    chunks = client.post("/v1/search", content=iter([b"x" * 40_000, b"x" * 40_000]), headers=mine)
    assert chunks.status_code == 413
    assert client.get("/nothing").json()["code"] == "serving.no_such_place"
    assert client.get("/v1/search", headers=mine).status_code == 405


def test_the_callers_trace_is_the_answers_trace_and_feedback_is_bound_to_both(client: TestClient, house: House) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {**as_(house, SATO), "traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    answer = client.post("/v1/search", json={"query": "過熱"}, headers=headers).json()
    assert answer["trace_id"] == trace_id
    said = {"trace_id": trace_id, "verdict": "useful"}
    assert client.post("/v1/feedback", json=said, headers=as_(house, SATO)).json() == {"schema": "fortnight.feedback/1", **said}
    refused = client.post("/v1/feedback", json=said, headers=as_(house, SUZUKI))
    absent = client.post("/v1/feedback", json={**said, "trace_id": "0" * 32}, headers=as_(house, SUZUKI))
    assert refused.status_code == absent.status_code == 404 and refused.json()["code"] == absent.json()["code"] == "serving.no_such_answer"


def test_the_status_shows_the_cost_of_a_useful_answer_with_what_it_is_made_of_to_operators(client: TestClient, house: House) -> None:
    assert client.get("/v1/status", headers=as_(house, SATO)).json()["inside"] is None
    cost = client.get("/v1/status", headers=as_(house, MORI)).json()["inside"]["cost"]
    assert cost["denominator"] == 0 and cost["value_jpy"] is None and "Useful" in cost["definition"]["en"]


def test_metrics_are_there_for_prometheus(client: TestClient, house: House) -> None:
    ask(client, house, SATO)
    client.get("/v1/status")
    text = client.get("/metrics").text
    assert 'outcome="serving.no_token"' in text and 'action="search"' in text and SATO not in text


def test_an_audit_that_cannot_be_written_lets_nothing_out(client: TestClient, house: House) -> None:
    audit = Path(house.log.answers)
    assert not audit.exists()
    audit.parent.mkdir(parents=True, exist_ok=True)
    audit.write_text("a file where the table should be")
    refused = ask(client, house, SATO)
    assert (refused.status_code, refused.json()["code"]) == (503, "serving.audit_unavailable")
    assert "冷却水" not in refused.text


def test_an_answer_is_judged_by_today_and_not_by_when_the_token_was_made(client: TestClient, house: House) -> None:
    token = as_(house, SATO)
    house.later(seconds=30)
    house.publish(MANUALS, BOOKS, sato_in=())
    texts = client.post("/v1/search", json={"query": "再発防止", "k": 9}, headers=token).text
    assert SECRET not in texts
    house.later(hours=2)
    assert client.post("/v1/search", json={"query": "再発防止"}, headers=token).status_code == 401


def test_every_refusal_has_a_status_of_its_kind_and_a_sentence_with_a_remedy() -> None:
    from connectors.messages import catalogue
    from pipelines.serving.doors.bodies import STATUS

    answered = {Reason.ANSWERED, Reason.NO_MATCH, Reason.NOTHING_VISIBLE, Reason.UNKNOWN_PERSON}
    for reason in set(Reason) - answered:
        assert STATUS.get(reason, 503) in (401, 403, 404, 409, 429, 503)
        assert f"serving.{reason.value}.remedy" in catalogue()


@pytest.mark.parametrize("examples", [3, pytest.param(rounds(200), marks=pytest.mark.soak)])
def test_the_interface_keeps_what_its_openapi_promises_whatever_is_sent(house: House, examples: int) -> None:
    """schemathesis sends well and badly formed requests to every operation; each answer has to be one that the document names."""
    block = house.project.file.serving
    roomy = block.model_copy(update={"budgets": block.budgets.model_copy(update={"per_minute": 100_000})})
    project = replace(house.project, file=house.project.file.model_copy(update={"serving": roomy}))
    app = app_of(replace(house, project=project).reception(), Tokens(None, house.tokens), URL)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    headers = as_(house, SATO)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {operation.path for operation in operations} >= {
        "/v1/search",
        "/v1/fetch/{chunk}",
        "/v1/neighbours/{chunk}",
        "/v1/status",
        "/v1/feedback",
    }
    for operation in operations:

        @settings(max_examples=examples, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def sent(case: Any) -> None:
            case.call_and_validate(headers=headers)

        sent()
