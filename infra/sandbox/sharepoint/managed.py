"""Managed identity: the token endpoint an App Service has beside it, and the one a virtual machine asks (IMDS). Times here are wall time.

https://learn.microsoft.com/azure/app-service/overview-managed-identity
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from infra.sandbox.sharepoint.authority import LIFETIME, MANAGED_ID, Authority

_SERVICE_VERSION, _IMDS_VERSION = "2019-08-01", "2018-02-01"
#: How a user-assigned identity may be named; the sandbox has one, by its client id.
_NAMES = ("client_id", "object_id", "principal_id", "mi_res_id", "msi_res_id")


def app_service(authority: Authority, query: Mapping[str, str], headers: Mapping[str, str]) -> Response:
    """``IDENTITY_ENDPOINT``: wants the secret of ``IDENTITY_HEADER`` in X-IDENTITY-HEADER, tells ``expires_on`` as an epoch."""
    if not secrets.compare_digest(headers.get("x-identity-header", "").encode(), authority.identity_header.encode()):
        return JSONResponse({"statusCode": 401, "message": "Unauthorized"}, status_code=401)
    if query.get("api-version") != _SERVICE_VERSION or not query.get("resource"):
        return JSONResponse({"statusCode": 400, "message": "api-version and resource are needed."}, status_code=400)
    if not _known(query):
        return JSONResponse(
            {"statusCode": 400, "message": "No User Assigned or Delegated Managed Identity found for specified ClientId."}, 400
        )
    return JSONResponse(_token(authority, query) | {"client_id": MANAGED_ID})


def imds(authority: Authority, query: Mapping[str, str], headers: Mapping[str, str]) -> Response:
    """The instance metadata service: wants ``Metadata: true``, tells ``expires_in`` as well. Every number is a string."""
    if headers.get("metadata", "").lower() != "true":
        return _refused("Required metadata header not specified")
    if query.get("api-version") != _IMDS_VERSION or not query.get("resource"):
        return _refused("A required parameter is missing: api-version or resource")
    if not _known(query):
        return _refused("Identity not found")
    seconds = str(int(LIFETIME.total_seconds()))
    began = str(int(datetime.now(UTC).timestamp()))
    found = {"client_id": MANAGED_ID, "expires_in": seconds, "ext_expires_in": seconds, "not_before": began}
    return JSONResponse(_token(authority, query) | found)


def _known(query: Mapping[str, str]) -> bool:
    """The system's own identity, or the only other one by its client id."""
    return all(name not in query or (name == "client_id" and query[name] == MANAGED_ID) for name in _NAMES)


def _token(authority: Authority, query: Mapping[str, str]) -> dict[str, Any]:
    resource = query["resource"].rstrip("/")
    until = str(int((datetime.now(UTC) + LIFETIME).timestamp()))
    # The platform proves itself with a certificate, so SharePoint's REST takes the token.
    token = authority.issue(MANAGED_ID, resource, certificate=True)
    return {"access_token": token, "expires_on": until, "resource": resource, "token_type": "Bearer"}


def _refused(why: str) -> Response:
    return JSONResponse({"error": "invalid_request", "error_description": why}, status_code=400)
