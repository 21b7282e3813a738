"""Who may read which entity of the ERP's three services: roles, and the logins that hold them. The oldest service keeps them for all."""

from __future__ import annotations

from infra.sandbox.company.people import PEOPLE, flat_members

#: What the other two services keep; this one keeps the rights to it.
ELSEWHERE = ("invoices", "customers", "drawings", "approvals")
#: Role to (pages it may read, logins that hold it, sorted).
ROLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ALL_STAFF": (("items",), tuple(sorted(p.login for p in PEOPLE if not p.guest))),
    "PURCHASING": (
        ("purchase_orders", "suppliers"),
        tuple(sorted({p.login for p in PEOPLE if p.organisation == "kobai"} | flat_members("managers"))),
    ),
    "SALES": (
        ("invoices", "customers"),
        tuple(sorted({p.login for p in PEOPLE if p.organisation.startswith("eigyo")} | flat_members("managers"))),
    ),
    "ENGINEERING": (
        ("drawings", "approvals"),
        tuple(sorted(p.login for p in PEOPLE if p.organisation in ("gijutsu", "seizo", "hinshitsu"))),
    ),
    "PLANT": (("stock_movements",), tuple(sorted(p.login for p in PEOPLE if p.organisation in ("seizo", "kobai", "gijutsu")))),
}


def entries() -> list[dict[str, str]]:
    """One row for each role, page and login, as ``ReadRoles`` gives them."""
    return [
        {"Role": role, "Entity": entity, "Login": login}
        for role, (entities, logins) in ROLES.items()
        for entity in entities
        for login in logins
    ]
