"""``fortnight index omitted``: what of its input a candidate does not hold, and why."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from pipelines.cli.index import IndexArgument
from pipelines.cli.output import JsonOption, LangOption, ProjectOption, emit, line, open_project, row, spoken, word


def omitted(
    index: IndexArgument,
    release: Annotated[
        int | None, typer.Option("--release", min=1, help="Number of the candidate. Default: the newest.", show_default=False)
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """List the files, fields and parts of files that a candidate leaves out, each with its reason."""
    with spoken(lang, json_):
        opened = open_project(project)
        opened.index(index)
        from connectors.errors import AnswerIsNo
        from pipelines.index.releases import candidate, newest_candidate

        manifest = candidate(opened.root, index, release) if release is not None else newest_candidate(opened.root, index)
        if manifest is None:
            raise AnswerIsNo("serving.no_candidate", index=index)
    found = sorted(manifest.omitted, key=lambda one: (one.code, one.document, one.detail))

    def reason(code: str, detail: str) -> str:
        return word(f"index.unparsed.{code}", lang, detail=detail)

    payload = {
        "index": index,
        "release": manifest.release,
        "omitted": [
            {"document": one.document, "name": one.name, "code": one.code, "detail": one.detail, "reason": reason(one.code, one.detail)}
            for one in found
        ],
    }

    def text() -> None:
        if not found:
            line("index.omitted_none", lang, release=manifest.release)
            return
        line("index.omitted", lang, release=manifest.release, count=len(found))
        for code, count in sorted(Counter(one.code for one in found).items()):
            row(word("index.omitted_reason", lang, count=count, code=code), indent=1)
            for one in found:
                if one.code == code:
                    row(f"{one.document}  {one.name}".rstrip(), indent=3)
                    row(reason(one.code, one.detail), indent=5)

    emit("index_omitted", payload, json_, text)
