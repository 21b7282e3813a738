"""Clients that others wrote, at pinned versions: installed once a machine, run against the sandbox by measures and by tests/independent."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
_PINNED = ("package.json", "package-lock.json")


class PeerMissing(RuntimeError):
    """Node or npm is not installed, or npm could not install what is pinned."""


def node_modules(pinned: Path = HERE) -> Path:
    """The folder of the packages that ``pinned``'s lock file names, by its hashes; kept between runs. Raises PeerMissing."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise PeerMissing(f"{program} is not installed")
    lock = hashlib.sha256((pinned / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or tempfile.gettempdir()) / f"fortnight-peers-{os.getuid()}"
    folder = cache / lock
    if folder.exists():
        return folder / "node_modules"
    cache.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f"{lock}-", dir=cache))
    try:
        for name in _PINNED:
            shutil.copy(pinned / name, made / name)
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=made,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode:
            raise PeerMissing(f"npm could not install {pinned.name}/package-lock.json: {done.stderr.strip()[-300:]}")
        made.rename(folder)
    except OSError:
        # Another process was quicker: its folder holds the same.
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder / "node_modules"


def environment(modules: Path, **more: str) -> dict[str, str]:
    """The variables for a script of this folder, or a command of the packages, against a sandbox on this machine."""
    proxies = {name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")}
    return {**{name: value for name, value in os.environ.items() if name not in proxies}, "NODE_PATH": str(modules), **more}


def kintone_export(modules: Path, app: str, *options: str) -> list[str]:
    """The command line of ``cli-kintone record export``; BASE_URL and TOKEN go as KINTONE_BASE_URL and KINTONE_API_TOKEN."""
    return ["node", str(modules / "@kintone" / "cli" / "cli.js"), "record", "export", "--app", app, *options]


def run(line: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """What a script of this folder printed. Raises RuntimeError with what it said when it failed."""
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-500:] or f"exit {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
