"""How commands speak: lines of the catalogue in Japanese or English, rows of plain data, or one JSON object; progress, retries and errors."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
#: The log whose warnings a person at the keyboard should see.
_LOG = "fortnight"


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


def line(code: str, lang: str | None, /, **params: object) -> None:
    """Print one sentence of the catalogue."""
    row(word(code, lang, **params), indent=0)


def word(code: str, lang: str | None, /, **params: object) -> str:
    """One sentence or word of the catalogue, to stand in a row or in another sentence."""
    from connectors.messages import sentence

    return sentence(code, params, language(lang))


def shown(text: str, lang: str | None) -> str:
    """Text that was said elsewhere (a check's summary, a probe's finding), in this language."""
    from connectors.messages import retold

    return str(retold(text, language(lang)))


def row(*cells: str, indent: int = 2) -> None:
    """Print data: names, numbers, codes, and words that came from the catalogue."""
    typer.echo((" " * indent + " ".join(cells)).rstrip())


def cell(text: object, width: int) -> str:
    """A cell of a table, filled with blanks to a width in columns: a full-width character takes two."""
    from rich.cells import cell_len

    return f"{text}{' ' * max(0, width - cell_len(str(text)))}"


def mark(verdict: Literal["ok", "warn", "fail"], lang: str | None) -> str:
    """The word in front of a check, in a cell of its own width."""
    return cell(word(f"mark.{verdict}", lang), 4 if language(lang) == "en" else 6)


def emit(noun: str, payload: Mapping[str, Any], as_json: bool, text: Callable[[], None]) -> None:
    """Print a result: as the JSON object that ``fortnight.<noun>/1`` promises (see payloads), or by its text form.

    A payload that breaks that promise is a bug and raises pydantic's ValidationError.
    """
    if as_json:
        from pipelines.cli.payloads import as_promised

        typer.echo(json.dumps(as_promised(noun, payload), ensure_ascii=False))
    else:
        text()


@contextmanager
def spoken(lang: str | None = None, as_json: bool = False) -> Generator[None]:
    """Turn foreseen errors into one sentence on stderr and the exit code of their branch. Unforeseen ones keep their traceback: they are bugs.

    While it lasts, warnings of the product (a request that is tried again) show on stderr in the same language.
    """
    from connectors.errors import FortnightError, Interrupted

    language(lang)  # a language nobody speaks is refused before anything is done
    ear = _Ear(lang)
    logging.getLogger(_LOG).addHandler(ear)
    try:
        yield
    except FortnightError as error:
        say(error, lang, as_json)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        say(Interrupted("cli.interrupted"), lang, as_json)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        logging.getLogger(_LOG).removeHandler(ear)


@contextmanager
def writing(path: Path) -> Generator[None]:
    """What is written at ``path`` in the block, or the folder that is made there; the folders above are made. Raises FixConfiguration where it can't be."""
    from connectors.errors import FixConfiguration

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise FixConfiguration("cli.cannot_write", path=str(path), reason=error.strerror or type(error).__name__) from error


class _Ear(logging.Handler):
    """Shows the warnings of the log to the person who waits; what was ``Said`` in it, in their language."""

    def __init__(self, lang: str | None) -> None:
        super().__init__(logging.WARNING)
        self._lang = lang

    def emit(self, record: logging.LogRecord) -> None:
        given = record.args if isinstance(record.args, tuple) else ()
        said = [shown(one, self._lang) if isinstance(one, str) else one for one in given]
        typer.echo(record.msg % tuple(said) if said else record.getMessage(), err=True)


def say(error: Any, lang: str | None = None, as_json: bool = False) -> None:
    """One error, spoken: as a sentence, or as JSON with its stable code."""
    told = error.say(language(lang))
    if as_json:
        emit("error", {"code": error.code, "message": told}, True, lambda: None)
    else:
        typer.secho(told, err=True, fg="red" if sys.stderr.isatty() else None)


class Bars:
    """A progress bar per stream while a pull runs. Quiet under --json and where there is no terminal: then one line per stream."""

    def __init__(self, quiet: bool = False, lang: str | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.quiet = quiet
        self._lang = lang
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
        fields: dict[str, Any] = {"step": word(f"step.{progress.step}", self._lang)}
        if total is not None:
            fields |= {"completed": progress.done, "total": total}
        self._bars.update(self._tasks[progress.stream], **fields)
