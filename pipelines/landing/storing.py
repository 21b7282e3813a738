"""What disk or object store refuse, as one error that says so in their own words."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator

from connectors.errors import FixConfiguration


@contextlib.contextmanager
def storing(root: str) -> Generator[None]:
    """Turns what disk or object store refuse (full, read only, gone, no rights) into FixConfiguration with the system's own words."""
    try:
        yield
    except OSError as error:
        raise FixConfiguration("landing.disk", root=root, reason=error.strerror or _plain(str(error))) from error
    except _library_errors() as error:
        # The libraries wrap what the system said; anything else they raise is a bug of ours and keeps its traceback. What a store refuses for
        # want of rights or a valid login, they put into words of its own.
        said = re.search(r"([^:]+ \(os error \d+\))|(Generic \w+ error: .+)|(The operation lacked .+)", str(error))
        if said is None:
            raise
        raise FixConfiguration("landing.disk", root=root, reason=said[0].strip()) from error


def _library_errors() -> tuple[type[Exception], ...]:
    from deltalake.exceptions import DeltaError
    from obstore.exceptions import BaseError

    return DeltaError, BaseError


def _plain(text: str) -> str:
    """One line without the colours that Delta's library puts into what a store said."""
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", text).split())
