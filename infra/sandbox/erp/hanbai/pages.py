"""What the sales system declares: customers and sales invoices, each as a list shows it and as one record, and the structs of a call."""

from __future__ import annotations

from infra.sandbox.erp.contract import Element, Shape, SimpleType

NAMESPACE = "http://hanbai.sakura-seiki.example/ns/"

STRING, INT, DOUBLE = SimpleType("string"), SimpleType("int"), SimpleType("double")
DATE, DATE_TIME = SimpleType("date"), SimpleType("dateTime")


def _all(kind: SimpleType, names: str) -> tuple[Element, ...]:
    return tuple(Element(name, kind) for name in names.split())


AUTHENTICATION = _all(STRING, "hanbaikey sourceapplication login password entity")
RESULT = _all(STRING, "result_code result_label")
#: The server never reads ``status_paid``: what it looks for is called ``paid``.
FILTER_INVOICES = _all(STRING, "customer_id status_paid date_start date_end")
FILTER_CUSTOMERS = _all(STRING, "name")

LINE = (
    Element("id", STRING),
    Element("type", INT),
    Element("desc", STRING),
    *_all(DOUBLE, "vat_rate qty unitprice total_net total_vat total"),
    *_all(DATE, "date_start date_end"),
    Element("product_id", INT),
    *_all(STRING, "product_ref product_label product_desc"),
)
LINES = Element("lines", many=True, type_name="line", children=LINE)
INVOICE = (
    *_all(STRING, "id ref ref_ext"),
    Element("customer_id", INT),
    *_all(STRING, "fk_user_author fk_user_valid"),
    *_all(DATE, "date date_due"),
    *_all(DATE_TIME, "date_creation date_validation date_modification"),
    Element("payment_mode_id", STRING),
    Element("type", INT),
    *_all(DOUBLE, "total_net total_vat total"),
    *_all(STRING, "note_private note_public"),
    Element("status", INT),
    *_all(STRING, "close_code close_note project_id"),
    LINES,
)
CUSTOMER = (
    *_all(STRING, "id ref ref_ext"),
    Element("status", INT),
    *_all(STRING, "customer_code kana rank"),
    *_all(DATE_TIME, "date_creation date_modification"),
    *_all(STRING, "note_private address zip town province country_code country phone fax email url capital"),
    Element("credit_limit", DOUBLE),
)
INVOICES = Shape(
    "invoices",
    "id",
    (
        *_all(STRING, "id ref ref_ext"),
        Element("customer_id", INT),
        Element("customer_code", STRING),
        *_all(DATE, "date date_due"),
        Element("tms", INT),
        Element("payment_mode", STRING),
        *_all(DOUBLE, "total_net total_vat"),
        Element("total", STRING),
        Element("note_public", STRING),
        Element("status", INT),
        LINES,
    ),
    frozenset(("id", "ref", "tms")),
)
CUSTOMERS = Shape("customers", "id", _all(STRING, "id ref ref_ext address zip town country phone fax url"), frozenset(("id", "ref")))
VERSIONS = _all(STRING, "hanbai os php webserver")
#: How the lists spell two elements; the WSDL has them right.
MISSPELT = {"address": "adress", "payment_mode": "payement_mode"}
