"""Which options of ``fortnight sandbox break`` each break listens to; without them it takes what its app or service has to offer."""

from __future__ import annotations

_APP = ("--app APP",)
_FIELD = (*_APP, "--field CODE")
_REQUESTS = ("--count N", "--skip N", "--path PART")
_SERVICE = ("--service NAME",)
_ELEMENT = (*_SERVICE, "--field NAME")
_CALLS = (*_SERVICE, "--count N", "--skip N")
_SITE = ("--site SITE",)
_ITEM = ("--item PATH",)
_COLUMN = ("--list TITLE", "--field NAME")

#: System → break → its options, in the order of the command's help.
OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "kintone": {
        "rename-field": (*_FIELD, "--to CODE"),
        "rename-option": (*_FIELD, "--option NAME", "--to NAME"),
        "remove-option": (*_FIELD, "--option NAME"),
        "replace-type": (*_FIELD, "--kind TYPE"),
        "delete-field": _FIELD,
        "add-field": (*_FIELD, "--kind TYPE"),
        "rename-label": (*_FIELD, "--to NAME"),
        "require-field": _FIELD,
        "remake-field": _FIELD,
        "move-into-table": (*_FIELD, "--to TABLE"),
        "change-format": _FIELD,
        "retarget-lookup": (*_FIELD, "--to APP"),
        "precision": _APP,
        "rename-status": (*_APP, "--option NAME", "--to NAME"),
        "disable-process": _APP,
        "recreate-app": _APP,
        "renumber-app": (*_APP, "--id N"),
        "move-app": (*_APP, "--id N"),
        "delete-app": _APP,
        "restore-app": _APP,
        "set-app-code": (*_APP, "--to CODE"),
        "cut-token": _APP,
        "change-acl": _APP,
        "login-rename": ("--login LOGIN", "--to LOGIN"),
        "delete-user": ("--login LOGIN",),
        "two-factor": ("--login LOGIN",),
        "late-visible-ids": (*_APP, "--count N", "--minutes N"),
        "throttle-storm": _REQUESTS,
        "maintenance": ("--kind 503|502", *_REQUESTS),
        "half-answers": (*_REQUESTS, "--bytes N"),
        "warning-header": _REQUESTS,
        "latency": (*_REQUESTS, "--ms N"),
        "wrong-content-type": _REQUESTS,
        "status-520": _REQUESTS,
        "database-lock": _REQUESTS,
        "login-redirect": _REQUESTS,
    },
    "erp": {
        "rename-element": (*_ELEMENT, "--to NAME"),
        "add-element": (*_ELEMENT, "--kind TYPE"),
        "remove-element": _ELEMENT,
        "add-value": (*_ELEMENT, "--option VALUE"),
        "narrow-type": _ELEMENT,
        "require-element": _ELEMENT,
        "change-nillable": _ELEMENT,
        "repeat-element": _ELEMENT,
        "change-action": _SERVICE,
        "move-endpoint": _SERVICE,
        "change-password": _SERVICE,
        "truncate-reply": (*_CALLS, "--bytes N"),
        "drop-connection": (*_CALLS, "--bytes N"),
        "wrong-count": _CALLS,
        "shift-jis": _CALLS,
        "slow-drip": (*_CALLS, "--bytes N", "--ms N"),
        "slow-reply": (*_CALLS, "--ms N"),
        "entity-bomb": _CALLS,
        "login-page": _CALLS,
        "empty-reply": _CALLS,
        "fault-500": _CALLS,
        "fault-200": _CALLS,
        "storm-503": (*_CALLS, "--ms N"),
        "business-error": _CALLS,
        "ignore-filter": _CALLS,
        "repeat-page": _CALLS,
        "move-row": _CALLS,
        "lose-part": _CALLS,
    },
    "sharepoint": {
        "expire-delta": ("--count N",),
        "lose-permission-change": (*_ITEM, "--login LOGIN"),
        "rename-column": (*_COLUMN, "--to NAME"),
        "recreate-column": _COLUMN,
        "move-folder": (*_ITEM, "--to PATH"),
        "archive-site": _SITE,
        "refuse-site": _SITE,
        "throttle-storm": _REQUESTS,
        "expire-certificate": (),
        "empty-group": (*_SITE, "--group NAME"),
        "folder-restore": _ITEM,
        "break-inheritance": _ITEM,
    },
}
