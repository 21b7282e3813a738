"""What is Azure's alone: roots as Fabric and Spark write them, rights that end at reading, and an identity in place of a key."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import azure_store
import pytest
from azure_identity import machine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipelines" / "landing"))
from stored import STREAM, batch, pulled, told

from connectors.errors import FixConfiguration
from pipelines.landing.storing import storing
from pipelines.landing.warehouse import Warehouse


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, azure_store.Account]]:
    with azure_store.azure_server() as found:
        yield found


def environment(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in [one for one in os.environ if one.startswith(("AZURE_", "AZURITE_", "IDENTITY_"))]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("scheme", ["az://{0}", "abfs://{0}", "abfss://{0}@{1}.dfs.core.windows.net"])
def test_the_same_root_is_reached_by_each_way_to_write_it(
    server: tuple[int, azure_store.Account], monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    environment(monkeypatch, azure_store.by_key(*server))
    root = f"{scheme.format(azure_store.CONTAINER, azure_store.ACCOUNT)}/{scheme[:5].strip(':/')}"
    pulled(root, 1, batch({1: "櫻井", 2: "渡邊"}))
    pulled(root, 2, batch({2: "渡辺"}, 2))
    assert told(Warehouse(root)) == told(Warehouse(f"az://{azure_store.CONTAINER}/{root.rsplit('/', 1)[-1]}")) == {1: "櫻井", 2: "渡辺"}


def test_rights_that_end_at_reading_show_what_is_published_and_refuse_by_name_what_would_write(
    server: tuple[int, azure_store.Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, account = server
    root = f"az://{azure_store.CONTAINER}/reader"
    environment(monkeypatch, azure_store.by_key(port, account))
    warehouse = pulled(root, 1, batch({1: "櫻井"}))
    record = warehouse.published(STREAM)
    token = account.shared_access("rl")
    environment(monkeypatch, azure_store.at(port) | {"AZURE_STORAGE_SAS_TOKEN": token})
    reader = Warehouse(root)
    assert told(reader) == {1: "櫻井"} and record is not None
    schema = batch({1: "x"}).schema
    writes: list[Callable[[], object]] = [
        lambda: reader.publish(record.model_copy(update={"number": 2})),
        lambda: reader.append("landing", STREAM, [batch({2: "x"}, 2)], schema),
        lambda: reader.put_blob(Path(__file__), "a" * 64),
    ]
    for write in writes:
        with pytest.raises(FixConfiguration) as refused, storing(root):
            write()
        said = refused.value.say()
        assert refused.value.code == "landing.disk" and root in said and "403" in said, said
        assert "\x1b" not in said and token.rsplit("sig=", 1)[-1] not in said, said
    assert reader.published(STREAM) == record


def test_a_wrong_key_and_a_container_that_is_not_there_are_told_in_the_stores_words(
    server: tuple[int, azure_store.Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = azure_store.Account()
    environment(monkeypatch, azure_store.by_key(server[0], other))
    with pytest.raises(FixConfiguration) as refused, storing("az://lake/x"):
        Warehouse("az://lake/x").published(STREAM)
    assert "403" in refused.value.say() and other.key not in refused.value.say()
    environment(monkeypatch, azure_store.by_key(*server))
    with pytest.raises(FixConfiguration) as absent, storing("az://nowhere/x"):
        Warehouse("az://nowhere/x").open("current", STREAM)
    assert "404" in absent.value.say() and "\x1b" not in absent.value.say()


def test_without_a_key_the_machines_identity_is_asked_and_its_token_opens_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    with machine() as served:
        identity = {"AZURE_MSI_ENDPOINT": f"http://127.0.0.1:{served.port}/identity", "IDENTITY_HEADER": "of-this-machine"}
        environment(monkeypatch, azure_store.at(served.port) | identity | {"AZURE_CLIENT_ID": "chosen-identity"})
        warehouse = Warehouse(f"az://{azure_store.CONTAINER}/x")
        assert warehouse.published(STREAM) is None and warehouse.open("current", STREAM) is None
        asked = served.asked()
    tokens = [(path, headers) for path, headers in asked if path.startswith("/identity")]
    stored = [headers for path, headers in asked if path.startswith(f"/{azure_store.ACCOUNT}/")]
    assert [headers.get("x-identity-header") for _, headers in tokens] == ["of-this-machine"] * 2, "each library asks for itself"
    assert all("client_id=chosen-identity" in path for path, _ in tokens)
    assert len([path for path, _ in asked if "comp=list" in path]) == 2
    assert {one.get("authorization") for one in stored} == {"Bearer issued-here"}
