"""Graph's subscriptions in the sandbox: what the reference sheet and the documentation say of them, and no kinder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from csdl import Csdl
from csdl_walk import Asking
from receiving import Receiver, receiving
from sharepoint_talk import Server, serving
from test_sandbox_sharepoint_csdl import DESCRIPTION

SECRET = "s" * 32


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.getbasetemp() / "sharepoint") as running:
        yield running


@pytest.fixture
def receiver(server: Server) -> Iterator[Receiver]:
    with receiving(server.settings) as made:
        yield made
    for one in server.get("/v1.0/subscriptions").json()["value"]:
        assert server.get(f"/v1.0/subscriptions/{one['id']}", method="DELETE").status_code == 204
    server.control("token_roles")


def asked(server: Server, receiver: Receiver, **changes: Any) -> dict[str, Any]:
    """A good request, changed; None takes a property out."""
    whole = {
        "changeType": "updated",
        "notificationUrl": receiver.url,
        "resource": f"drives/{server.drive('quality', '品質規程')}/root",
        "expirationDateTime": (server.settings.clock.now() + timedelta(minutes=42_000)).isoformat(),
        "clientState": SECRET,
    }
    return {name: value for name, value in {**whole, **changes}.items() if value is not None}


def post(server: Server, body: Any, **headers: str) -> Any:
    return server.get("/v1.0/subscriptions", method="POST", json=body, headers=headers)


def test_a_subscription_is_made_once_its_receiver_proved_itself_and_its_secret_comes_back_this_once(
    server: Server, receiver: Receiver
) -> None:
    made = post(server, asked(server, receiver, lifecycleNotificationUrl=receiver.url + "/life"))
    assert made.status_code == 201
    told = made.json()
    assert (told["clientState"], told["changeType"], told["applicationId"]) == (SECRET, "updated", server.told["client_id"])
    assert receiver.proved == ["/hook", "/hook/life"]
    (listed,) = server.get("/v1.0/subscriptions").json()["value"]
    alone = server.get(f"/v1.0/subscriptions/{told['id']}").json()
    assert listed["id"] == alone["id"] == told["id"]
    assert listed["clientState"] is alone["clientState"] is None


@pytest.mark.parametrize("manners", ["encoded", "html", "202"])
def test_a_receiver_without_manners_gets_no_subscription(server: Server, receiver: Receiver, manners: str) -> None:
    receiver.manners = manners
    refused = post(server, asked(server, receiver))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "InvalidRequest")
    assert "validation request failed" in refused.json()["error"]["message"]
    assert server.get("/v1.0/subscriptions").json()["value"] == []


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"notificationUrl": "http://localhost:1/hook"}, 400, "InvalidRequest"),
        ({"notificationUrl": "https://receiver.example/hook"}, 400, "InvalidRequest"),
        ({"lifecycleNotificationUrl": "http://localhost:1/hook"}, 400, "InvalidRequest"),
        ({"changeType": "created,updated"}, 400, "InvalidRequest"),
        ({"clientState": "s" * 129}, 400, "InvalidRequest"),
        ({"expirationDateTime": None}, 400, "InvalidRequest"),
        ({"expirationDateTime": "2026-03-01T00:00:00Z"}, 400, "InvalidRequest"),
        ({"expirationDateTime": "2026-05-15T00:00:00Z"}, 400, "ExtensionError"),
        ({"resource": "drives/b!nothing/root"}, 404, "itemNotFound"),
        ({"resource": "sites/root/lists/nothing"}, 404, "itemNotFound"),
        ({"resource": "me/messages"}, 400, "InvalidRequest"),
    ],
)
def test_what_graph_refuses_is_refused_before_anybody_is_called(
    server: Server, receiver: Receiver, changes: dict[str, Any], status: int, code: str
) -> None:
    refused = post(server, asked(server, receiver, **changes))
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert receiver.proved == []


def test_it_takes_leave_to_write_in_the_whole_tenant(server: Server, receiver: Receiver) -> None:
    body = asked(server, receiver)
    server.control("token_roles", roles=["Sites.Read.All"])
    reader = {"Authorization": f"Bearer {server.token()['access_token']}"}
    refused = server.client.post(server.told["graph"] + "/v1.0/subscriptions", json=body, headers=reader)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "accessDenied")
    assert receiver.proved == []


@pytest.mark.skipif(not DESCRIPTION.exists(), reason=f"the description of Graph is not at {DESCRIPTION}")
def test_what_is_told_of_subscriptions_is_as_graphs_own_description_says(server: Server, receiver: Receiver) -> None:
    asking = Asking(server, Csdl.read(DESCRIPTION))
    made = post(server, asked(server, receiver))
    asking.judged(f"/subscriptions/{made.json()['id']}", 200, made.json())
    assert asking.get("/subscriptions") and asking.get(f"/subscriptions/{made.json()['id']}")
    asking.judged("/subscriptions", 400, post(server, {}).json())


def test_a_change_is_told_a_little_later_and_names_the_subscription_and_no_item(server: Server, receiver: Receiver) -> None:
    made = post(server, asked(server, receiver)).json()
    server.control("create", path="品質規程/通知の確認.html", site="quality", text="一")
    told = receiver.notice()
    assert (told["subscriptionId"], told["clientState"], told["changeType"]) == (made["id"], SECRET, "updated")
    assert told["resource"] == made["resource"] and set(told["resourceData"]) == {"@odata.type"}


def test_a_change_of_rights_alone_is_told_to_who_asked_for_those(server: Server, receiver: Receiver) -> None:
    drive = f"drives/{server.drive('quality', '製品マニュアル')}/root"
    deaf = post(server, asked(server, receiver, resource=drive)).json()
    keen = post(server, asked(server, receiver, resource=drive), Prefer="includesecuritywebhooks").json()
    item = server.get(f"/v1.0/{drive}/children").json()["value"][0]
    server.control("share", item=item["id"], scope="organization")
    assert receiver.notice()["subscriptionId"] == keen["id"]
    assert {one["id"]: one["taken"] for one in server.control("subscriptions")["subscriptions"]}[deaf["id"]] == 0


def test_a_renewal_moves_the_end_and_what_is_past_its_end_is_gone(server: Server, receiver: Receiver) -> None:
    made = post(server, asked(server, receiver)).json()
    address = f"/v1.0/subscriptions/{made['id']}"
    until = (server.settings.clock.now() + timedelta(minutes=10)).replace(microsecond=0)
    moved = server.get(address, method="PATCH", json={"expirationDateTime": until.isoformat()})
    assert moved.status_code == 200 and datetime.fromisoformat(moved.json()["expirationDateTime"]) == until
    late = {"expirationDateTime": (server.settings.clock.now() + timedelta(minutes=42_400)).isoformat()}
    assert server.get(address, method="PATCH", json=late).status_code == 400
    server.control("advance", minutes=11)
    gone = server.get(address, method="PATCH", json={"expirationDateTime": (until + timedelta(days=1)).isoformat()})
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "ResourceNotFound")


def test_lifecycle_notices_go_to_their_own_address_and_a_pause_lasts_until_the_renewal(server: Server, receiver: Receiver) -> None:
    made = post(server, asked(server, receiver, lifecycleNotificationUrl=receiver.url)).json()
    assert server.control("lifecycle", event="reauthorizationRequired")["told"] == 1
    told = receiver.notice()
    assert told["lifecycleEvent"] == "reauthorizationRequired" and "resource" not in told
    (paused,) = server.control("subscriptions")["subscriptions"]
    assert paused["paused"]
    until = (server.settings.clock.now() + timedelta(days=20)).isoformat()
    server.get(f"/v1.0/subscriptions/{made['id']}", method="PATCH", json={"expirationDateTime": until})
    server.control("create", path="品質規程/再開.html", site="quality", text="二")
    assert receiver.notice()["changeType"] == "updated"
    assert server.control("lifecycle", event="subscriptionRemoved")["told"] == 1
    assert receiver.notice()["lifecycleEvent"] == "subscriptionRemoved"
    assert server.get("/v1.0/subscriptions").json()["value"] == []


def test_a_notice_that_is_not_taken_comes_again(server: Server, receiver: Receiver) -> None:
    post(server, asked(server, receiver))
    receiver.status = 500
    server.control("create", path="品質規程/再送.html", site="quality", text="三")
    receiver.notice()
    receiver.status = 202
    assert receiver.notice()["changeType"] == "updated"
