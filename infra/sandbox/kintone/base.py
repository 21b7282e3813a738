"""The four apps as they stand at the origin: made, filled, and given their rights."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from infra.sandbox.clock import SandboxClock
from infra.sandbox.kintone import customers, defects, faq, orders
from infra.sandbox.kintone.life import Life
from infra.sandbox.kintone.store import App, StoredFile

APP_IDS = {"CUSTOMERS": 11, "ORDERS": 12, "FAQ": 13, "DEFECTS": 14}
_RIGHTS = ("appEditable", "recordViewable", "recordAddable", "recordEditable", "recordDeletable", "recordImportable", "recordExportable")


def populate(clock: SandboxClock, seed: int) -> tuple[list[App], dict[str, StoredFile], Life]:
    """Apps, attachments by file key, and the life that goes on from here."""
    origin = clock.origin
    founded = origin - timedelta(days=950)
    customer_app = customers.make_app(APP_IDS["CUSTOMERS"], founded)
    order_app = orders.make_app(APP_IDS["ORDERS"], founded)
    faq_app = faq.make_app(APP_IDS["FAQ"], founded)
    defect_app = defects.make_app(APP_IDS["DEFECTS"], founded)
    _grant(customer_app, order_app, faq_app, defect_app)
    customers.fill(customer_app, origin, seed)
    orders.fill(order_app, origin, seed)
    faq.fill(faq_app, origin, seed)
    files = defects.fill(defect_app, origin, seed)
    life = Life(origin, seed, order_app, defect_app, faq_app)
    return [customer_app, order_app, faq_app, defect_app], files, life


def _grant(customer_app: App, order_app: App, faq_app: App, defect_app: App) -> None:
    admins = _app_right("GROUP", "it-admins", *_RIGHTS)
    readers = ("recordViewable", "recordExportable")
    writers = (*readers, "recordAddable", "recordEditable", "recordDeletable")
    customer_app.app_acl = [admins, _app_right("GROUP", "sales-all", *writers), _app_right("GROUP", "everyone", "recordViewable")]
    order_app.app_acl = [
        admins,
        _app_right("GROUP", "sales-all", *writers),
        _app_right("GROUP", "managers", *readers),
        _app_right("ORGANIZATION", "seizo", "recordViewable", subs=True),
        _app_right("ORGANIZATION", "kobai", "recordViewable", subs=True),
        _app_right("GROUP", "everyone"),
    ]
    # Special orders are for whoever is in charge of them, the managers and the administrators.
    order_app.record_acl = [
        _record_rule(
            '受注区分 in ("特注")',
            [
                _record_right("FIELD_ENTITY", "担当者", edit=True),
                _record_right("GROUP", "managers"),
                _record_right("GROUP", "it-admins"),
            ],
        ),
    ]
    faq_app.app_acl = [
        admins,
        _app_right("CREATOR", "", *writers, "appEditable"),
        _app_right("GROUP", "engineering-all", *writers),
        _app_right("GROUP", "everyone", *readers),
    ]
    faq_app.record_acl = [
        _record_rule('公開範囲 in ("営業限定")', [_record_right("GROUP", "sales-all"), _record_right("GROUP", "managers")]),
        _record_rule(
            '公開範囲 in ("品質限定")',
            [
                _record_right("GROUP", "quality-members", edit=True),
                _record_right("GROUP", "quality-board"),
            ],
        ),
        _record_rule(
            '公開範囲 in ("社内")',
            [
                _record_right("GROUP", "engineering-all", edit=True),
                _record_right("GROUP", "everyone"),
            ],
        ),
    ]
    defect_app.app_acl = [admins, _app_right("GROUP", "quality-members", *writers), _app_right("GROUP", "everyone", *readers)]
    defect_app.record_acl = [
        _record_rule(
            "",
            [
                _record_right("GROUP", "quality-members", edit=True),
                _record_right("ORGANIZATION", "seizo", subs=True),
            ],
        ),
    ]
    defect_app.field_acl = [
        {
            "code": "原因の詳細",
            "entities": [
                {"accessibility": "WRITE", "entity": {"type": "GROUP", "code": "quality-members"}, "includeSubs": False},
                {"accessibility": "NONE", "entity": {"type": "GROUP", "code": "everyone"}, "includeSubs": False},
            ],
        }
    ]


def bulk_rights() -> list[dict[str, Any]]:
    """The rules of an app made in bulk: administrators everything, everybody may read."""
    return [_app_right("GROUP", "it-admins", *_RIGHTS), _app_right("GROUP", "everyone", "recordViewable", "recordExportable")]


def _app_right(kind: str, code: str, *granted: str, subs: bool = False) -> dict[str, Any]:
    entity = {"type": kind, "code": code or None}
    return {"entity": entity, "includeSubs": subs, **{name: name in granted for name in _RIGHTS}}


def _record_rule(condition: str, entities: list[dict[str, Any]]) -> dict[str, Any]:
    return {"filterCond": condition, "entities": entities}


def _record_right(kind: str, code: str, *, edit: bool = False, subs: bool = False) -> dict[str, Any]:
    return {"entity": {"type": kind, "code": code}, "viewable": True, "editable": edit, "deletable": edit, "includeSubs": subs}
