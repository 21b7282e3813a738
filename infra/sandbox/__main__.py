"""``python -m infra.sandbox serve NAME …``: one sandbox server in the foreground. Starting all three is ``process.py``'s work."""

from __future__ import annotations

import argparse
import importlib
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from infra.sandbox import ca, host
from infra.sandbox.clock import SandboxClock
from infra.sandbox.company.trade import DEFAULT_SEED
from infra.sandbox.settings import Settings

NAMES = ("kintone", "erp", "sharepoint")
#: The admin token may come by environment, so that it does not stand in the process list.
ADMIN_TOKEN_VARIABLE = "FORTNIGHT_SANDBOX_ADMIN_TOKEN"


def server_module(name: str) -> Any:
    """The module with ``build`` and ``describe`` of one server, imported only now: each brings its own heavy libraries."""
    if name not in NAMES:
        raise ValueError(f"there is no sandbox server {name!r}; there are: {', '.join(NAMES)}")
    return importlib.import_module(f"infra.sandbox.{name}.app")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.sandbox")
    verbs = parser.add_subparsers(dest="verb", required=True)
    serve = verbs.add_parser("serve", help="run one server until SIGTERM")
    serve.add_argument("name", choices=NAMES)
    serve.add_argument("--http-port", type=int, required=True)
    serve.add_argument("--https-port", type=int, required=True)
    serve.add_argument("--client-port", type=int, default=0, help="a port that wants a client certificate; 0 for none")
    serve.add_argument("--state", type=Path, required=True, help="folder of this server alone")
    serve.add_argument("--ca", type=Path, required=True, help="folder of the sandbox's certificates")
    serve.add_argument("--origin", type=datetime.fromisoformat, default=None, help="ISO instant the base data are dated back from")
    serve.add_argument("--seed", type=int, default=DEFAULT_SEED)
    serve.add_argument("--admin-token", default=os.environ.get(ADMIN_TOKEN_VARIABLE, ""))
    given = parser.parse_args(arguments)
    if not given.admin_token:
        parser.error(f"an admin token is needed: --admin-token or {ADMIN_TOKEN_VARIABLE}")
    certificates = ca.ensure(given.ca)
    given.state.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        clock=SandboxClock(given.origin),
        http_port=given.http_port,
        https_port=given.https_port,
        state=given.state,
        ca_file=certificates.ca_file,
        admin_token=given.admin_token,
        seed=given.seed,
        client_port=given.client_port,
    )
    app = server_module(given.name).build(settings)
    host.serve(app, settings, cert_file=certificates.cert_file, key_file=certificates.key_file)


if __name__ == "__main__":
    main()
