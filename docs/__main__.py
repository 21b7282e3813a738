"""Writes what in the docs is generated: every command's ``--help``, every error, the rules, the schemas of ``--json``. ``--check`` only says what is stale."""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import click
import typer
from typer.testing import CliRunner

GUIDES = Path(__file__).parent / "guides"
SCHEMAS = Path(__file__).parent / "schemas"
WIDTH = 100
#: Where the errors of a room stand, in the order a project meets them; a new room goes to the end by itself.
ROOMS = {
    "project": "The project file and its secrets",
    "contract": "Contracts",
    "transport": "Reaching a source",
    "certificate": "Certificates",
    "source": "What any source may answer",
    "kintone": "kintone",
    "soap": "SOAP",
    "sharepoint": "SharePoint",
    "pull": "The pull",
    "landing": "Landing",
    "tables": "Stored tables",
    "backfill": "Backfills",
    "map": "The source map",
    "access": "The access report",
    "index": "The index",
    "serving": "Asking",
    "calendar": "The calendar",
    "ledger": "The ledger",
    "gate": "The gate",
    "dev": "Dagster's web UI",
    "demo": "The demo",
    "cli": "Any command",
}
EXIT_CODES = {
    2: "a person mends a file, a variable or a flag",
    3: "the source did not give what was asked",
    1: "it ran, and the answer is no",
    4: "interrupted",
}


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and group with its path, in the order of the help text; the empty path is ``fortnight`` itself."""
    from pipelines.cli.main import app

    def walk(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
        yield path, command
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                yield from walk((*path, name), inner)

    yield from walk((), typer.main.get_command(app))


def help_of(path: tuple[str, ...]) -> str:
    """What ``fortnight … --help`` prints on a terminal of 100 columns, without colours."""
    from pipelines.cli.main import app

    quiet = {name: "" for name in ("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS")}
    with (
        mock.patch.dict(os.environ, quiet | {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": str(WIDTH)}),
        mock.patch("typer.rich_utils.MAX_WIDTH", WIDTH),
    ):
        result = CliRunner().invoke(app, [*path, "--help"], prog_name="fortnight")
    assert result.exit_code == 0, result.output
    lines = [line.rstrip() for line in click.unstyle(result.output).splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def commands_page() -> str:
    parts = [
        "# The commands",
        "",
        "Written by `make docs` from each command's own `--help`. Exit codes: 0 done; 1 ran, and the answer is no; 2 usage or configuration;",
        "3 source unreachable or refused; 4 interrupted, the same command goes on.",
        "",
        "What a command says is Japanese or English: by `--lang ja` or `--lang en`, else by the locale. Help texts, and what is said of a mistyped",
        "command line, are English. With `--json` it prints one object instead, named `fortnight.<noun>/1` under `schema`; the JSON Schema of each",
        "noun is in [../schemas](../schemas). Codes, names and numbers there are the same in every language; texts (`message`, `summary`, `found`)",
        "are in the one asked for. What was foreseen and went wrong is a `fortnight.error/1`.",
    ]
    for path, _ in commands():
        title = " ".join(("fortnight", *path))
        parts += ["", f"## {title}", "", "```", help_of(path).rstrip("\n"), "```"]
    return "\n".join(parts) + "\n"


def exit_codes() -> dict[str, set[int]]:
    """Message code → the exit codes of the errors that product code raises with it, read from the sources."""
    from connectors import errors

    kinds = {
        name: kind.exit_code for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.FortnightError)
    }
    raised = re.compile(rf"\b({'|'.join(kinds)})\(\s*\"([a-z0-9_.]+)\"")
    found: dict[str, set[int]] = {}
    root = Path(__file__).parents[1]
    for folder in ("connectors", "expectations", "pipelines"):
        for path in sorted((root / folder).rglob("*.py")):
            for kind, code in raised.findall(path.read_text(encoding="utf-8")):
                found.setdefault(code, set()).add(kinds[kind])
    return found


def errors_page() -> str:
    from connectors.messages import catalogue

    every, exits = catalogue(), exit_codes()
    errors = [code for code in every if f"{code}.remedy" in every]
    rooms = list(dict.fromkeys([*ROOMS, *(code.partition(".")[0] for code in errors)]))
    parts = [
        "# Errors, and what to do",
        "",
        "Written by `make docs` from the message catalogue (`connectors/messages`), which holds each sentence in Japanese as well: `--lang ja`.",
        "A code is stable: `--json`, logs and run pages name it. `{…}` is filled in when it is said. The number is the exit code where one kind of",
        f"error alone carries the code: {'; '.join(f'{number}, {meaning}' for number, meaning in sorted(EXIT_CODES.items()))}.",
    ]
    for room in rooms:
        own = [code for code in errors if code.partition(".")[0] == room]
        if own:
            parts += ["", f"## {ROOMS.get(room, room)}"]
        for code in own:
            one = exits.get(code, set())
            number = f" · exit {next(iter(one))}" if len(one) == 1 else ""
            parts += ["", f"### `{code}`{number}", "", f"> {_plain(every[code]['en'])}", "", _plain(every[f"{code}.remedy"]["en"])]
    return "\n".join(parts) + "\n"


def rules_page() -> str:
    from expectations.rules import RULES

    columns = {
        "any": "any",
        "plain": "single values",
        "ordered": "with an order",
        "measured": "numbers, dates, times",
        "number": "numbers",
        "text": "text",
    }
    parts = [
        "# The rules a contract may name",
        "",
        "Written by `make docs` from `expectations/rules.py`. What they mean together: [expectations.md](expectations.md). In brackets: arguments that",
        "may be left out. Of `min_value` and `max_value` one is needed.",
    ]
    titles = {
        "values": "Each value of a column",
        "pair": "Two columns of a row",
        "rows": "Several columns of all rows",
        "column": "A column as a whole",
        "table": "The table",
    }
    for about, title in titles.items():
        parts += ["", f"## {title}", "", "| rule | columns | arguments | holds when |", "|---|---|---|---|"]
        for rule in RULES.values():
            if rule.about == about:
                arguments = ", ".join(f"`{one}`" if one in (*rule.needs, *rule.one_of) else f"[`{one}`]" for one in rule.arguments)
                parts.append(f"| `{rule.name}` | {columns[rule.fits] if about != 'table' else ''} | {arguments} | {rule.says} |")
    return "\n".join(parts) + "\n"


def schemas() -> dict[Path, str]:
    """The JSON Schema of every noun that ``--json`` prints."""
    from pipelines.cli.payloads import PAYLOADS, json_schema

    return {
        SCHEMAS / f"{noun}.json": json.dumps(json_schema(noun), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        for noun in sorted(PAYLOADS)
    }


def pages() -> dict[Path, str]:
    """Every generated file with what it should say."""
    return {GUIDES / "commands.md": commands_page(), GUIDES / "errors.md": errors_page(), GUIDES / "rules.md": rules_page(), **schemas()}


def stale() -> list[Path]:
    """The generated files that do not say what they should, and schemas of nouns that are no more."""
    known = pages()
    wrong = [path for path, text in known.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return wrong + [path for path in sorted(SCHEMAS.glob("*.json")) if path not in known]


def _plain(text: str) -> str:
    """A sentence as one line of Markdown that shows its placeholders and angle brackets as they are."""
    return " ".join(text.split()).replace("<", "&lt;").replace("*", "\\*")


def main(arguments: list[str]) -> int:
    old, known = stale(), pages()
    for path in old:
        if "--check" in arguments:
            pass
        elif path in known:
            path.parent.mkdir(exist_ok=True)
            path.write_text(known[path], encoding="utf-8")
        else:
            path.unlink()
        print(f"{'stale' if '--check' in arguments else 'written'}: {path.relative_to(GUIDES.parents[1])}")
    if not old:
        print("the generated files are as they should be")
    return 1 if old and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
