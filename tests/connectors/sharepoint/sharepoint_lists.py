"""A list with one column of every kind, an item of it, and its pull from a table of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sharepoint_world import GRAPH, Table, Told, api, stream_of

from connectors.conformance import Holding
from connectors.protocol import Cursor, Page, Stream, Window
from connectors.sharepoint.places import Place, Site
from connectors.sharepoint.records import pull_list
from connectors.sharepoint.schema import list_fields
from connectors.sharepoint.scopes import ScopeMap
from connectors.sharepoint.terms import Terms

PLACE = Place(Site("/sites/q", "h,c,w", "c", "Q"), "L", "L", "台帳")
TOKYO = ZoneInfo("Asia/Tokyo")
DELTA = f"/v1.0/{PLACE.items_url}/delta"


def column(name: str, facet: str, detail: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"id": f"id-{name}", "name": name, "displayName": name, facet: detail or {}, **more}


COLUMNS = [
    column("Title", "text", {"maxLength": 255}, required=True),
    column("Body", "text", {"allowMultipleLines": True, "textType": "richText"}),
    column("Kind", "choice", {"choices": ["軽微", "重大"], "displayAs": "dropDownMenu"}),
    column("Steps", "choice", {"choices": ["研削", "検査"], "displayAs": "checkBoxes"}),
    column("Count", "number", {"decimalPlaces": "none"}),
    column("Ratio", "number", {"decimalPlaces": "automatic"}),
    column("Cost", "currency", {"locale": "ja-JP"}),
    column("Again", "boolean"),
    column("Due", "dateTime", {"format": "dateOnly"}),
    column("At", "dateTime", {"format": "dateTime"}),
    column("Machine", "lookup", {"columnName": "Title"}),
    column("Machines", "lookup", {"columnName": "Title", "allowMultipleValues": True}),
    column("Owner", "personOrGroup"),
    column("Team", "personOrGroup", {"allowMultipleSelection": True}),
    column("Link", "hyperlinkOrPicture"),
    column("Term", "term"),
    column("Terms", "term", {"allowMultipleValues": True}),
    column("Sum", "calculated", {"outputType": "number", "formula": "=[Count]*2"}, readOnly=True),
    column("Photo", "thumbnail"),
]
FIELDS = {
    "Title": "外径不良", "Body": "<p>原因</p>", "Kind": "軽微", "Steps": ["研削", "検査"], "Count": 374.0, "Ratio": 0.25, "Cost": 514000.5, "Again": False,
    "Due": "2026-11-20T15:00:00Z", "At": "2026-11-20T15:00:00Z", "MachineLookupId": "14", "Machines": [{"LookupId": 3, "LookupValue": "M-3"}],
    "OwnerLookupId": "6", "Team": [{"LookupId": 7, "LookupValue": "松本 澪", "Email": "mio@example"}], "Link": {"Url": "https://x.example", "Description": "手順"},
    "Term": {"Label": "12", "TermGuid": "g-1", "WssId": 12}, "Terms": [{"Label": "鋳造", "TermGuid": "g-2", "WssId": 13}, {"Label": "14", "TermGuid": "g-3", "WssId": 14}], "Sum": "float;#748.5", "Photo": {"fileName": "図.png"},
}  # fmt: skip
LIVE = list_fields(COLUMNS)


def item(id: str = "1", **fields: Any) -> dict[str, Any]:
    return {"id": id, "eTag": f'"{id},1"', "createdDateTime": "2026-10-01T00:00:00Z", "lastModifiedDateTime": "2026-11-01T00:00:00.1234567Z",
            "webUrl": "https://x.example/1", "contentType": {"id": "0x0100"}, "lastModifiedBy": {"user": {"displayName": "退職者"}}, "fields": fields}  # fmt: skip


def pulled(
    *items: dict[str, Any],
    stream: Stream | None = None,
    cursor: Cursor | None = None,
    scopes: ScopeMap | Told | None = None,
    table: Table | None = None,
    held: Sequence[Page] = (),
    terms: Terms | None = None,
) -> list[Any]:
    table = table if table is not None else Table({DELTA: {"value": list(items), "@odata.deltaLink": f"{GRAPH}{DELTA}?token=1"}})
    known = scopes if isinstance(scopes, Told) else Told(scopes or ScopeMap({str(number): "s" for number in range(1, 9)}))
    stream = stream or stream_of({}, LIVE, "id")
    return list(
        pull_list(
            api(table),
            PLACE,
            known,
            {"id": "L"},
            LIVE,
            TOKYO,
            terms or Terms(None, PLACE.site),
            stream,
            Window(),
            cursor,
            Holding(stream, held),
        )
    )
