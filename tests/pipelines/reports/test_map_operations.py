"""The map of a source that is made of operations: each with its shape, those that can't be read with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from connectors.capabilities import OperationShape
from connectors.messages import told
from pipelines.clock import WallClock
from pipelines.pull.outcome import silent
from pipelines.reports.glossary import Glossary
from pipelines.reports.page import plain, render
from pipelines.reports.source_map import SourceMap, survey

from . import sources
from .sources import FakeConnector, orders

SHAPES = (
    OperationShape("CountParts", "", "", (), ("Count",), "1.1 document/literal"),
    OperationShape("ReadLots", "Lots/Lot", "handles", ("filter",), ("Lots",), "1.1 document/literal"),
    OperationShape("ReadParts", "List/Part", "bookmark", ("filter", "bookmarkKey"), ("ResultCode", "List"), "1.1 document/literal"),
    OperationShape("ReadNothing", "", "", (), (), dropped=told("soap.dropped.missing", kind="message", name="{urn:x}Gone"), service="old"),
)


class Called(FakeConnector):
    def operations(self) -> Sequence[OperationShape]:
        return SHAPES


def mapped(folder: Path) -> SourceMap:
    offer = replace(orders(), source={"operation": "ReadParts"})
    connector = Called((offer,))
    return survey(sources.project(folder, "erp"), ["erp"], Glossary(), WallClock(), silent, lambda _: connector)


def test_the_page_has_every_operation_with_its_shape_and_why_one_was_dropped(tmp_path: Path) -> None:
    page = render(mapped(tmp_path))
    for said in (
        "ReadLots",
        "Lots/Lot",
        "handles",
        "bookmarkKey",
        "1.1 document/literal",
        "{urn:x}Gone が定義されていません",
        "is named but not defined",
    ):
        assert said in page
    assert "operations: 4 (listing rows: 2, dropped: 1)" in page
    table = page.partition('<table class="operations">')[2].partition("</table>")[0]
    assert table.count('<a href="#erp/orders">') == 1 and table.count("<tr>") == 1 + len(SHAPES)


def test_the_same_stands_in_the_yaml_and_in_json(tmp_path: Path) -> None:
    (system,) = plain(mapped(tmp_path))["systems"]
    assert [(one["operation"], one["rows"], one["paging"], one["stream"]) for one in system["operations"]] == [
        ("CountParts", "", "", None),
        ("ReadLots", "Lots/Lot", "handles", None),
        ("ReadParts", "List/Part", "bookmark", "erp/orders"),
        ("ReadNothing", "", "", None),
    ]
    assert system["operations"][3]["dropped"] == "message {urn:x}Gone is named but not defined"


def test_a_source_that_is_not_made_of_operations_has_no_such_table(tmp_path: Path) -> None:
    found = survey(sources.project(tmp_path, "erp"), ["erp"], Glossary(), WallClock(), connect=lambda _: FakeConnector((orders(),)))
    assert 'class="operations"' not in render(found) and "operations" not in plain(found)["systems"][0]
