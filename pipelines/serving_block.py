"""The ``serving:`` block of project.yaml: how callers prove who they are, what they may spend, how long what they asked is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from expectations.durations import duration


def _as_duration(value: str) -> str:
    duration(value)
    return value


#: An ISO 8601 duration.
Duration = Annotated[str, AfterValidator(_as_duration)]
#: What a person may be besides a reader; everybody who is linked to an account is a reader.
RoleName = Literal["previewer", "operator", "approver", "engineer"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entra(_Strict):
    """Whose tokens are accepted: of ``tenant`` (a GUID), for one of ``audience`` (the app's id or URI), with ``scope`` granted.

    ``groups``: ``token`` lets the token (or Graph, where it names too many) decide of the tenant's groups; ``tables`` leaves that to what pulls
    read, for tenants whose tokens carry only some kinds of groups. ``system`` is the SharePoint system whose credentials ask Graph.
    """

    tenant: Any
    audience: tuple[Any, ...] = Field(min_length=1)
    scope: str = "access_as_user"
    authority: Any = "https://login.microsoftonline.com"
    issuer: str = ""
    groups: Literal["token", "tables"] = "token"
    system: str = "sharepoint"


class Budgets(_Strict):
    """Per caller and process. ``daily_jpy`` 0: no limit of cost."""

    per_minute: int = Field(default=60, ge=1)
    concurrent: int = Field(default=4, ge=1)
    daily_jpy: float = Field(default=0, ge=0)


class QuestionCost(_Strict):
    """What a question is taken to cost, and what serving costs a month whoever asks."""

    per_question_jpy: float = Field(default=0, ge=0)
    monthly_jpy: float = Field(default=0, ge=0)


class AuditPolicy(_Strict):
    """``query: hash`` never keeps the words of a question. Words are dropped after ``text_kept``, whole days of rows after ``rows_kept``.

    ``key`` keys the hashes of persons and questions; without it one is made in the project's home, for this machine alone.
    """

    query: Literal["text", "hash"] = "text"
    text_kept: Duration = "P90D"
    rows_kept: Duration = "P400D"
    key: Any = None


class Serving(_Strict):
    """``url`` is where clients reach the service, where that is not where it listens. ``public`` are principals whose documents an app without a person may read.

    ``stale_after``: an index none of whose streams may be older. ``access_limit``: access read longer ago answers nobody.
    """

    url: str = ""
    entra: Entra | None = None
    public: tuple[str, ...] = ()
    roles: dict[RoleName, tuple[str, ...]] = {}
    budgets: Budgets = Budgets()
    cost: QuestionCost = QuestionCost()
    audit: AuditPolicy = AuditPolicy()
    refresh: Duration = "PT5S"
    stale_after: Duration = "PT48H"
    access_limit: Duration = "PT26H"
    max_body_bytes: int = Field(default=65_536, ge=1_024)
    drain: Duration = "PT15S"
    otlp: str = ""

    @property
    def refreshes(self) -> timedelta:
        return duration(self.refresh)

    @property
    def stale(self) -> timedelta:
        return duration(self.stale_after)

    @property
    def access_kept(self) -> timedelta:
        return duration(self.access_limit)
