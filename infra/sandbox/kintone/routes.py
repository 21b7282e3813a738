"""Every endpoint of the kintone server: path, method, handler, the OAuth scope it wants, and whether the daily quota counts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from infra.sandbox.kintone import comments, files, preview, records, settings_api, spaces, users_api, writing
from infra.sandbox.kintone.call import Answer, Call

READ, WRITE = "k:app_record:read", "k:app_record:write"
SETTINGS, CHANGE = "k:app_settings:read", "k:app_settings:write"
#: A cybozu.com-wide bearer token for the directory.
DIRECTORY = "cybozu:directory:read"


@dataclass(frozen=True)
class Endpoint:
    """``in_guest_spaces``: whether ``/k/guest/ID/v1/…`` leads here too."""

    handler: Callable[[Call], Answer]
    scope: str
    counted: bool = True
    in_guest_spaces: bool = True


def _directory(handler: Callable[[Call], Answer]) -> dict[str, Endpoint]:
    return {"GET": Endpoint(handler, DIRECTORY, counted=False, in_guest_spaces=False)}


FILE_UPLOAD = Endpoint(files.post_file, "k:file:write", counted=False)

ROUTES: dict[str, dict[str, Endpoint]] = {
    "/k/v1/record.json": {
        "GET": Endpoint(records.get_record, READ),
        "POST": Endpoint(writing.post_record, WRITE),
        "PUT": Endpoint(writing.put_record, WRITE),
    },
    "/k/v1/records.json": {
        "GET": Endpoint(records.get_records, READ),
        "POST": Endpoint(writing.post_records, WRITE),
        "PUT": Endpoint(writing.put_records, WRITE),
        "DELETE": Endpoint(writing.delete_records, WRITE),
    },
    "/k/v1/records/cursor.json": {
        "GET": Endpoint(records.read_cursor, READ),
        "POST": Endpoint(records.create_cursor, READ),
        "DELETE": Endpoint(records.delete_cursor, READ),
    },
    "/k/v1/record/status.json": {"PUT": Endpoint(writing.put_status, WRITE)},
    "/k/v1/record/assignees.json": {"PUT": Endpoint(writing.put_assignees, WRITE)},
    "/k/v1/record/comments.json": {"GET": Endpoint(comments.get_comments, READ)},
    "/k/v1/record/comment.json": {
        "POST": Endpoint(comments.post_comment, WRITE),
        "DELETE": Endpoint(comments.delete_comment, WRITE),
    },
    "/k/v1/records/acl/evaluate.json": {"GET": Endpoint(settings_api.evaluate_acl, READ)},
    "/k/v1/file.json": {"GET": Endpoint(files.get_file, "k:file:read", counted=False), "POST": FILE_UPLOAD},
    "/k/v1/app.json": {"GET": Endpoint(settings_api.get_app, SETTINGS)},
    "/k/v1/apps.json": {"GET": Endpoint(settings_api.get_apps, SETTINGS, counted=False)},
    "/k/v1/apps/statistics.json": {"GET": Endpoint(settings_api.get_statistics, SETTINGS, counted=False, in_guest_spaces=False)},
    "/k/v1/apis.json": {"GET": Endpoint(lambda call: settings_api.get_apis(call, sorted(ROUTES)), SETTINGS, counted=False)},
    "/k/v1/app/form/fields.json": {"GET": Endpoint(settings_api.get_fields, SETTINGS)},
    "/k/v1/app/form/layout.json": {"GET": Endpoint(settings_api.get_layout, SETTINGS)},
    "/k/v1/app/settings.json": {"GET": Endpoint(settings_api.get_settings, SETTINGS)},
    "/k/v1/app/status.json": {"GET": Endpoint(settings_api.get_status, SETTINGS)},
    "/k/v1/app/views.json": {"GET": Endpoint(settings_api.get_views, SETTINGS)},
    "/k/v1/app/acl.json": {"GET": Endpoint(settings_api.get_app_acl, SETTINGS), "PUT": Endpoint(preview.put_app_acl, CHANGE)},
    "/k/v1/record/acl.json": {"GET": Endpoint(settings_api.get_record_acl, SETTINGS), "PUT": Endpoint(preview.put_record_acl, CHANGE)},
    "/k/v1/field/acl.json": {"GET": Endpoint(settings_api.get_field_acl, SETTINGS), "PUT": Endpoint(preview.put_field_acl, CHANGE)},
    "/k/v1/preview/app/form/fields.json": {
        "GET": Endpoint(preview.get_fields, SETTINGS),
        "POST": Endpoint(preview.post_fields, CHANGE),
        "PUT": Endpoint(preview.put_fields, CHANGE),
        "DELETE": Endpoint(preview.delete_fields, CHANGE),
    },
    "/k/v1/preview/app/form/layout.json": {"GET": Endpoint(preview.get_layout, SETTINGS)},
    "/k/v1/preview/app/settings.json": {
        "GET": Endpoint(preview.get_settings, SETTINGS),
        "PUT": Endpoint(preview.put_settings, CHANGE),
    },
    "/k/v1/preview/app/status.json": {"GET": Endpoint(preview.get_status, SETTINGS)},
    "/k/v1/preview/app/views.json": {"GET": Endpoint(preview.get_views, SETTINGS)},
    "/k/v1/preview/app/acl.json": {
        "GET": Endpoint(preview.get_app_acl, SETTINGS),
        "PUT": Endpoint(preview.put_preview_app_acl, CHANGE),
    },
    "/k/v1/preview/record/acl.json": {
        "GET": Endpoint(preview.get_record_acl, SETTINGS),
        "PUT": Endpoint(preview.put_preview_record_acl, CHANGE),
    },
    "/k/v1/preview/field/acl.json": {
        "GET": Endpoint(preview.get_field_acl, SETTINGS),
        "PUT": Endpoint(preview.put_preview_field_acl, CHANGE),
    },
    "/k/v1/preview/app/deploy.json": {"GET": Endpoint(preview.get_deploy, SETTINGS), "POST": Endpoint(preview.post_deploy, CHANGE)},
    "/k/v1/app/move.json": {"POST": Endpoint(spaces.move_app, CHANGE)},
    "/k/v1/space.json": {"GET": Endpoint(spaces.get_space, SETTINGS, counted=False)},
    "/k/v1/space/members.json": {"GET": Endpoint(spaces.get_members, SETTINGS, counted=False)},
    "/v1/users.json": _directory(users_api.get_users),
    "/v1/organizations.json": _directory(users_api.get_organisations),
    "/v1/groups.json": _directory(users_api.get_groups),
    "/v1/user/groups.json": _directory(users_api.get_user_groups),
    "/v1/user/organizations.json": _directory(users_api.get_user_organisations),
    "/v1/group/users.json": _directory(users_api.get_group_users),
    "/v1/organization/users.json": _directory(users_api.get_organisation_users),
}
