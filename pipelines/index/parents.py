"""Rows that are parts of another row (a record's comments) as documents beside it: under its title, its rights, and only while it lives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from connectors.access import UNRESOLVED
from connectors.keys import key_text
from connectors.protocol import SCOPE
from pipelines.index.documents import top_column

if TYPE_CHECKING:
    import pyarrow as pa

#: The column that a part's rows get: the title of the row it is a part of.
ABOVE = "_above"


def under_parents(
    rows: pa.Table, key: Sequence[str], parents: pa.Table, title: str, restricted: Mapping[str, str], label: str
) -> tuple[pa.Table, tuple[str, ...]]:
    """The rows whose parent lives, with its title in ``_above``; and the keys of the others, which belong to nothing that a reader could open.

    ``key`` names the columns with the parent's key, ``title`` the parent's column, ``label`` what stands before the part's own title. The
    parent's title is left away where fewer may read it than the parent. A part whose scope is not its parent's of today was read before the parent's rights changed: it is unresolved, which is nobody.
    The row hash covers the title, so that a build that looks for changes sees a new one.
    """
    import pyarrow as pa

    shown = title if title in parents.schema.names and title not in {top_column(name) for name in restricted} else None
    wanted = ["_key", SCOPE, *([shown] if shown else [])]
    known = {str(row["_key"]): (str(row[shown] or "") if shown else "", row[SCOPE]) for row in parents.select(wanted).to_pylist()}
    of = [key_text(values) for values in zip(*(rows[name].to_pylist() for name in key), strict=True)]
    here = [at for at, parent in enumerate(of) if parent in known]
    orphans = tuple(str(rows["_key"][at].as_py()) for at, parent in enumerate(of) if parent not in known)
    rows = rows.take(pa.array(here, pa.int64()))
    above = [known[of[at]] for at in here]
    scopes = [own if own == scope else UNRESOLVED for own, (_, scope) in zip(rows[SCOPE].to_pylist(), above, strict=True)]
    hashes = [_mixed(own, text) for own, (text, _) in zip(rows["_row_hash"].to_pylist(), above, strict=True)]
    for name, values in ((SCOPE, scopes), ("_row_hash", hashes), (ABOVE, [" / ".join(filter(None, (text, label))) for text, _ in above])):
        column = pa.array(values, pa.string())
        at = rows.schema.get_field_index(name)
        rows = rows.append_column(name, column) if at < 0 else rows.set_column(at, name, column)
    return rows, orphans


def _mixed(row_hash: str | None, title: str) -> str | None:
    return hashlib.sha256(f"{row_hash}\n{title}".encode()).hexdigest() if row_hash and title else row_hash
