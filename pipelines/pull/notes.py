"""Notes that a receiver of webhooks leaves in the storage: that a system has news, or that its subscriptions ask to be renewed. Nobody reads a note's text."""

from __future__ import annotations

from typing import Literal

#: The folder in the storage of each kind of note.
Kind = Literal["notes", "renewals"]


def leave(root: str, kind: Kind, system: str, text: str) -> None:
    """``text`` must be another each time: some stores know a version by nothing but its bytes and the second of its making."""
    import obstore

    from pipelines.landing.published import open_store

    obstore.put(open_store(root), f"{kind}/{system}", text.encode())


def version(root: str, kind: Kind, system: str) -> str:
    """Another text after each ``leave``; empty where there is no note."""
    import obstore

    from pipelines.landing.published import open_store

    try:
        meta = obstore.head(open_store(root), f"{kind}/{system}")
    except FileNotFoundError:
        return ""
    return f"{meta['last_modified'].isoformat()}:{meta['size']}:{meta['e_tag'] or ''}"


def take_away(root: str, kind: Kind, system: str, seen: str) -> None:
    """Unless a newer one than ``seen`` lies there by now."""
    import obstore

    from pipelines.landing.published import open_store

    if seen and version(root, kind, system) == seen:
        obstore.delete(open_store(root), f"{kind}/{system}")
