"""A project of one kintone and two light streams, written anew for each test; the sandbox behind it is shared."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dagster as dg
from ruamel.yaml import YAML

from infra.sandbox import process
from pipelines.project import PROJECT_VARIABLE, load

CUSTOMERS: dict[str, Any] = {
    "stream": "kintone/customers",
    "version": 1,
    "title": "顧客",
    "source": {"app_code": "CUSTOMERS"},
    "key": ["record_id"],
    "cursor": {"field": "updated_at", "lookback": "PT5M"},
    "fields": [
        {"name": "record_id", "source": "$id", "type": "int64", "required": True},
        {"name": "updated_at", "source": "更新日時", "type": "timestamp[us, UTC]"},
        {"name": "code", "source": "顧客コード", "type": "string", "required": True},
        {"name": "name", "source": "顧客名", "label": "顧客名", "type": "string", "required": True},
        {"name": "credit_limit", "source": "与信限度額", "type": "decimal128(16, 4)", "unit": "JPY"},
    ],
    "exclude": [
        "$revision",
        "レコード番号",
        "作成者",
        "作成日時",
        "更新者",
        "フリガナ",
        "郵便番号",
        "都道府県",
        "市区町村",
        "電話番号",
        "ランク",
        "担当者",
        "担当部署",
        "取引開始日",
        "受付開始時刻",
    ],
    "expectations": [{"expect": "expect_column_values_to_not_be_null", "column": "code", "severity": "critical"}],
    "owners": {"business": "kenta.suzuki@sakura-seiki.example", "technical": "akari.mori@sakura-seiki.example"},
}
FAQ: dict[str, Any] = {
    "stream": "kintone/faq",
    "version": 1,
    "title": "FAQ",
    "source": {"app_code": "FAQ"},
    "key": ["record_id"],
    "cursor": {"field": "updated_at", "lookback": "PT5M"},
    "fields": [
        {"name": "record_id", "source": "$id", "type": "int64", "required": True},
        {"name": "updated_at", "source": "更新日時", "type": "timestamp[us, UTC]"},
    ],
}
PROJECT: dict[str, Any] = {
    "name": "small",
    "environment": "sandbox",
    "timezone": "Asia/Tokyo",
    "start": "2026-10-01",
    "env_file": ".env",
    "ca_file": {"env": "FORTNIGHT_CA_FILE"},
    "schedule": {"hour": 5, "minute": 0, "days": "daily", "seal_hour": 1},
    "systems": {
        "kintone": {
            "kind": "kintone",
            "base_url": {"env": "KINTONE_URL"},
            "auth": {"password": {"login": {"env": "KINTONE_LOGIN"}, "password": {"env": "KINTONE_PASSWORD"}}},
        }
    },
}


def write_project(folder: Path, *contracts: dict[str, Any], home: Path | None = None, **changes: Any) -> Path:
    """A project folder with these contracts; ``changes`` replace keys of project.yaml, ``home`` is the sandbox it points at."""
    write_yaml(folder / "project.yaml", PROJECT | changes)
    for contract in contracts:
        write_yaml(folder / "contracts" / f"{contract['stream']}.yaml", contract)
    if home is not None:
        write_env(folder, process.environment(home))
    return folder


def write_env(folder: Path, variables: dict[str, str]) -> None:
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()), encoding="utf-8")


def write_yaml(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as target:
        YAML(typ="safe").dump(content, target)


def definitions_of(folder: Path) -> dg.Definitions:
    """The definitions of a project, built as ``pipelines.definitions`` builds them."""
    os.environ[PROJECT_VARIABLE] = str(folder)
    from pipelines.definitions import build  # builds a project when it is imported, so one must be named first

    return build(load(folder))
