"""How commands speak: plain or ``--json``, Japanese or English, progress on the terminal, and errors as one sentence with an exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from connectors.messages import Language
    from pipelines.project import Project
    from pipelines.pull.outcome import Progress

ProjectOption = Annotated[
    str | None, typer.Option("--project", help="The project folder; default: FORTNIGHT_PROJECT, else here.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]
LangOption = Annotated[str | None, typer.Option("--lang", help="ja or en; default: by locale.", show_default=False)]

DONE, NO, USAGE, SOURCE, INTERRUPTED = 0, 1, 2, 3, 4


def language(given: str | None) -> Language:
    """The language to speak: as asked, else by the locale, else English."""
    if given in ("ja", "en"):
        return given
    if given:
        raise typer.BadParameter("use ja or en", param_hint="--lang")
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ja" if locale.lower().startswith("ja") else "en"


def open_project(given: str | None) -> Project:
    from pipelines.project import find, load

    return load(find(given))


def emit(noun: str, payload: Mapping[str, Any], as_json: bool, text: Callable[[], None]) -> None:
    """Print a result: JSON with its schema name, or the text form."""
    if as_json:
        typer.echo(json.dumps({"schema": f"fortnight.{noun}/1", **payload}, ensure_ascii=False, default=str))
    else:
        text()


@contextmanager
def spoken(lang: str | None = None, as_json: bool = False) -> Generator[None]:
    """Turn foreseen errors into one sentence on stderr and the exit code of their branch. Unforeseen ones keep their traceback: they are bugs."""
    from connectors.errors import FortnightError

    language(lang)  # a language nobody speaks is refused before anything is done
    try:
        yield
    except FortnightError as error:
        say(error, lang, as_json)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("interrupted; the same command goes on", err=True)
        raise typer.Exit(INTERRUPTED) from None


def say(error: Any, lang: str | None = None, as_json: bool = False) -> None:
    """One error, spoken: as a sentence, or as JSON with its stable code."""
    if as_json:
        typer.echo(
            json.dumps({"schema": "fortnight.error/1", "code": error.code, "message": error.say(language(lang))}, ensure_ascii=False)
        )
    else:
        typer.secho(error.say(language(lang)), err=True, fg="red" if sys.stderr.isatty() else None)


class Bars:
    """A progress bar per stream while a pull runs. Quiet under --json and where there is no terminal: then one line per finished step."""

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.quiet = quiet
        self._console = Console(stderr=True)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<34}"),
            BarColumn(24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[step]:<8}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, progress: Progress) -> None:
        if progress.stream not in self._tasks:
            self._tasks[progress.stream] = self._bars.add_task(progress.stream, total=progress.total, step="")
            if not self.quiet and not self._console.is_terminal:
                self._console.print(f"  {progress.stream} …", highlight=False)
        total = progress.total if progress.total is not None else None
        fields: dict[str, Any] = {"step": progress.step}
        if total is not None:
            fields |= {"completed": progress.done, "total": total}
        self._bars.update(self._tasks[progress.stream], **fields)
