"""Which options of ``fortnight sandbox break kintone`` each break listens to; without them it takes what its app has to offer."""

from __future__ import annotations

_APP = ("--app APP",)
_FIELD = (*_APP, "--field CODE")
_REQUESTS = ("--count N", "--skip N", "--path PART")

#: Break → its options, in the order of the command's help.
OPTIONS: dict[str, tuple[str, ...]] = {
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
}
