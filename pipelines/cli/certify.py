"""``fortnight gate certify · verify · sign-head``: the proof that leaves the house, and how anyone checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, emit, line, open_project, row, spoken, word, writing


def certify(
    index: Annotated[str, typer.Argument(help="The index's name in project.yaml.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write it; default: INDEX-DAY.certificate.gz here.", show_default=False)
    ] = None,
    sign_with: Annotated[
        Path | None,
        typer.Option(
            "--sign-with", help="Your SSH key (Ed25519), to answer for it; people.yaml must list its public half.", show_default=False
        ),
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Write a certificate: the ledger's chain, the policy and the gate's answer, in one file that proves itself offline once a person signed it."""
    with spoken(lang, json_):
        opened = open_project(project)
        from connectors.errors import AnswerIsNo
        from connectors.messages import Said
        from pipelines.clock import WallClock
        from pipelines.evidence.certificate import NAMESPACE, answered_for, signed_title, title_of, write_certificate
        from pipelines.evidence.plan import book_of, environment_of, gate_policy, ledger_of, today_of
        from pipelines.evidence.signing import public_half, sign
        from pipelines.evidence.standing import state_of
        from pipelines.evidence.taking import Signer

        opened.name_streams_well(index)
        now = WallClock().now()
        policy, book, today = gate_policy(opened, index), book_of(opened), today_of(opened, now)
        state = state_of(book, index, policy, today)
        path = out or Path(f"{index}-{today.isoformat()}.certificate.gz")
        rows = [each for each in ledger_of(opened).read() if each.seq <= book.head.seq]
        title = title_of(opened.name, environment_of(opened), state, policy, today, book.head, now)
        if sign_with is not None:
            known = sign_with
            title = signed_title(title, Signer(public_half(known), lambda message: sign(message, known, NAMESPACE)))
            _, faults = answered_for(title, book, state)
            if faults:
                raise AnswerIsNo("certified.no_answer", why=Said(faults[0].say, faults[0].code))
        with writing(path):
            count = write_certificate(path, title, rows)
    payload = {
        "index": index,
        "eligibility": state.eligibility,
        "file": str(path),
        "rows": count,
        "head": book.head.hash,
        "signed": title.signed is not None,
    }

    def text() -> None:
        eligibility = word(f"gate.eligibility.{state.eligibility}", lang)
        line("certified.made", lang, path=path, index=index, eligibility=eligibility, rows=count, head=book.head.hash)
        if title.signed is None:
            line("certified.nobody_answers", lang)

    emit("certified", payload, json_, text)


def verify(
    file: Annotated[Path | None, typer.Argument(help="A certificate; without it, the project's own ledger.", show_default=False)] = None,
    anchor: Annotated[
        list[Path] | None, typer.Option("--anchor", help="A head signed by sign-head; repeatable.", show_default=False)
    ] = None,
    without_archive: Annotated[
        bool, typer.Option("--without-archive", help="Prove rows whose details were moved by their place alone.")
    ] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Prove a certificate from itself alone, or the project's ledger from its first row on, and name the first bad row. Exit 1 when it fails."""
    if file is not None:
        _verify_file(file, anchor or [], json_, lang)
    else:
        _verify_ledger(project, anchor or [], without_archive, json_, lang)


def archive(project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Move the details of old evidence out of the ledger, into the archive beside it. Every row keeps its place and its hash."""
    with spoken(lang, json_):
        opened = open_project(project)
        import os
        import socket

        from pipelines.clock import WallClock
        from pipelines.evidence.keeping import move_old
        from pipelines.evidence.plan import ledger_of

        moved = move_old(opened, f"{socket.gethostname()}:{os.getpid()}", WallClock())
        where = ledger_of(opened).archive.location
    kept_from = moved.kept_from.isoformat() if moved.kept_from else None
    payload = {"rows": moved.rows, "kept_from": kept_from, "archive": where}

    def text() -> None:
        if moved.rows:
            line("gate.archived", lang, rows=moved.rows, kept_from=kept_from or "-", archive=where)
        else:
            line("gate.nothing_archived", lang)

    emit("ledger_archived", payload, json_, text)


def sign_head_(
    key: Annotated[Path, typer.Option("--key", help="An SSH key (Ed25519) that the pipeline does not hold.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write the signed head; keep it elsewhere.")] = Path("ledger-head.json"),
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Sign the ledger's head: whoever rewrites the ledger afterwards is found out by `gate verify --anchor`."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.evidence.heads import NAMESPACE, sign_head
        from pipelines.evidence.plan import book_of
        from pipelines.evidence.signing import public_half, sign
        from pipelines.evidence.taking import Signer

        head = book_of(opened).head
        with writing(out):
            sign_head(out, opened.name, head, Signer(public_half(key), lambda message: sign(message, key, NAMESPACE)))
    payload = {"seq": head.seq, "head": head.hash, "file": str(out)}
    emit("head_signed", payload, json_, lambda: line("gate.head_signed", lang, seq=head.seq, path=out))


def _verify_file(file: Path, given: list[Path], json_: bool, lang: str | None) -> None:
    with spoken(lang, json_):
        from pipelines.evidence.certificate import examine
        from pipelines.evidence.signing import short

        found = examine(file, given)
    title, state = found.title, found.state
    promotion = found.history.promotion if found.history else None
    faults = [{"code": each.code, "message": word(each.code, lang, **each.params)} for each in found.faults]
    payload: dict[str, Any] = {
        "ok": not faults,
        "file": str(file),
        "project": title.project,
        "environment": title.environment,
        "index": title.index,
        "today": title.today.isoformat(),
        "eligibility": state.eligibility if state else None,
        "green_days": state.green_days if state else None,
        "rows": found.rows,
        "head": title.head,
        "release": promotion.release if promotion else None,
        "signed_by": list(promotion.actors) if promotion else [],
        "answered_for_by": found.signer,
        "key": short(title.signed.key) if found.signer and title.signed else None,
        "faults": faults,
    }

    def text() -> None:
        if faults or state is None:
            line("certified.fails", lang)
            for each in faults:
                row("-", each["message"])
            return
        eligibility = word(f"gate.eligibility.{state.eligibility}", lang)
        days = {"green_days": state.green_days, "required_days": state.required_days}
        line(
            "certified.holds",
            lang,
            index=title.index,
            today=title.today,
            eligibility=eligibility,
            rows=found.rows,
            head=title.head,
            **days,
        )
        if found.signer is not None and title.signed is not None:
            line("certified.answered_for", lang, person=found.signer, key=short(title.signed.key))
        if promotion is not None:
            said = {"release": promotion.release, "content_hash": promotion.content_hash, "actors": ", ".join(promotion.actors)}
            line("certified.promoted", lang, **said)

    emit("certificate_verified", payload, json_, text)
    if faults:
        raise typer.Exit(NO)


def _verify_ledger(project: str | None, given: list[Path], without_archive: bool, json_: bool, lang: str | None) -> None:
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.evidence.chain import Verification
        from pipelines.evidence.errors import LedgerBroken
        from pipelines.evidence.heads import read_head
        from pipelines.evidence.memory import remembered
        from pipelines.evidence.plan import environment_of, ledger_of, memory_of, proof_of
        from pipelines.evidence.reasons import Reason
        from pipelines.index.promotion import anchors

        ledger = ledger_of(opened)
        known = [read_head(path, opened.name).head for path in given]
        known += [head for index in opened.file.indexes for head in anchors(opened.root, index)]
        proven = remembered(proof_of(opened))
        checked = ledger.verify([*known, *([proven.head] if proven else [])], archive=not without_archive)
        last = ledger.last_seal(environment_of(opened)) if checked.ok else None
        try:
            if last is not None:
                memory_of(opened).hold(last.seq, last.hash)
        except LedgerBroken as error:
            checked = Verification(
                False,
                last.seq if last else None,
                Reason(error.code, {"seq": last.seq if last else 0, "memory": str(error.params["memory"])}),
            )
        head = ledger.head() if checked.ok else None
    found = sorted({one.seq for one in known}) if checked.ok else []
    broken = checked.why
    if broken and proven and broken.code == "ledger.cut" and proven.seq > max((one.seq for one in known), default=0):
        # Nobody published that head: it is what this machine itself has seen.
        broken = Reason("ledger.cut_known", {"known": proven.seq})
    why = word(broken.code, lang, **broken.params) if broken else None
    payload = {
        "ok": checked.ok,
        "rows": head.seq if head else 0,
        "head": head.hash if head else "",
        "broken_at": checked.broken_at,
        "why": why,
        "anchors": found,
        "by_place": checked.by_place,
    }

    def text() -> None:
        if checked.broken_at is None and head is None:
            line("gate.ledger_unread", lang, why=why)
        elif head is None:
            line("gate.ledger_broken", lang, seq=checked.broken_at, why=why)
        else:
            line("gate.ledger_holds", lang, rows=head.seq, head=head.hash, anchors=", ".join(str(seq) for seq in found) or "-")
            if checked.by_place:
                line("gate.by_place", lang, rows=checked.by_place)

    emit("ledger_verified", payload, json_, text)
    if not checked.ok:
        raise typer.Exit(NO)
