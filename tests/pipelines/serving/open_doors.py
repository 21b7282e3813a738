"""A house's service on a real socket, in this process; and, run as a program, on standard input and output."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import uvicorn

from pipelines.project import load
from pipelines.serving.callers.tokens import Tokens
from pipelines.serving.doors.opening import listen
from pipelines.serving.reception import Reception


@contextmanager
def served(reception: Reception, tokens: Tokens) -> Iterator[str]:
    """The address of the running service."""
    from pipelines.serving.doors.http import app_of

    bound = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(app_of(reception, tokens, url), log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield url
    finally:
        server.should_exit = True
        thread.join()


def main(folder: str, at: str, token: str) -> None:
    """``python doors.py FOLDER INSTANT TOKEN``: one client on stdio."""
    import asyncio

    from pipelines.serving.doors.mcp import over_stdio
    from tests.pipelines.serving.served_house import Hands, House

    house = House(load(Path(folder)), Hands(datetime.fromisoformat(at)))
    asyncio.run(over_stdio(house.reception(), Tokens(None, house.tokens), token))


if __name__ == "__main__":
    main(*sys.argv[1:])
