"""The bundle: what is fetched and from where, what comes out of the catalog, and the copy that is used without fetching."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
from soap_fake import EMPTY, SCHEMA, WSDL, WSDL_URL, Fake, part, reply, stream

from connectors.errors import FixConfiguration
from connectors.protocol import Column, Window
from connectors.soap import bundle, catalog
from connectors.soap.config import Config
from connectors.soap.connector import SoapConnector
from connectors.soap.store import Store
from connectors.soap.wsdl import read
from connectors.transport import TransportOptions

XSD_URL = "https://erp.example/ws/Parts?xsd=parts.xsd"
MIME = (
    f'<xs:import namespace="{catalog.XMLMIME}" schemaLocation="http://www.w3.org/2005/05/xmlmime"/>'
    '<xs:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="http://www.w3.org/2001/xml.xsd"/>'
    f'<xs:import namespace="{catalog.ENCODING}"/><xs:simpleType name="Grade">'
)


def with_imports() -> str:
    return SCHEMA.replace('<xs:simpleType name="Grade">', MIME, 1).replace(
        '<xs:element name="Since" type="xs:date"',
        f'<xs:element name="Picture" type="m:base64Binary" xmlns:m="{catalog.XMLMIME}" minOccurs="0"/><xs:element name="Since" type="xs:date"',
    )


@pytest.mark.parametrize("namespace", sorted(catalog.NAMESPACES))
def test_every_schema_of_the_catalog_is_there_and_is_the_one_it_says(namespace: str) -> None:
    document = bundle.Document(catalog.url_of(namespace), "", "", catalog.shipped(namespace))
    assert document.root.attributes["targetNamespace"] == namespace


def test_well_known_schemas_come_from_the_catalog_and_nothing_is_asked_for_them() -> None:
    fake = Fake(reply(part("A", "<Picture>AAEC</Picture>")), EMPTY, documents={XSD_URL: with_imports()})
    page = next(fake.connector().pull(stream(Column("picture", "Picture", pa.binary())), Window()))
    assert page.rows.column("picture").to_pylist() == [b"\x00\x01\x02"]
    assert fake.fetched == [WSDL_URL, XSD_URL]


def test_an_allowed_host_serves_schemas_and_is_never_told_who_asks() -> None:
    told: dict[str, bool] = {}
    wsdl = WSDL.replace("Parts?xsd=parts.xsd", "https://schemas.example/parts.xsd")

    def answer(request: httpx.Request) -> httpx.Response:
        told[request.url.host] = "authorization" in request.headers
        return httpx.Response(200, text=wsdl if request.url.host == "erp.example" else SCHEMA, headers={"Content-Type": "text/xml"})

    auth = {"basic": {"user": "reader", "password": "correct-horse"}}
    config = Config.model_validate({"wsdl": WSDL_URL, "auth": auth, "hosts": ["schemas.example"]})
    SoapConnector("erp", config, TransportOptions(attempts=1), httpx.MockTransport(answer)).describe(stream())
    assert told == {"erp.example": True, "schemas.example": False}


@pytest.mark.parametrize("host", ["https://schemas.example", "a/b", "user@schemas.example", ""])
def test_an_allowed_host_is_a_name_and_nothing_else(host: str) -> None:
    with pytest.raises(ValueError, match="no host name"):
        Config.model_validate({"wsdl": WSDL_URL, "hosts": [host]})


@pytest.mark.parametrize("reference", ["http://schemas.example/a.xsd", "https://schemas.example:444/a.xsd", "file:///etc/passwd"])
def test_an_allowed_host_is_allowed_by_its_own_scheme_and_port_only(reference: str) -> None:
    with pytest.raises(FixConfiguration, match="another host or scheme"):
        bundle.confined(WSDL_URL, WSDL_URL, reference, ("schemas.example",))


def test_more_imports_than_a_contract_ever_has_are_refused() -> None:
    def endless(url: str) -> tuple[bytes, str]:
        number = int(url.rpartition("=")[2]) if "=" in url else 0
        include = f'<include schemaLocation="a?n={number + 1}"/>'
        return f'<schema xmlns="http://www.w3.org/2001/XMLSchema">{include}</schema>'.encode(), "text/xml"

    with pytest.raises(FixConfiguration, match="imports deep"):
        bundle.fetch("https://erp.example/a", endless)


def test_documents_without_number_or_measure_are_refused_while_they_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []

    def wide(url: str) -> tuple[bytes, str]:
        fetched.append(url)
        includes = "".join(f'<include schemaLocation="b{n}"/>' for n in range(bundle.MAX_DOCUMENTS + 100)) if url.endswith("/a") else ""
        return f'<schema xmlns="http://www.w3.org/2001/XMLSchema">{includes}</schema>'.encode(), "text/xml"

    with pytest.raises(FixConfiguration, match=f"{bundle.MAX_DOCUMENTS} documents"):
        bundle.fetch("https://erp.example/a", wide)
    assert len(fetched) == bundle.MAX_DOCUMENTS
    fetched.clear()
    monkeypatch.setattr(bundle, "MAX_TOTAL", 30_000)
    with pytest.raises(FixConfiguration, match="30000 bytes"):
        bundle.fetch("https://erp.example/a", wide)
    assert len(fetched) < 300


def test_one_document_without_end_is_refused_before_it_has_all_come() -> None:
    sent: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            sent.append(1024 * 1024)
            yield b" " * sent[-1]

    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            return endless()

    def server(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Endless(), headers={"Content-Type": "text/xml"})

    client = SoapConnector("erp", Config.model_validate({"wsdl": WSDL_URL}), TransportOptions(attempts=1), httpx.MockTransport(server))
    with pytest.raises(FixConfiguration, match="in one document"):
        client.describe(stream())
    assert sum(sent) <= bundle.MAX_DOCUMENT + 2 * 1024 * 1024


def test_a_kept_contract_is_used_without_fetching_and_gives_the_same_rows(tmp_path: Path) -> None:
    Fake(EMPTY).connector(bundle_dir=tmp_path).describe(stream())
    fake = Fake(reply(part("A")), EMPTY)
    fake.documents.clear()
    (page,) = fake.connector(bundle_dir=tmp_path, offline=True).pull(stream(), Window())
    assert page.rows.column("code").to_pylist() == ["A"] and fake.fetched == []


def test_the_state_folder_keeps_contracts_where_no_other_folder_is_named(tmp_path: Path) -> None:
    config = Config.model_validate({"wsdl": WSDL_URL})
    options = TransportOptions(attempts=1, state=tmp_path)
    SoapConnector("erp", config, options, httpx.MockTransport(Fake(EMPTY))).describe(stream())
    assert Store(tmp_path / "soap").find(WSDL_URL) is not None


def test_looking_for_drift_fetches_though_a_contract_is_kept(tmp_path: Path) -> None:
    Fake(EMPTY).connector(bundle_dir=tmp_path).describe(stream())
    added = SCHEMA.replace('<xs:element name="Since"', '<xs:element name="Eco" type="xs:string" minOccurs="0"/><xs:element name="Since"')
    fake = Fake(EMPTY, documents={XSD_URL: added})
    assert "Eco" in {one.source for one in fake.connector(bundle_dir=tmp_path).describe(stream()).fields}
    assert fake.fetched == [WSDL_URL, XSD_URL]


def test_rights_are_asked_for_by_the_contract_as_it_is_and_not_by_one_that_another_stream_kept(tmp_path: Path) -> None:
    """Nobody describes the service that only lists who may read: a contract kept while it stood elsewhere would be used for ever."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, content=EMPTY, headers={"Content-Type": "text/xml"})

    away = WSDL.replace('ws/Parts"/>', 'ws/Away"/>')
    rights = stream(access={"operation": "ReadParts", "role": "Code", "entity": "Key", "login": "Grade"})
    Fake(EMPTY, documents={WSDL_URL: away}).connector(bundle_dir=tmp_path).describe(stream())
    fake = Fake(answer)
    connector = fake.connector(bundle_dir=tmp_path)
    connector.access(rights)
    connector.access(rights)
    assert asked == ["/ws/Parts", "/ws/Parts"] and fake.fetched == [WSDL_URL, XSD_URL], "fetched once by each client"
    Fake(EMPTY, documents={WSDL_URL: away}).connector(bundle_dir=tmp_path).describe(stream())
    Fake(answer).connector(bundle_dir=tmp_path, offline=True).access(rights)
    assert asked[2:] == ["/ws/Away"]


def test_offline_without_a_kept_contract_says_where_it_looked(tmp_path: Path) -> None:
    fake = Fake(EMPTY)
    with pytest.raises(FixConfiguration, match="holds no contract of"):
        fake.connector(bundle_dir=tmp_path / "contracts", offline=True).describe(stream())
    assert fake.fetched == []
    with pytest.raises(ValueError, match="offline needs bundle_dir"):
        Config.model_validate({"wsdl": WSDL_URL, "offline": True})


def kept(tmp_path: Path, types: int = 0) -> Store:
    more = "".join(
        f'<xs:complexType name="T{n}"><xs:sequence><xs:element name="A" type="p:Grade"/><xs:element name="B" type="p:T{max(0, n - 1)}" '
        f'minOccurs="0"/><xs:element name="C" type="xs:decimal" maxOccurs="unbounded"/></xs:sequence></xs:complexType>'
        for n in range(types)
    )
    schema = SCHEMA.replace("</xs:schema>", more + "</xs:schema>")
    documents = {WSDL_URL: WSDL, XSD_URL: schema}
    made = bundle.fetch(WSDL_URL, lambda url: (documents[url].encode(), "text/xml"))
    store = Store(tmp_path)
    store.keep(made, read(made))
    return store


def test_the_compiled_contract_equals_the_one_read_from_the_documents_and_parses_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = kept(tmp_path, types=40)
    from connectors.soap import bundle as module

    def never(*_: object, **__: object) -> object:
        raise AssertionError("a document was parsed")

    found = store.find(WSDL_URL)
    assert found is not None
    monkeypatch.setattr(module, "parse", never)
    again = store.find(WSDL_URL)
    assert again is not None and again[1] == found[1]
    monkeypatch.undo()
    assert again[1] == read(again[0])


@pytest.mark.parametrize("content", [b"", b"\x80", b"not msgpack"])
def test_a_compiled_contract_that_is_damaged_is_made_anew(tmp_path: Path, content: bytes) -> None:
    store = kept(tmp_path)
    (compiled,) = tmp_path.glob("*/compiled.msgpack")
    before = compiled.read_bytes()
    compiled.write_bytes(content)
    assert store.find(WSDL_URL) is not None and compiled.read_bytes() == before


def test_a_compiled_contract_of_other_code_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.soap import store as module

    store = kept(tmp_path)
    (compiled,) = tmp_path.glob("*/compiled.msgpack")
    before = compiled.read_bytes()
    monkeypatch.setattr(module, "_code", lambda: "another version")
    assert store.find(WSDL_URL) is not None and compiled.read_bytes() != before


def test_a_kept_document_that_was_changed_is_refused(tmp_path: Path) -> None:
    store = kept(tmp_path)
    (document,) = tmp_path.glob("*/0001.xml")
    document.write_bytes(document.read_bytes() + b" ")
    with pytest.raises(FixConfiguration, match="changed after it was saved"):
        store.find(WSDL_URL)
