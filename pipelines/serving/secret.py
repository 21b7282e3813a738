"""Keys of the service's own that lie in the project's home, made at first use."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from connectors.errors import FixConfiguration


def secret_file(path: Path) -> bytes:
    """32 random bytes kept at ``path``, made at first use and readable by their owner alone. Raises FixConfiguration where others may read them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
    kept = path.read_bytes()
    if path.stat().st_mode & 0o077 or len(kept) != 32:
        raise FixConfiguration("serving.key_unfit", path=str(path))
    return kept
