"""WS-Security on the server's side: a UsernameToken with digest on every request, each nonce once, and X.509 signatures that are really checked."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import threading
from datetime import UTC, datetime, timedelta

from cryptography import x509
from lxml import etree

from infra.sandbox.erp.zumen import signature
from infra.sandbox.erp.zumen.faults import WSSE, WSU, security

_DIGEST = "#PasswordDigest"
#: How far a Created may be from the server's wall clock, either way; nonces are remembered for twice as long (UsernameToken Profile 1.1 §3.1).
FRESH = timedelta(minutes=5)


class Guard:
    """Who may call. ``certificate`` is the only one whose signatures count."""

    def __init__(self, user: str, certificate: x509.Certificate) -> None:
        self._user = user
        self._certificate = certificate
        self._nonces: dict[bytes, datetime] = {}
        self._lock = threading.Lock()

    def check(self, root: etree._Element, header: etree._Element | None, body: etree._Element, *, password: str, signed: bool) -> None:
        """Raises ZumenFaultError unless the header's token is good, and, where ``signed``, the body is signed with the key on file."""
        found = None if header is None else header.find(f"{{{WSSE}}}Security")
        if found is None:
            raise security("InvalidSecurity", "wsse:Security ヘッダーが必要です。")
        now = datetime.now(UTC)
        self._check_timestamp(found, now)
        self._check_token(found, password, now)
        one = found.find(f"{{{signature.DS}}}Signature")
        if one is not None:
            signature.verify(root, found, one, body, self._certificate)
        elif signed:
            raise security("InvalidSecurity", "この操作には Body への X.509 署名が必要です。")

    def _check_timestamp(self, found: etree._Element, now: datetime) -> None:
        created, expires = (found.findtext(f"{{{WSU}}}Timestamp/{{{WSU}}}{name}") for name in ("Created", "Expires"))
        if (created is not None and _instant(created) > now + FRESH) or (expires is not None and _instant(expires) < now):
            raise security("MessageExpired", "wsu:Timestamp の期限が切れているか、未来の時刻です。")

    def _check_token(self, found: etree._Element, password: str, now: datetime) -> None:
        token = found.find(f"{{{WSSE}}}UsernameToken")
        if token is None:
            raise security("InvalidSecurity", "wsse:UsernameToken が必要です。")
        given = token.find(f"{{{WSSE}}}Password")
        if given is None or not given.get("Type", "").endswith(_DIGEST):
            raise security("UnsupportedSecurityToken", "wsse:Password は PasswordDigest でなければなりません。")
        created, nonce = token.findtext(f"{{{WSU}}}Created"), _decoded(token.findtext(f"{{{WSSE}}}Nonce"))
        if created is None or not nonce:
            raise security("InvalidSecurityToken", "wsse:Nonce と wsu:Created が必要です。")
        if abs(_instant(created) - now) > FRESH:
            raise security("MessageExpired", f"wsu:Created '{created}' が現在時刻から 5 分より離れています。")
        # Digest = Base64(SHA-1(nonce + created + password)), UsernameToken Profile 1.1 §3.1.
        wanted = base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False).digest())
        same_user = secrets.compare_digest((token.findtext(f"{{{WSSE}}}Username") or "").encode(), self._user.encode())
        if not secrets.compare_digest((given.text or "").strip().encode(), wanted) or not same_user:
            raise security("FailedAuthentication", "ユーザー名またはパスワードが正しくありません。")
        self._use(nonce, now)

    def _use(self, nonce: bytes, now: datetime) -> None:
        """Only after the digest held: nobody else can spoil a nonce."""
        with self._lock:
            self._nonces = {one: at for one, at in self._nonces.items() if now - at <= 2 * FRESH}
            if nonce in self._nonces:
                raise security("InvalidSecurityToken", "この wsse:Nonce はすでに使われています。")
            self._nonces[nonce] = now


def _decoded(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "", validate=True)
    except binascii.Error:
        return b""


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise security("InvalidSecurityToken", f"'{text}' はタイムゾーン付きの日時ではありません。")
    return found
