"""Takes the pictures of ``docs/operators.md``: ``python -m docs.photograph HOME``, where ``HOME`` is a folder that ``fortnight simulate`` lived days in.

Needs Chromium and Pillow. Dagster's own web server shows the home; each page is opened in a browser and kept as what a person would see.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pipelines.cli.dev import dagster_environment, web_command
from pipelines.project import PROJECT_VARIABLE, Project, load

PICTURES = Path(__file__).parent / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    # Without it the picture is taken before the page has asked for anything.
    "--virtual-time-budget=15000",
)
#: Width of a kept picture, in pixels, and its colours.
WIDTH, COLOURS = 900, 192
#: A page of one colour compresses to less than this; so often is it loaded.
_BLANK, _LOADS = 20_000, 8


@dataclass(frozen=True)
class Page:
    """One picture: its name, the page's path (``{run}`` is an ERP pull that was tried again), the window's size."""

    name: str
    path: str
    size: tuple[int, int] = (1400, 900)


#: What "Scaffold missing config" writes, filled in.
_FORM = """ops:
  suspend_op:
    config:
      index: product-support
      by: riku.ikeda@sakura-seiki.example
      why: 図面の版が混ざっている
"""
PAGES = (
    Page("asset-groups", "/asset-groups"),
    Page("runs-by-tag", "/runs?q%5B0%5D=tag%3Afortnight%2Fsystem%3Derp"),
    Page("run", "/runs/{run}"),
    Page("stream-checks", "/assets/kintone/orders?view=checks&checkDetail=balance", (1400, 1000)),
    Page("stream-days", "/assets/kintone/defects?view=partitions"),
    Page("index-calendar", "/assets/index/product-support?view=overview", (1400, 1000)),
    Page("gate-check", "/assets/index/product-support?view=checks&checkDetail=production_eligible", (2000, 1500)),
    Page("evaluation-check", "/assets/index/product-support?view=checks&checkDetail=evaluation", (1400, 1000)),
    Page("ledger", "/assets/evidence/ledger?view=overview"),
    Page("jobs", "/jobs"),
    Page("button", f"/locations/__repository__@fortnight/jobs/suspend/playground/setup?config={quote(_FORM)}", (1400, 800)),
    Page("schedules", "/automation", (1400, 1100)),
    Page("backfills", "/overview/backfills"),
)


def called(arguments: Sequence[str]) -> int:
    """From the command line. Exit 2 for a home that is none, or a picture that there is not."""
    names = [page.name for page in PAGES]
    parser = argparse.ArgumentParser(
        prog="python -m docs.photograph", description="Take the pictures of the operator's pages of a home that lived days."
    )
    parser.add_argument("home", type=Path, help="the home, as `fortnight simulate --home` made it")
    parser.add_argument("names", nargs="*", metavar="name", help=f"only these; there are {', '.join(names)}")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.names if name not in names]:
        parser.error(f"no such picture: {', '.join(unknown)}; there are {', '.join(names)}")
    if not (given.home / "project.yaml").is_file():
        parser.error(f"{given.home} is no home: there is no project.yaml in it")
    main(given.home.resolve(), given.names)
    return 0


def main(home: Path, names: list[str]) -> None:
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"No browser found (looked for {', '.join(BROWSERS)}): install chromium.")
    # Dagster takes the project from the environment.
    os.environ[PROJECT_VARIABLE] = str(home)
    project = load(home)
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        with (Path(folder) / "web.log").open("w") as log:
            web = subprocess.Popen(web_command(port), env=dagster_environment(project), stdout=log, stderr=log)
        try:
            base = f"http://127.0.0.1:{port}"
            _wait_for(f"{base}/server_info", web)
            run = tried_again(project)
            for page in PAGES:
                if not names or page.name in names:
                    kept = _taken(browser, base + page.path.format(run=run), page, Path(folder))
                    print(f"{page.name}: {kept.stat().st_size // 1024} kB")
        finally:
            web.terminate()
            web.wait(timeout=30)


def tried_again(project: Project) -> str:
    """The id of the newest ERP run in which a step was tried again, or of the newest ERP run."""
    import dagster as dg

    from pipelines.defs.instance import instance_of

    with instance_of(project) as instance:
        runs = instance.get_runs(dg.RunsFilter(tags={"fortnight/system": "erp"}))
        for run in runs:
            if instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_RESTARTED):
                return run.run_id
    if not runs:
        raise SystemExit(f"{project.folder} has no run of the ERP. Live days first: fortnight simulate --home {project.folder}.")
    return runs[0].run_id


def _taken(browser: str, url: str, page: Page, folder: Path) -> Path:
    from PIL import Image

    raw, target = folder / f"{page.name}.png", PICTURES / f"{page.name}.png"
    size = f"--window-size={page.size[0]},{page.size[1]}"
    command = [browser, *FLAGS, size, f"--user-data-dir={folder / 'profile'}", f"--screenshot={raw}", url]
    # Statuses come late, and the first time all of the page's scripts, too: once more when it looks like a page.
    for _ in range(_LOADS):
        subprocess.run(command, capture_output=True, timeout=180, check=True)
        if raw.stat().st_size > _BLANK:
            subprocess.run(command, capture_output=True, timeout=180, check=True)
            break
    if raw.stat().st_size <= _BLANK:
        raise SystemExit(f"{page.name}: {url} stayed blank. Look at it by hand.")
    with Image.open(raw) as picture:
        small = picture.convert("RGB").resize((WIDTH, round(WIDTH * picture.height / picture.width)), Image.Resampling.LANCZOS)
        small.quantize(COLOURS).save(target, optimize=True)
    return target


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, web: subprocess.Popen[bytes]) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(480):
        try:
            opener.open(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            if web.poll() is not None:
                break
            time.sleep(0.25)
    raise SystemExit("The web server did not come up.")


if __name__ == "__main__":
    raise SystemExit(called(sys.argv[1:]))
