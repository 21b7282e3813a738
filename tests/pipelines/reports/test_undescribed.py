"""A stream that can't be described any more: what changed at the source is named before the error that it ends in."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import AddressUnknown
from connectors.protocol import Column, Schema, Stream
from expectations.contract import Contract
from expectations.facts import Facts, facts_of
from pipelines.clock import WallClock
from pipelines.pull.compare import check_of, held_against, last_seen, moved
from pipelines.reports.glossary import Glossary
from pipelines.reports.source_map import survey

from .sources import FakeConnector, orders, project

CONTRACT = Contract.model_validate(
    {
        "stream": "erp/orders",
        "version": 1,
        "source": {"operation": "Read"},
        "key": ["no"],
        "fields": [{"name": "no", "source": "No", "type": "string"}],
    }
)
KNOWN = {"soap": "1.1", "style": "document"}


class Moved(FakeConnector):
    """Raises when a stream is described, and still says how its operation is called now."""

    def __init__(self, style: str) -> None:
        super().__init__(
            (orders(),), errors={"describe": AddressUnknown("soap.operation_unknown", operation="Read", wsdl="w", candidates="-")}
        )
        self.style = style

    def identify(self, stream: Stream) -> Schema:
        return Schema((), "", "2", {"soap": "1.1", "style": self.style})


def facts() -> Facts:
    return facts_of(Schema((), "", "1", KNOWN))


def test_the_change_that_explains_it_is_the_drift_of_the_stream() -> None:
    drift = held_against(CONTRACT, Moved("rpc"), facts())
    assert [(one.kind, one.path, one.old, one.new, one.blocks) for one in drift.changes] == [("call", "style", "document", "rpc", True)]
    check = check_of(drift)
    assert not check.passed and check.rows[0]["field"] == "style"


def test_the_error_stands_where_no_change_explains_it() -> None:
    for since in (facts(), None):
        with pytest.raises(AddressUnknown):
            held_against(CONTRACT, Moved("document"), since)


def test_a_connector_that_can_not_say_more_adds_nothing_to_its_error() -> None:
    stream = Stream("erp", "orders", {}, ("no",), (Column("no", "No", orders().schema.fields[1].type),))
    assert moved(CONTRACT, FakeConnector((orders(),)), stream, facts()) == ()


def test_looking_for_what_was_seen_last_makes_no_folder(tmp_path: Path) -> None:
    assert last_seen(str(tmp_path / "data"), "erp/orders") is None and not (tmp_path / "data").exists()


def test_the_source_map_shows_the_change_beside_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = project(tmp_path, "erp")
    whole = orders()
    contract = CONTRACT.model_copy(update={"source": dict(whole.source)})
    found.contracts["erp/orders"] = contract

    def seen(_: str, stream: str) -> Facts | None:
        return facts() if stream == "erp/orders" else None

    monkeypatch.setattr("pipelines.reports.source_map.last_seen", seen)
    (system,) = survey(found, ["erp"], Glossary(), WallClock(), connect=lambda _: Moved("rpc")).systems
    (one,) = system.streams
    assert [(change.kind, change.path, change.new) for change in one.changes] == [("call", "style", "rpc")]
    assert {"map.not_described", "map.drifted"} <= {question.code for question in one.questions}
