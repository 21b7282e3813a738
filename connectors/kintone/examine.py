"""What ``doctor`` says of one app before anything is pulled: where it is, what these credentials may read of it, and what reading costs."""

from __future__ import annotations

from connectors.kintone.budget import resets
from connectors.kintone.client import Client
from connectors.kintone.comments import ROLLING
from connectors.kintone.discover import full_load_calls
from connectors.kintone.parts import parents
from connectors.kintone.reader import Reader
from connectors.kintone.rules import read_rules
from connectors.kintone.run import Run, begin
from connectors.kintone.seek import Range
from connectors.kintone.tables import inner_stream
from connectors.messages import Said, told
from connectors.protocol import Stream

#: Calls of a pull that finds nothing new.
QUIET = 4


def examine(client: Client, stream: Stream, guest_space: int | None, *, workers: int) -> Said:
    """One sentence on the app of a stream, looked up now. Raises what a pull would raise: address, rights, an unsafe condition."""
    run = begin(client, stream, guest_space)
    rows = Reader(client, _records(stream, run), run).count(Range(0))
    rules = read_rules(client, run.app, run.form)
    now = client.transport.server_time or client.now()
    policy = client.budget.policy
    # Comments come record by record, ten at a time: how many more calls some record needs nobody knows beforehand.
    comments = bool(run.spec.part)
    return told(
        "kintone.probe.comments" if comments else "kintone.probe.app",
        name=run.app.name,
        id=run.app.id,
        code=run.app.code or told("kintone.probe.no_code"),
        space=run.app.space_id or told("kintone.probe.no_space"),
        path=told("kintone.probe.normal_path") if run.app.guest_space is None else f"/k/guest/{run.app.guest_space}/v1/",
        revision=run.form.revision,
        rights=_rights(run.form.precision_known, rules.unreadable),
        records=rows,
        full=full_load_calls(rows, rules, workers) + (rows if comments else 0),
        quiet=QUIET + (min(rows, ROLLING) if comments else 0),
        used=client.budget.spent(run.app.id, now).used,
        planned=int(policy.daily * policy.planned),
        limit=policy.limit,
        reset=f"{resets(now):%Y-%m-%d}",
    )


def _records(stream: Stream, run: Run) -> Stream:
    """The stream of the records that are read for this one. Raises FixConfiguration for a table that the app does not have."""
    if run.spec.table:
        return inner_stream(stream, run, run.spec.table)
    return parents(stream) if run.spec.part else stream


def _rights(settings: bool, unreadable: str) -> Said:
    """What can be read besides the records: their decimals stand in the settings, their readers in the rules."""
    if unreadable:
        return told("kintone.probe.rights_records" if settings else "kintone.probe.rights_bare", reason=unreadable)
    return told("kintone.probe.rights_all" if settings else "kintone.probe.rights_no_settings")
