"""Who issues tokens, each asked through msal: Entra, to an app that proves itself; or the platform, to the machine this runs on."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from connectors.gate import Gate
from connectors.sharepoint.config import Config, Identity
from connectors.sharepoint.credential import credential
from connectors.sharepoint.session import LATER, session
from connectors.transport import TransportOptions

#: Hosts whose authority msal knows; any other needs instance discovery switched off, or msal asks the public cloud about it.
_MICROSOFT = re.compile(
    r"(^|\.)(login\.microsoftonline\.(com|us)|login\.microsoft\.com|login\.windows\.net|sts\.windows\.net|login\.chinacloudapi\.cn"
    r"|login\.partner\.microsoftonline\.cn|login\.usgovcloudapi\.net|login\.sovcloud-identity\.(fr|de|sg))$"
)
#: Where a virtual machine asks, if nothing in its environment says otherwise.
_METADATA_SERVICE = "http://169.254.169.254"
#: The metadata service says 410 while it is being updated, which is over within 70 seconds.
_METADATA_LATER = LATER | {410}


class Issuer(Protocol):
    """msal's ways to ask for an app's token. ``acquire`` answers from its cache where it can, and then with what came: a token or an error.

    It raises what ``requests`` raises, SourceUnavailable where patience is over, and ValueError for what it can make nothing of.
    """

    @property
    def host(self) -> str:
        """Who is asked, for messages."""
        ...

    def acquire(self, resource: str, claims: str | None) -> Mapping[str, Any]:
        """``resource`` is a base URL; ``claims`` answers a challenge, and then the cache is passed by."""
        ...

    def forget(self) -> None:
        """Keep none of the tokens that came so far."""
        ...

    def close(self) -> None: ...


def open_issuer(config: Config, options: TransportOptions, gate: Gate | None) -> Issuer:
    """Nothing is asked yet. Raises FixConfiguration for a certificate that can't be used, and what ``acquire`` raises."""
    if config.managed_identity is not None:
        return Platform(config.managed_identity, options, gate)
    return Entra(config, options, gate)


class Entra:
    """Client credentials: a secret, or an assertion signed with the certificate's key."""

    def __init__(self, config: Config, options: TransportOptions, gate: Gate | None) -> None:
        import msal

        proof = credential(config)
        self.host = urlsplit(config.login).netloc
        self._session = session(options, gate)
        self._app: Any = msal.ConfidentialClientApplication(
            config.client_id,
            client_credential=proof,
            authority=config.login,
            instance_discovery=None if _MICROSOFT.search(urlsplit(config.login).hostname or "") else False,
            http_client=self._session,
        )

    def acquire(self, resource: str, claims: str | None) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self._app.acquire_token_for_client([f"{resource}/.default"], claims_challenge=claims))

    def forget(self) -> None:
        self._app.remove_tokens_for_client()

    def close(self) -> None:
        self._session.close()


class Platform:
    """Managed identity: App Service, Functions, Automation and Arc by what they put into the environment, else the metadata service.

    Its tokens are bought with the platform's own certificate, so SharePoint REST takes them.
    https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
    """

    def __init__(self, identity: Identity, options: TransportOptions, gate: Gate | None) -> None:
        import msal

        self._which = (
            msal.UserAssignedManagedIdentity(**{name: value for name, value in identity.model_dump().items() if value})
            if identity.name
            else msal.SystemAssignedManagedIdentity()
        )
        self._session = session(options, gate, later=_METADATA_LATER)
        self.forget()

    @property
    def host(self) -> str:
        endpoint = os.environ.get("IDENTITY_ENDPOINT") or os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or _METADATA_SERVICE
        return urlsplit(endpoint).netloc

    def acquire(self, resource: str, claims: str | None) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self._client.acquire_token_for_client(resource=resource, claims_challenge=claims))

    def forget(self) -> None:
        import msal

        # msal takes nothing out of this cache; the platform keeps one of its own, which may still hold what was revoked.
        self._client: Any = msal.ManagedIdentityClient(self._which, http_client=self._session)

    def close(self) -> None:
        self._session.close()
