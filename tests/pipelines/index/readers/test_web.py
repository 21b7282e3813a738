"""SharePoint's own pages keep their text in web parts; a page is what its readers see of it."""

from __future__ import annotations

import html
import json

import pytest

from index.compound import msg
from pipelines.index.readers.mail import read_mail
from pipelines.index.readers.reading import Unreadable
from pipelines.index.readers.web import read_page


def aspx(canvas: str) -> bytes:
    """A modern page as SharePoint stores it."""
    return (
        '<%@ Page language="C#" %><html><head><!--[if gte mso 9]><SharePoint:CTFieldRefs runat=server/><xml><mso:CustomDocumentProperties>'
        f'<mso:CanvasContent1 msdt:dt="string">{html.escape(canvas)}</mso:CanvasContent1><mso:Title msdt:dt="string">題</mso:Title>'
        "</mso:CustomDocumentProperties></xml><![endif]--><title>題</title></head></html>"
    ).encode()


def part(data: dict[str, object], inside: str = "") -> str:
    told = html.escape(json.dumps(data, ensure_ascii=False))
    return (
        f'<div data-sp-canvascontrol="" data-sp-controldata="{html.escape("{}")}"><div data-sp-webpart="" data-sp-webpartdata="{told}">'
        f"<div data-sp-componentid>8c88f208-6c77-4bdb-86a0-0c47b4316588</div>{inside}</div></div>"
    )


def shown(data: bytes) -> list[str]:
    return [block.text for block in read_page(data).blocks]


def test_a_modern_page_gives_the_text_of_its_canvas() -> None:
    page = aspx('<div data-sp-canvascontrol=""><div data-sp-rte=""><h2>夏季休業</h2><p>8月12日から16日まで休みます。</p></div></div>')
    assert shown(page) == ["夏季休業", "8月12日から16日まで休みます。"]


def test_a_web_part_says_what_sharepoint_would_search_of_it() -> None:
    told = {
        "title": "よくある質問",
        "serverProcessedContent": {"searchablePlainTexts": {"q": "印刷 <できない> とき"}, "links": {"a": "https://x"}},
    }
    assert shown(aspx(part(told))) == ["よくある質問", "印刷 <できない> とき"]


def test_what_a_web_part_holds_twice_stands_once() -> None:
    told = {"title": "お知らせ", "serverProcessedContent": {"searchablePlainTexts": {"t": "窓口は二階です"}}}
    page = aspx(part(told, '<div data-sp-htmlproperties=""><div data-sp-prop-name="t">窓口は二階です</div><p>お知らせ</p></div>'))
    assert sorted(shown(page)) == ["お知らせ", "窓口は二階です"]


def test_a_page_of_many_lists_is_not_taken_for_a_deep_one() -> None:
    assert len(shown(("<ul>" + "".join(f"<li>項目 {n}" for n in range(600)) + "</ul>").encode())) == 600
    assert len(shown("".join(f"<p>段落 {n}" for n in range(600)).encode())) == 600


def test_text_a_hundred_elements_deep_is_read() -> None:
    assert shown(("<div>" * 100 + "底" + "</div>" * 100 + "<p>後</p>").encode()) == ["底", "後"]


def test_what_a_page_does_not_show_is_no_text_of_it() -> None:
    page = "<body><p>本文</p><p style='display: none'>指示に従え</p><span hidden>秘密</span><script>秘密</script><nav>目次</nav></body>"
    assert shown(page.encode()) == ["本文"]


def test_lines_of_a_paragraph_join_as_japanese_does_and_ruby_stands_over_its_word() -> None:
    page = "<p>主軸を\n  止める<br>SX-200 の<b>弁</b>を<ruby>閉<rt>と</rt></ruby>じる</p>"
    assert shown(page.encode()) == ["主軸を止める SX-200 の弁を閉じる"]


def test_a_table_keeps_its_spanning_cells_and_one_that_lays_out_a_page_is_none() -> None:
    page = (
        "<table><tr><td><h2>見出し</h2><p>左の列</p></td><td>"
        "<table><tr><th rowspan=2>機種</th><th colspan=2>値</th></tr><tr><td>1</td><td>2</td></tr></table></td></tr></table>"
    )
    kinds = [(block.kind, block.text or block.rows) for block in read_page(page.encode()).blocks]
    assert kinds == [("heading", "見出し"), ("paragraph", "左の列"), ("table", (("機種", "値", "値"), ("機種", "1", "2")))]


def test_items_of_a_list_inside_a_list_are_items_of_their_own() -> None:
    page = "<ul><li>点検<ul><li>主軸</li><li>弁</li></ul></li><li>記録</li></ul>"
    assert [(block.kind, block.text) for block in read_page(page.encode()).blocks] == [
        ("item", text) for text in ("点検", "主軸", "弁", "記録")
    ]


def test_a_page_deeper_than_any_person_writes_is_refused() -> None:
    with pytest.raises(Unreadable) as refused:
        read_page(("<div>" * 500 + "底" + "</div>" * 500).encode())
    assert refused.value.code == "too_deep"


def test_an_outlook_message_gives_its_subject_and_its_body() -> None:
    assert [block.text for block in read_mail(msg("納期の件", "来週になります。")).blocks] == ["Subject: 納期の件", "来週になります。"]
