"""A project whose one stream was green for fourteen days ending yesterday, with every fact measured: what a person finds who is to decide."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipelines.clock import WallClock
from pipelines.evidence.chain import Entry
from pipelines.evidence.claims import ContractRef, Endpoint
from pipelines.evidence.declare import declare_all
from pipelines.evidence.facts import REQUIRED_FACTS, Fact, fact_entry
from pipelines.evidence.plan import environment_of, ledger_of, today_of
from pipelines.evidence.reasons import reason
from pipelines.evidence.signing import sandbox_keys
from pipelines.index.releases import Coverage, Manifest, record_candidate
from pipelines.project import Project, load

INDEX, STREAM = "support", "kintone/faq"
#: Facts that the project's files do not declare themselves.
MEASURED = ("recall_at_5", "access_coverage", "rollback_drill")
PEOPLE = {
    "kenta.suzuki": ["business", "approver"],
    "akari.mori": ["technical", "approver", "engineer"],
    "riku.ikeda": ["operator"],
}
_FIELDS = [
    {"name": "record_id", "source": "$id", "type": "int64", "required": True},
    {"name": "updated_at", "source": "更新日時", "type": "timestamp[us, UTC]"},
]


def lived(folder: Path, days: int = 14, **changes: Any) -> Project:
    """The project in ``folder``, with a key for each person in ``.fortnight/keys``, sealed up to yesterday. ``changes`` replace keys of project.yaml."""
    mails = [f"{person}@sakura-seiki.example" for person in PEOPLE]
    runbook = ("seal.slot_missed", "seal.pull_failed", "seal.check_failed", "seal.unbalanced", "seal.drift_waiting", "gate.suspended_by")
    told: dict[str, Any] = {
        "name": "small",
        "environment": "sandbox",
        "start": "2026-10-01",
        "systems": {"kintone": {"kind": "kintone", "base_url": "https://example.cybozu.com", "auth": {"api_tokens": [{"env": "TOKEN"}]}}},
        "indexes": {
            INDEX: {
                "streams": [STREAM],
                "owners": dict(zip(("business", "technical", "operator"), mails, strict=True)),
                "success": {"measure": "first-contact resolution", "unit": "percent", "baseline": 61, "target": 75},
                "cost": {"line": "DX-2027-014", "monthly_ceiling_jpy": 300000},
                "evaluation": {"questions": "questions.jsonl", "recall_at_5": 0.9},
                "runbook": "runbook.md",
            }
        },
    }
    contract = {
        "stream": STREAM,
        "version": 1,
        "source": {"app_code": "FAQ"},
        "key": ["record_id"],
        "cursor": {"field": "updated_at", "lookback": "PT5M"},
        "fields": _FIELDS,
    }
    write(folder / "project.yaml", told | changes)
    write(folder / "contracts" / f"{STREAM}.yaml", contract)
    listed = [
        {"id": each, "mail": mail, "roles": PEOPLE[each], "keys": [{"file": f".fortnight/keys/{each}.pub"}]}
        for each, mail in zip(PEOPLE, mails, strict=True)
    ]
    write(folder / "people.yaml", {"people": listed})
    (folder / "runbook.md").write_text("".join(f"## {code}\n\nCall the operator.\n\n" for code in runbook), encoding="utf-8")
    asked = f'"as": "{mails[0]}", "kind": "answerable", "expect": ["{STREAM}#1"]'
    questions = [f'{{"question": "質問 {n}", {asked}}}\n' for n in range(200)]
    (folder / "questions.jsonl").write_text("".join(questions), encoding="utf-8")
    sandbox_keys(folder)
    project = load(folder)
    now = WallClock().now()
    declare_all(project, now - timedelta(days=days + 1), "wall")
    seal_days(project, days)
    ledger_of(project).push(
        [fact_entry(Fact(INDEX, name, 1.0, "share", 1.0, True, "measured", now), environment_of(project), "wall") for name in MEASURED]
    )
    assert set(MEASURED) < set(REQUIRED_FACTS)
    record_candidate(project.root, manifest(1))
    return project


def seal_days(project: Project, days: int, verdict: str = "green", fingerprint: str | None = None, *, ending: int = 1) -> None:
    """Seal ``days`` days, the last of them ``ending`` days ago."""
    today, own = today_of(project, WallClock().now()), fingerprint or project.contract(STREAM).fingerprint()
    entries = [
        Entry(
            "seal",
            environment_of(project),
            "wall",
            STREAM,
            today - timedelta(days=back),
            finished_at=datetime.now(UTC) - timedelta(days=back - 1),
            contract=ContractRef(1, own),
            endpoint=Endpoint("sha256:endpoint", True),
            verdict=verdict,
            reasons=(reason("seal.judged_under", policy="sha256:policy", last_good_at=None),),
            actor="sealer",
        )
        for back in range(days + ending - 1, ending - 1, -1)
    ]
    for entry in entries:
        ledger_of(project).append([entry])


def manifest(number: int) -> Manifest:
    return Manifest(
        index=INDEX,
        number=number,
        created_at=datetime(2026, 11, 2, 5, tzinfo=UTC),
        inputs={},
        model_id="test/hashed",
        revision="1",
        dim=32,
        chunker="1",
        table="chunks",
        documents={STREAM: 3},
        chunks=3,
        access=Coverage(chunks=3, resolved=3, scopes_unresolved={}),
        omitted=(),
        content_hash=f"sha256:{number:064d}",
    )


def key(project: Project, person: str) -> str:
    return str(project.home / "keys" / person)


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as target:
        YAML(typ="safe").dump(content, target)
