from __future__ import annotations

from typing import Any

from sharepoint_world import Table, rows_of, stream_of, tenant

from connectors.protocol import Cursor, Window
from connectors.sharepoint.addresses import Addresses
from connectors.sharepoint.pages import plain_text
from connectors.sharepoint.pull import pull
from connectors.sharepoint.schema import PAGES

SITE = "/v1.0/sites/S"
STREAM = stream_of({"site": "/sites/quality", "kind": "pages"}, PAGES, "page_id")


def part(html: str) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.textWebPart", "innerHtml": html}


LAYOUT = {
    "verticalSection": {"webparts": [part("<p>最後</p>")]},
    "horizontalSections": [
        {"id": "2", "columns": [{"id": "1", "webparts": [part("<p>三</p>")]}]},
        {
            "id": "1",
            "columns": [
                {"id": "2", "webparts": [part("<p>二</p>"), {"webPartType": "image"}]},
                {"id": "1", "webparts": [part("<p>一</p>")]},
            ],
        },
    ],
}


def meta(id: str, version: str = "1") -> dict[str, Any]:
    return {"id": id, "name": f"{id}.aspx", "title": id, "eTag": version, "lastModifiedDateTime": "2026-11-01T00:00:00Z"}


def site(*pages: dict[str, Any], **layouts: Any) -> Table:
    table = Table({"/v1.0/sites/contoso.sharepoint.example:/sites/quality": {"id": "S", "displayName": "品質"}})
    table[f"{SITE}/pages/microsoft.graph.sitePage"] = {"value": list(pages)}
    for one in pages:
        table[f"{SITE}/pages/{one['id']}/microsoft.graph.sitePage"] = {**one, "canvasLayout": layouts.get(one["id"], LAYOUT)}
    return table


def pulled(table: Table, cursor: Cursor | None = None) -> list[Any]:
    return list(pull(Addresses(tenant(table)), STREAM, Window(), cursor, None))


def test_text_parts_come_in_the_order_people_read_them() -> None:
    (row,) = rows_of(pulled(site(meta("P1"))))
    assert row["text"] == "一\n二\n三\n最後" and row["html"].startswith("<p>一</p>") and row["_scope"] == "unresolved"


def test_other_parts_say_what_of_them_can_be_searched() -> None:
    said = {
        "htmlStrings": [{"key": "title", "value": "<h2>よく使う様式</h2>"}],
        "searchablePlainTexts": [{"key": "items[0].title", "value": "A<B 票"}],
    }
    quick = {
        "@odata.type": "#microsoft.graph.standardWebPart",
        "webPartType": "x",
        "data": {"title": "Quick links", "serverProcessedContent": said},
    }
    layout = {"horizontalSections": [{"id": "1", "columns": [{"id": "1", "webparts": [part("<p>一</p>"), quick]}]}]}
    (row,) = rows_of(pulled(site(meta("P1"), P1=layout)))
    assert row["text"] == "一\nよく使う様式\nA<B 票"


def test_one_page_the_source_cannot_render_keeps_its_metadata_and_spares_the_others() -> None:
    table = site(meta("BAD"), meta("P1"))
    good = {**meta("BAD")}

    def broken(request: Any) -> Any:
        import httpx

        return (
            httpx.Response(400, json={"error": {"code": "invalidRequest"}})
            if b"canvasLayout" in request.url.query
            else httpx.Response(200, json=good)
        )

    table[f"{SITE}/pages/BAD/microsoft.graph.sitePage"] = broken
    rows = {row["page_id"]: row["text"] for row in rows_of(pulled(table))}
    assert rows["BAD"] is None and rows["P1"]


def test_only_pages_that_changed_come_the_next_day_and_lost_ones_are_deleted() -> None:
    first = pulled(site(meta("P1"), meta("P2"), meta("P3")))
    later = site(meta("P1"), meta("P2", "2"))
    rows = rows_of(pulled(later, first[-1].cursor))
    assert [(row["_op"], row["page_id"]) for row in rows] == [("upsert", "P2"), ("delete", "P3")]
    assert not any("P1" in request.url.path for request in later.asked)


def test_html_becomes_lines_without_scripts() -> None:
    assert (
        plain_text("<h2>手順&amp;注意</h2><p>締める\n力 <b>5</b> N</p><script>x()</script><ul><li>一</li><li>二</li></ul>")
        == "手順&注意\n締める 力 5 N\n一\n二"
    )
