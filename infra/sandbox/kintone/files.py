"""Attachments: reading one that hangs on a record, and uploading one whose key lives three days until a record takes it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from infra.sandbox.kintone.call import Answer, Call, json_answer
from infra.sandbox.kintone.errors import KintoneError, invalid
from infra.sandbox.kintone.store import StoredFile

UPLOAD_LIFE = timedelta(days=3)


@dataclass(frozen=True)
class Upload:
    """A file that no record holds yet."""

    name: str
    content_type: str
    content: bytes = field(repr=False)
    expires: datetime


def get_file(call: Call) -> Answer:
    """The bytes of an attachment, for whoever may view a record of its app. An upload key opens nothing here."""
    key = call.text("fileKey")
    found = call.domain.files.get(key)
    if found is None:
        raise KintoneError("GAIA_BL01", {"id": key})
    app = call.domain.app_of(found.app_code)
    call.located(app)
    call.check(app, "recordViewable")
    if not call.caller.by_token:
        rights = call.rights(app)
        holders = [
            record
            for record in app.records.values()
            if any(file["fileKey"] == key for one in app.fields if one.type == "FILE" for file in record.values.get(one.key) or ())
        ]
        if not any(rights.of(record).viewable for record in holders):
            raise KintoneError("CB_NO02")
    return Answer(found.load(), found.content_type)


def post_file(call: Call) -> Answer:
    """One part named ``file`` of a multipart form. The answer's key is for a record's FILE field, not for reading."""
    part = _part(str(call.params["content_type"]), call.params["content"])
    if part is None:
        raise invalid("file", "required")
    head, content = part
    named = re.search(r'filename="((?:[^"\\]|\\.)*)"', head)
    kind = re.search(r"(?im)^content-type:\s*([^;\r\n]+)", head)
    name = named[1] if named else "file"
    now = call.domain.clock.now()
    key = hashlib.sha256(f"upload:{call.domain.seed}:{len(call.domain.uploads)}:{name}".encode() + content).hexdigest()[:48]
    call.domain.uploads[key] = Upload(name, kind[1].strip() if kind else "application/octet-stream", content, now + UPLOAD_LIFE)
    return json_answer({"fileKey": key})


def _part(content_type: str, body: bytes) -> tuple[str, bytes] | None:
    """Head and bytes of the part named ``file``. The bytes are as they came: mail parsers would mend line ends."""
    boundary = re.search(r'boundary="?([^";,]+)"?', content_type)
    if boundary is None:
        return None
    for piece in body.split(b"--" + boundary[1].encode("latin-1"))[1:]:
        head, found, content = piece.partition(b"\r\n\r\n")
        text = head.decode("utf-8", "replace")
        if found and re.search(r'(?i)content-disposition:[^\r\n]*[; ]name="file"', text):
            return text, content.removesuffix(b"\r\n")
    return None


def take(call: Call, app_code: str, key: object, path: str) -> dict[str, str]:
    """Turn an upload into an attachment: what the record's cell holds from now on. A key already on a record stays what it is."""
    if key in call.domain.files:
        kept = call.domain.files[str(key)]
        return {"fileKey": str(key), "name": kept.name, "contentType": kept.content_type, "size": str(kept.size)}
    upload = call.domain.uploads.get(str(key))
    if upload is None or upload.expires < call.domain.clock.now():
        raise invalid(path, "file")
    hung = hashlib.sha256(f"hung:{key}".encode()).hexdigest()[:48].upper()
    content = upload.content
    call.domain.files[hung] = StoredFile(app_code, upload.name, upload.content_type, len(content), lambda: content)
    return {"fileKey": hung, "name": upload.name, "contentType": upload.content_type, "size": str(len(content))}
