"""What can go wrong with a kintone domain, by name: the app (shifts), rights, identities and the wire."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from infra.sandbox.breaks import Break, Facts, OverError, Undo
from infra.sandbox.company.people import PEOPLE
from infra.sandbox.kintone import evolution, mishaps, shifts
from infra.sandbox.kintone.directory import NAMES, REGISTER, api_token, user_code
from infra.sandbox.kintone.domain import PERMISSIONS, Domain, Granted, Late
from infra.sandbox.kintone.shifts import app_in, deployed
from infra.sandbox.kintone.store import App, forget_names, minute

# --- rights and identities --------------------------------------------------------------------------------------------------


def _cut_token(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    app = app_in(domain, body)
    before, wanted = domain.tokens.get(app.key), frozenset(body.get("permissions") or ())
    if not wanted <= PERMISSIONS:
        raise ValueError(f"permissions are: {', '.join(sorted(PERMISSIONS))}")
    domain.tokens[app.key] = Granted(api_token(domain.seed, app.key), wanted, deployed=bool(wanted))

    def undo() -> None:
        if before is not None:
            domain.tokens[app.key] = before

    return {"app": str(app.id), "permissions": sorted(wanted)}, undo


def _change_acl(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    """By default nobody but the administrators may see the app any more; ``area`` and ``rights`` give other rules."""
    app = app_in(domain, body)
    area = str(body.get("area") or "app_acl")
    if area not in ("app_acl", "record_acl", "field_acl"):
        raise ValueError("areas are: app_acl, record_acl, field_acl")
    before = copy.deepcopy(getattr(app, area))
    wanted = body.get("rights")
    if wanted is None and area == "app_acl":
        wanted = [one for one in before if one["entity"]["code"] == "it-admins"]
    setattr(app, area, evolution.completed(area, copy.deepcopy(wanted or [])))

    def undo() -> None:
        setattr(app, area, before)
        deployed(domain, app)

    return deployed(domain, app) | {"area": area, "rules": len(getattr(app, area))}, undo


def _login_rename(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    code = _user(body.get("login") or "yui.takahashi")
    new = str(body.get("to") or f"{code.partition('@')[0]}.neo@{code.partition('@')[2]}")
    if new in NAMES:
        raise ValueError(f"there is a user {new} already")

    def put(shown: str | None) -> None:
        REGISTER.renamed.pop(code, None)
        if shown is not None:
            REGISTER.renamed[code] = shown
        forget_names()
        for app in domain.apps.values():
            app.form_changed(None)

    put(new)
    return {"login": code, "to": new}, lambda: put(None)


def _delete_user(_: Domain, body: Facts) -> tuple[Facts, Undo]:
    code = _user(body.get("login") or "daiki.watanabe")
    REGISTER.gone.add(code)
    return {"login": code}, lambda: REGISTER.gone.discard(code)


def _two_factor(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    code = _user(body.get("login") or "akari.mori")
    domain.two_factor.add(code)
    return {"login": code}, lambda: domain.two_factor.discard(code)


# --- the wire ---------------------------------------------------------------------------------------------------------------


def _late(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    """``count`` records get their ids now and are seen after ``minutes``; ``after`` records with higher ids are seen at once."""
    app, now = app_in(domain, body), domain.clock.now()
    count, after, minutes = int(body.get("count") or 3), int(body.get("after") or 1), float(body.get("minutes") or 10)
    first = app.next_id
    rows = tuple((number, _clone(app, number, minute(now))) for number in range(first, first + count))
    app.next_id += count
    late = Late(app, now + timedelta(minutes=minutes), rows)
    domain.late.append(late)
    seen = [app.add(_clone(app, app.next_id, minute(now))).id for _ in range(after)]

    def undo() -> None:
        if late in domain.late:
            domain.reveal(late)

    return {"app": str(app.id), "late": [number for number, _ in rows], "seen": seen, "minutes": minutes}, undo


def _clone(app: App, number: int, at: str) -> Facts:
    if not app.ids:
        raise ValueError(f"app {app.id} has no record to take after")
    values = copy.deepcopy(app.records[app.ids[-1]].values)
    for one in app.fields:
        if one.unique:
            values[one.key] = str(number) if one.type == "NUMBER" else f"L-{number:06d}"
        if one.type == "SUBTABLE":
            values[one.key] = [app.row(row) for _, row in values.get(one.key) or ()]
    return values | {"作成日時": at, "更新日時": at}


def _wire(kind: str, **defaults: Any) -> Callable[[Domain, Facts], tuple[Facts, Undo]]:
    def act(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
        fault = mishaps.made({"kind": kind} | defaults | {name: value for name, value in body.items() if value is not None})
        domain.faults.append(fault)

        def undo() -> None:
            if fault not in domain.faults:
                raise OverError
            domain.faults.remove(fault)

        return {"kind": fault.kind, "count": fault.count, "skip": fault.skip, "path": fault.path}, undo

    return act


def _user(login: object) -> str:
    for one in PEOPLE:
        if login in (one.key, one.login, user_code(one)):
            return user_code(one)
    raise ValueError(f"there is no user {login}")


BREAKS: dict[str, Break[Domain]] = {
    "rename-field": Break("フィールドコードを変える", "Rename a field's code", shifts.rename_field),
    "rename-option": Break(
        "選択肢の名前を変える（全レコードの値が更新なしで変わる）", "Rename an option (values change, records do not)", shifts.rename_option
    ),
    "remove-option": Break("選択肢を削除する（値は残る）", "Remove an option (values stay)", shifts.remove_option),
    "replace-type": Break(
        "同じコードで型の違うフィールドに作り直す", "Replace a field by one of another type, same code", shifts.replace_type
    ),
    "delete-field": Break("フィールドを削除する", "Delete a field", shifts.delete_field),
    "add-field": Break("フィールドを追加する", "Add a field", shifts.add_field),
    "rename-label": Break("フィールドの表示名を変える", "Change a field's label", shifts.rename_label),
    "require-field": Break("必須の設定を変える", "Make a field required, or no longer so", shifts.require_field),
    "remake-field": Break(
        "同じコードと型で作り直す（値は消える）",
        "Delete a field and add it again, same code and type (values are gone)",
        shifts.remake_field,
    ),
    "move-into-table": Break(
        "フィールドをテーブルの中へ移す（値は消える）", "Move a field into a table (values are gone)", shifts.move_into_table
    ),
    "change-format": Break("計算の表示形式を時間に変える", "Write a calculated value as hours and minutes", shifts.change_format),
    "retarget-lookup": Break("ルックアップの参照先を変える", "Let a lookup look into another app", shifts.retarget_lookup),
    "precision": Break("数値の精度を変える", "Change the number precision", shifts.change_precision),
    "rename-status": Break("プロセス管理のステータス名を変える", "Rename a state of the process", shifts.rename_status),
    "disable-process": Break("プロセス管理を止める", "Switch process management off", shifts.disable_process),
    "recreate-app": Break(
        "アプリを作り直す（新しいID、コードなし、レコードなし）", "Re-create the app: new id, no code, no records", shifts.recreate_app
    ),
    "renumber-app": Break("アプリのIDが変わる", "Move the app to another id", shifts.renumber_app),
    "move-app": Break("アプリを別のスペースへ移す", "Move the app into another space", shifts.move_app),
    "delete-app": Break("アプリを削除する", "Delete the app", shifts.delete_app),
    "restore-app": Break(
        "削除したアプリを復元する（アプリコードは戻らない）", "Restore a deleted app (its code does not come back)", shifts.restore_app
    ),
    "set-app-code": Break(
        "アプリコードを変える（全レコード番号が変わる）", "Change the app code (every record number changes)", shifts.set_code
    ),
    "cut-token": Break("APIトークンを無効にする", "Cut the app's API token", _cut_token),
    "change-acl": Break("アクセス権を変える", "Change the rights", _change_acl),
    "login-rename": Break("ユーザーのログイン名を変える", "Rename a user's login", _login_rename),
    "delete-user": Break("ユーザーを削除する", "Delete a user", _delete_user),
    "two-factor": Break("ユーザーに2要素認証を必須にする", "Demand a second factor of a user", _two_factor),
    "late-visible-ids": Break("小さいIDのレコードが後から見える", "Records with lower ids become visible later", _late),
    "throttle-storm": Break("429（同時接続の上限）を返し続ける", "Answer 429, too many requests at once", _wire("429", count=20)),
    "maintenance": Break(
        "メンテナンス中の503（kind=502でHTML）を返す", "Answer 503 as in maintenance; kind 502 for the HTML page", _wire("503")
    ),
    "half-answers": Break(
        "回答の途中で接続を切る", "Cut the connection in the middle of a page of records", _wire("cut", path="/records.json", count=1)
    ),
    "warning-header": Break(
        "検索打ち切りの警告ヘッダーを付ける", "Add the warning header of an aborted search", _wire("warning", path="/records.json")
    ),
    "latency": Break("すべての回答を遅らせる", "Make every answer slow", _wire("slow", milliseconds=100)),
    "wrong-content-type": Break("200でHTMLを返す", "Answer an HTML page with status 200", _wire("html200", count=1)),
    "status-520": Break("エラーを520で返す（古い環境）", "Answer errors with status 520, as old deployments did", _wire("520")),
    "database-lock": Break(
        "データベースロックのエラーを返す", "Answer GAIA_DA02, the database is locked", _wire("error", code="GAIA_DA02", count=3)
    ),
    "login-redirect": Break("ログイン画面へ転送する", "Redirect to the login page", _wire("login")),
}
