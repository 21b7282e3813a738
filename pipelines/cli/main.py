"""The entry point: every verb, by group. A verb that is listed here works; none is a stub."""

from __future__ import annotations

import logging
import os
import sys

import typer

from pipelines.cli import (
    access,
    audit,
    contract,
    decide,
    demo,
    dev,
    doctor,
    evaluation,
    gate,
    index,
    map,
    omitted,
    pull,
    quarantine,
    releases,
    roster,
    sandbox,
    serve,
    simulate,
    tables,
)

app = typer.Typer(
    name="fortnight",
    help="Connectors first: pull live data, hold it to contracts, and let an index go live only after two provable green weeks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("dev")(dev.dev)
app.command("doctor")(doctor.doctor)
app.command("map")(map.map_)
app.command("pull")(pull.pull)
app.command("backfill")(pull.backfill)
app.command("search")(index.search)
app.command("suspend")(decide.suspend)
app.command("resume")(decide.resume)
app.command("simulate")(simulate.simulate)
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(contract.app, name="contract")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(gate.app, name="gate")
app.add_typer(index.app, name="index")
app.add_typer(evaluation.app, name="eval")
app.add_typer(access.app, name="access")
app.add_typer(tables.app, name="tables")
index.app.command("omitted")(omitted.omitted)
index.app.command("evaluate")(evaluation.evaluate)
index.app.command("compare")(evaluation.compare)
index.app.command("tune")(evaluation.tune)
index.app.command("history")(releases.history)
index.app.command("rollback")(releases.rollback)
index.app.command("drill")(releases.drill)
index.app.command("replay")(releases.replay)
app.add_typer(serve.app, name="serve")
app.add_typer(audit.app, name="audit")
index.app.command("promote")(decide.promote)
access.app.command("refresh")(roster.refresh)
access.app.command("agree")(roster.agree)
access.app.command("versions")(roster.versions)


#: Libraries that run threads of their own behind the interpreter's back.
_NATIVE = {"lancedb", "deltalake", "obstore", "pyarrow"}


def main() -> None:
    """Console script."""
    try:
        app()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
        if _NATIVE & sys.modules.keys():
            # Their own threads may still ask for the interpreter while it ends, which aborts the process after its work is done.
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        raise
