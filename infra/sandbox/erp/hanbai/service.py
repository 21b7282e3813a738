"""The sales service: who may call it, its WSDL, and the answer to each operation."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import date
from typing import Any

from infra.sandbox.erp.contract import Element, Row, jsoned
from infra.sandbox.erp.front import Incoming, Service
from infra.sandbox.erp.hanbai import soap
from infra.sandbox.erp.hanbai.pages import CUSTOMER, INVOICE, VERSIONS
from infra.sandbox.erp.hanbai.store import Store, Test
from infra.sandbox.erp.hanbai.wsdl import OPERATIONS, wsdl
from infra.sandbox.erp.mishaps import Mishap, Mishaps
from infra.sandbox.erp.replies import HARD_TEXT, Reply, reply
from infra.sandbox.settings import Settings

USER = "renkei"
_PATH = "/erp/hanbai/server.php"
_VERSIONS = {"hanbai": "4.2.1", "os": "linux", "php": "7.4.33", "webserver": "Apache/2.4"}
_CUSTOMER = Element("customer", type_name="customer", children=CUSTOMER)
_INVOICE = Element("invoice", type_name="invoice", children=INVOICE)
#: Operation → the list's element, and the item type of its empty array.
_LISTS = {"getListOfCustomers": ("customers", "customer_short"), "getListOfInvoices": ("invoices", "invoice_short")}
_NOTHING_TO_LIST = "payments"


def _secret(kind: str, seed: int) -> str:
    return hashlib.sha256(f"hanbai:{kind}:{seed}".encode()).hexdigest()[:24]


def describe(settings: Settings) -> dict[str, str]:
    """Where the WSDL is and what goes into the body of every call: ``wsdl``, ``key``, ``user``, ``password``."""
    return {
        "wsdl": f"{settings.https_url}{_PATH}?wsdl",
        "key": _secret("key", settings.seed),
        "user": USER,
        "password": _secret("password", settings.seed),
    }


class Refused(Exception):
    """A call that the sales system itself answers, inside a 200, with another code than OK."""

    def __init__(self, code: str, label: str) -> None:
        super().__init__(label)
        self.code = code


class Hanbai(Service):
    """The WSDL is open to everybody; every call brings key, login and password."""

    name = "hanbai"
    path = _PATH
    evolving = "invoices"

    def __init__(self, settings: Settings, mishaps: Mishaps) -> None:
        self._store = Store(settings.seed, settings.clock)
        super().__init__(self._store, mishaps)
        self._told = describe(settings)
        self._operations: dict[str, Callable[[soap.Call, str], list[bytes]]] = {
            "getVersions": self._versions,
            "getCustomer": lambda call, _: [_encoded(_CUSTOMER, _found(self._store.customers, call))],
            "getInvoice": lambda call, _: [_encoded(_INVOICE, _found(self._store.invoices, call))],
            "getListOfCustomers": self._list_customers,
            "getListOfInvoices": self._list_invoices,
            "getListOfPayments": lambda _, __: [soap.listing(_NOTHING_TO_LIST, [], 0)],
        }

    def document(self, asked: dict[str, str], here: str, service: str) -> tuple[bytes, str] | None:
        if "wsdl" not in asked:
            return None
        with self._store.lock:
            return wsdl(self._store.shape, service, self.action_suffix), "text/xml; charset=ISO-8859-1"

    def answer(self, incoming: Incoming, mishap: Mishap | None) -> Reply:
        kind = mishap.kind if mishap else ""
        try:
            if kind in ("fault500", "fault200"):
                raise soap.NuSoapFaultError("内部エラーが発生しました。管理者に連絡してください。", "Server")
            call = soap.parse(incoming.body, OPERATIONS)
            return reply(self._answer(call, kind), soap.MEDIA_TYPE)
        except soap.NuSoapFaultError as error:
            return reply(soap.fault(error), soap.MEDIA_TYPE, 200 if kind == "fault200" else 500)

    def _answer(self, call: soap.Call, kind: str) -> bytes:
        try:
            self._check(call.struct("authentication"))
            if kind == "app_error":
                raise Refused("DB_ERROR_NOSUCHFIELD", "Unknown column 'total' in 'SELECT'")
            with self._store.lock:
                self._store.catch_up()
                return soap.reply(
                    call.operation, "OK", HARD_TEXT if kind == "shift_jis" else "", *self._operations[call.operation](call, kind)
                )
        except Refused as error:
            return soap.reply(call.operation, error.code, str(error), *_nothing(call.operation))

    def _check(self, given: dict[str, str]) -> None:
        if not secrets.compare_digest(given.get("hanbaikey", "").encode(), self._told["key"].encode()):
            raise Refused(
                "BAD_VALUE_FOR_SECURITY_KEY", "Value provided into hanbaikey entry field does not match security key defined in setup"
            )
        wanted = f"{USER}:{self._told['password']}{self.password_suffix}"
        if not secrets.compare_digest(f"{given.get('login', '')}:{given.get('password', '')}".encode(), wanted.encode()):
            raise Refused("BAD_CREDENTIALS", "Bad value for login or password")

    def _versions(self, _: soap.Call, __: str) -> list[bytes]:
        return [soap.typed(element.name, element, _VERSIONS[element.name]).encode() for element in VERSIONS]

    def _list_customers(self, call: soap.Call, kind: str) -> list[bytes]:
        part = "" if kind == "ignore_filter" else call.struct("filtercustomer").get("name", "")
        items = self._store.customer_items(lambda row: part in row["ref"])
        return [soap.listing("customers", items, len(items) + (kind == "wrong_count"))]

    def _list_invoices(self, call: soap.Call, kind: str) -> list[bytes]:
        wanted = _everything if kind == "ignore_filter" else _invoice_test(call.struct("filterinvoice"))
        items = self._store.invoice_items(wanted)
        return [soap.listing("invoices", items, len(items) + (kind == "wrong_count"))]

    def truth(self, body: dict[str, Any]) -> dict[str, Any]:
        """``entity``: ``invoices`` and ``customers`` as listed, ``invoice`` and ``customer`` as single records, all by the WSDL's names."""
        entity = str(body.get("entity", ""))
        store = self._store
        with store.lock:
            store.catch_up()
            known: dict[str, tuple[list[Row], Callable[[Row], Row]]] = {
                "invoices": (store.invoices, store.listed_invoice),
                "customers": (store.customers, store.listed_customer),
                "invoice": (store.invoices, dict),
                "customer": (store.customers, dict),
            }
            if entity not in known:
                raise ValueError(f"no such entity: {entity!r}; there are: {', '.join(known)}")
            rows, made = known[entity]
            answer: dict[str, Any] = {"entity": entity, "count": len(rows)}
            if not body.get("count_only"):
                answer["rows"] = [jsoned(made(row)) for row in rows]
        return answer

    def grow(self, rows: int) -> dict[str, Any]:
        if rows < 1:
            raise ValueError("rows is how many more invoices there shall be, at least 1")
        return {"entity": "invoices", "count": self._store.grow(rows)}

    def evolve(self, change: dict[str, Any]) -> dict[str, Any]:
        with self._store.lock:
            self._store.catch_up()
            return self._store.evolve(change)

    def withdraw(self, change: dict[str, Any]) -> None:
        with self._store.lock:
            self._store.withdraw(change)

    def elements(self) -> list[str]:
        return [element.name for element in self._store.shape.elements]


def _encoded(element: Element, row: Row | None) -> bytes:
    return soap.typed(element.name, element, row).encode()


def _found(rows: list[Row], call: soap.Call) -> Row:
    """The record with the id, the ref or the ref_ext of the call."""
    given = {name: call.text(name) for name in ("id", "ref", "ref_ext")}
    if not any(given.values()):
        raise Refused("BAD_PARAMETERS", "Parameter id, ref and ref_ext can't be all empty.")
    for row in rows:
        if all(not value or row[name] == value for name, value in given.items()):
            return row
    raise Refused("NOT_FOUND", f"Object not found for id={given['id']} nor ref={given['ref']} nor ref_ext={given['ref_ext']}")


def _everything(_: Row) -> bool:
    return True


def _invoice_test(given: dict[str, str]) -> Test:
    """What the server reads of a filter: ``customer_id``, ``date_start``, ``date_end``, and ``paid``, which no WSDL names."""
    first, last = _date(given, "date_start", date.min), _date(given, "date_end", date.max)
    customer, paid = given.get("customer_id", ""), given.get("paid", "")

    def test(row: Row) -> bool:
        return (
            first <= row["date"] <= last
            and (not customer or str(row["customer_id"]) == customer)
            and (not paid or (row["status"] == 2) == (paid == "1"))
        )

    return test


def _date(given: dict[str, str], name: str, otherwise: date) -> date:
    text = given.get(name, "").strip()
    try:
        return date.fromisoformat(text) if text else otherwise
    except ValueError as error:
        raise Refused("DB_ERROR_TRUNCATED_DATE", f"Incorrect DATE value: '{text}'") from error


def _nothing(operation: str) -> list[bytes]:
    """The parts beside ``result`` when there is nothing to give: nil, each with its type."""
    if operation in _LISTS:
        name, item = _LISTS[operation]
        return [_encoded(Element(name, many=True, type_name=item), None)]
    if operation == "getListOfPayments":
        return [_encoded(Element(_NOTHING_TO_LIST, many=True, type_name="payment"), None)]
    if operation == "getVersions":
        return [_encoded(element, None) for element in VERSIONS]
    return [_encoded(_CUSTOMER if operation == "getCustomer" else _INVOICE, None)]
