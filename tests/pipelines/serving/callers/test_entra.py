"""Real tokens of a tenant on a socket: signed by its authority, its keys and groups looked up over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sharepoint_house
from conformance.live import write_yaml
from starlette.testclient import TestClient

from infra.sandbox.company.people import TENANT_ID, group, person
from pipelines.project import load
from pipelines.serving.callers.entrance import tokens_of
from pipelines.serving.callers.tokens import Tokens
from pipelines.serving.doors.http import app_of
from pipelines.serving.reasons import AnswerWithheld, Reason
from tests.pipelines.serving.served_house import BOARD, SATO, SECRET, SUZUKI, Hands, House, found, user

AUDIENCE = "api://fortnight-search"


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sharepoint_house.House]:
    with sharepoint_house.house(tmp_path_factory.mktemp("tenant"), datetime.now(UTC)) as made:
        yield made


@pytest.fixture(scope="module")
def office(tenant: sharepoint_house.House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """The house of the other tests, whose callers sign in at the tenant."""
    folder = tmp_path_factory.mktemp("office")
    made = found(folder, access_limit="P9000D", stale_after="P9000D")
    told = tenant.told
    (folder / ".env").write_text(f"SECRET_OF_TEST={told['client_secret']}\n", encoding="utf-8")
    system = {
        "kind": "sharepoint",
        "tenant": told["tenant"],
        "client_id": told["client_id"],
        "client_secret": {"env": "SECRET_OF_TEST"},
        "authority": told["authority"],
        "graph": told["graph"],
        "host": tenant.settings.https_url,
        "sites": ["/sites/quality"],
    }
    entra = {"tenant": told["tenant"], "audience": [AUDIENCE], "authority": told["authority"]}
    file: dict[str, Any] = made.project.file.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    file |= {"env_file": ".env", "ca_file": str(tenant.settings.ca_file), "environment": "staging"}
    file["systems"]["sharepoint"] = system
    file["serving"]["entra"] = entra
    write_yaml(folder / "project.yaml", file)
    return House(load(folder), Hands(datetime.now(UTC)))


@pytest.fixture
def tokens(office: House) -> Tokens:
    return tokens_of(office.project)


def signed_in(tenant: sharepoint_house.House, mail: str, **more: Any) -> str:
    return tenant.control("sign_in", **{"login": mail, "audience": AUDIENCE, **more})["token"]


def test_a_person_signs_in_and_gets_what_they_may_read_by_http(tenant: sharepoint_house.House, office: House, tokens: Tokens) -> None:
    with TestClient(app_of(office.reception(), tokens, "https://search.example")) as client:

        def asked(mail: str, groups: str) -> tuple[int, str]:
            headers = {"Authorization": f"Bearer {signed_in(tenant, mail, groups=groups)}"}
            answer = client.post("/v1/search", json={"query": "過熱の再発防止", "k": 9}, headers=headers)
            return answer.status_code, answer.text

        for groups in ("all", "none", "too_many"):
            assert (asked(SATO, groups)[0], SECRET in asked(SATO, groups)[1]) == (200, True), groups
            assert (asked(SUZUKI, groups)[0], SECRET in asked(SUZUKI, groups)[1]) == (200, False), groups
        described = client.get("/.well-known/oauth-protected-resource/mcp").json()
        assert described["authorization_servers"] == [f"{tenant.settings.https_url}/{TENANT_ID}/v2.0"]


def test_more_groups_than_a_token_holds_are_read_from_graph_through_nested_groups(tenant: sharepoint_house.House, tokens: Tokens) -> None:
    caller = tokens.verify(signed_in(tenant, SATO, groups="too_many"), datetime.now(UTC))
    assert caller.now_in is not None and caller.user == user(SATO)
    assert caller.now_in.groups >= {BOARD, f"group:entra:{TENANT_ID}/{group('support-desk').entra_id}"}
    assert not any("far-" in name for name in caller.now_in.groups)


def test_a_membership_taken_away_at_the_tenant_counts_before_any_pull_saw_it(tenant: sharepoint_house.House, office: House) -> None:
    reception = office.reception()

    def reads(groups: str) -> bool:
        # Verifiers of their own, for each keeps what Graph said for some minutes.
        caller = tokens_of(office.project).verify(signed_in(tenant, SATO, groups=groups), datetime.now(UTC))
        from tests.pipelines.serving.served_house import trace

        return any(SECRET in hit.snippet for hit in reception.search(caller, "再発防止", 9, trace()).answer.hits)

    assert reads("all") and reads("too_many")
    tenant.control("membership", group="quality-members", remove=[SATO])
    try:
        assert not reads("all") and not reads("too_many") and reads("none")
    finally:
        tenant.control("membership", group="quality-members", add=[SATO])


def test_a_graph_that_is_down_answers_nobody_whose_groups_it_would_have_to_name(tenant: sharepoint_house.House, tokens: Tokens) -> None:
    tenant.control("fault", kind="503", count=50, path="transitiveMemberOf")
    try:
        with pytest.raises(AnswerWithheld) as refused:
            tokens.verify(signed_in(tenant, SATO, groups="too_many"), datetime.now(UTC))
        assert refused.value.reason is Reason.GROUPS_UNKNOWN
        assert tokens.verify(signed_in(tenant, SATO, groups="all"), datetime.now(UTC)).now_in is not None
    finally:
        tenant.control("heal")


def test_tokens_for_others_and_of_apps_prove_no_person(tenant: sharepoint_house.House, tokens: Tokens) -> None:
    now = datetime.now(UTC)
    for more in ({"audience": "https://graph.microsoft.com"}, {"scope": "User.Read"}):
        with pytest.raises(AnswerWithheld):
            tokens.verify(signed_in(tenant, SATO, **more), now)
    import httpx

    told = tenant.told
    form = {"grant_type": "client_credentials", "client_id": told["client_id"], "client_secret": told["client_secret"]}
    with httpx.Client(verify=str(tenant.settings.ca_file), trust_env=False) as client:
        got = client.post(f"{told['authority']}/oauth2/v2.0/token", data={**form, "scope": f"{AUDIENCE}/.default"}).json()
    caller = tokens.verify(got["access_token"], now)
    assert (caller.app_only, caller.user) == (True, "")


def test_an_authority_that_speaks_for_another_issuer_is_not_believed(tenant: sharepoint_house.House, office: House) -> None:
    from dataclasses import replace

    block = office.project.file.serving
    assert block.entra is not None
    foreign = block.model_copy(update={"entra": block.entra.model_copy(update={"issuer": "https://login.example/x/v2.0"})})
    project = replace(office.project, file=office.project.file.model_copy(update={"serving": foreign}))
    with pytest.raises(AnswerWithheld) as refused:
        tokens_of(project).verify(signed_in(tenant, SATO), datetime.now(UTC))
    assert refused.value.reason is Reason.KEYS_UNKNOWN


def test_the_directory_names_a_persons_groups_by_principal_and_nobodys_for_a_stranger(
    tenant: sharepoint_house.House, office: House
) -> None:
    from connectors.capabilities import KnowsMemberships
    from connectors.errors import AddressUnknown

    connector = office.project.connect("sharepoint", hurried=True)
    assert isinstance(connector, KnowsMemberships)
    assert BOARD in connector.memberships(person(SATO).entra_id) and BOARD not in connector.memberships(person(SUZUKI).entra_id)
    with pytest.raises(AddressUnknown):
        connector.memberships("00000000-0000-4000-8000-000000000000")
    connector.close()


def test_the_folder_of_the_project_holds_no_token(office: House) -> None:
    kept = b"".join(path.read_bytes() for path in Path(office.project.root).rglob("*") if path.is_file())
    assert b"eyJ" not in kept
