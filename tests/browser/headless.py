"""Headless Chromium, one page at a time."""

from __future__ import annotations

import html
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from docs.photograph import FLAGS

SIZE = "--window-size=1600,1100"


@dataclass(frozen=True)
class Browser:
    """Headless Chromium with a profile of its own; what it saw stays in ``folder``."""

    binary: str
    base: str
    folder: Path

    def text(self, path: str, until: str) -> str:
        """The page as rendered, without tags, spaces folded. It is loaded again, a few times, while ``until`` is not there: statuses come late."""
        text = ""
        for _ in range(4):
            dom = self._run(path, "--dump-dom")
            bare = re.sub(r"<(script|style)\b.*?</\1>", " ", dom, flags=re.DOTALL)
            text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", bare)).split())
            if until in text:
                break
        return text

    def picture(self, path: str, name: str) -> Path:
        target = self.folder / f"{name}.png"
        self._run(path, f"--screenshot={target}")
        return target

    def _run(self, path: str, what: str) -> str:
        command = [self.binary, *FLAGS, SIZE, f"--user-data-dir={self.folder / 'profile'}", what, self.base + path]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
