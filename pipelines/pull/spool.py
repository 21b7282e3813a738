"""Where a pull keeps rows between reading and landing: a folder of its own beside the project, gone when the pull is."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

from pipelines.landing.storing import storing


@contextlib.contextmanager
def spool(home: Path, stream: str) -> Generator[Path]:
    """A fresh folder for one pull of a stream, readable by its owner alone: it holds source data in clear.

    What a killed pull of the same stream left behind goes first; the stream's lock is held by then, so it is nobody's.
    Raises FixConfiguration when the folder cannot be made.
    """
    base = home / "spool" / stream.replace("/", "__")
    with storing(str(base)):
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir(parents=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(base, ignore_errors=True)
