"""Where a question meets a project: the newest candidate, today's access of its streams, the person's principals, the audit."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.clock import Clock
from pipelines.index.inputs import embedder_of
from pipelines.index.overlay import NewestAccess, Overlay, overlay_of
from pipelines.index.releases import newest_candidate
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.serving.audit import AuditLog
from pipelines.serving.identity import closure_of, link
from pipelines.serving.retrieval import Answer, Asker, Service, open_for, search

if TYPE_CHECKING:
    import pyarrow as pa


def preview(project: Project, index: str, query: str, person: str, k: int, clock: Clock) -> Answer:
    """Ask the newest candidate as a person: for sandbox and staging, where nothing is production yet. Audited like any other question.

    Raises FixConfiguration in production (there the asker's own token says who asks), AnswerIsNo when nothing was built yet.
    """
    if project.environment == "production":
        raise FixConfiguration("serving.preview_in_production", index=index)
    project.index(index)
    manifest = newest_candidate(project.root, index)
    if manifest is None:
        raise AnswerIsNo("serving.no_candidate", index=index)
    warehouse = Warehouse(project.root)
    accounts, members, read_at = directory(project, index, warehouse)
    someone = link(person, accounts)
    asker = Asker(someone.id, closure_of(someone, members), read_at, secrets.token_hex(16), "cli")
    service = Service(embedder_of(project), newest_access(project, index, warehouse), AuditLog(f"{project.root}/audit/retrieval"))
    return search(open_for(project.root, manifest), query, asker, k, service, now=clock.now())


def directory(project: Project, index: str, warehouse: Warehouse) -> tuple[pa.Table, pa.Table, datetime]:
    """Accounts and membership edges of an index's streams, and the age of the oldest of them: an edge is as old as the pull that saw it."""
    import pyarrow as pa

    accounts: list[pa.Table] = []
    members: list[pa.Table] = []
    read: list[datetime] = []
    for stream in project.index(index).streams:
        record = warehouse.published(stream)
        found, edges = warehouse.read("accounts", stream), warehouse.read("members", stream)
        if record is not None and found is not None and edges is not None:
            accounts.append(found)
            members.append(edges)
            read.append(datetime.fromisoformat(record.published_at))
    if not read:
        raise AnswerIsNo("serving.no_directory", project=project.name)
    return pa.concat_tables(accounts).combine_chunks(), pa.concat_tables(members).combine_chunks(), min(read)


def newest_access(project: Project, index: str, warehouse: Warehouse) -> Overlay:
    """Today's live rows, scopes and field restrictions of an index's streams; as old as the oldest of their pulls."""
    found: list[NewestAccess] = []
    read: list[datetime] = []
    for stream in project.index(index).streams:
        record, rows, scopes = warehouse.published(stream), warehouse.current(stream), warehouse.read("scopes", stream)
        if record is None or rows is None or scopes is None:
            raise AnswerIsNo("index.not_published", index=index, stream=stream)
        found.append(NewestAccess(stream, project.contract(stream).key, rows, scopes, record.restricted))
        read.append(datetime.fromisoformat(record.published_at))
    return overlay_of(found, min(read))
