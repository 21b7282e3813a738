"""Where a pull stands: which request comes next, what a page says of the one after it, and when it is over. Sends nothing itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from connectors.errors import BrokenReply
from connectors.soap.config import SourceSpec
from connectors.soap.request import merged

State = dict[str, Any]
#: What names one row: a text, or the texts of several elements.
Handle = Any
#: So many pages without rows in a row, each with a new token, and there is nothing more to come.
_BLANK = 10
_BOOLEANS: Mapping[str, str] = {"1": "true", "0": "false"}


def number(text: str | None) -> int | None:
    """``4``, or the 4 of an arrayType such as ``tns:line[4]``."""
    found = re.fullmatch(r"(\d+)|.*\[(\d+)\]", (text or "").strip(), re.ASCII)
    return int(found.group(1) or found.group(2)) if found else None


class Pager:
    """The position within a stream. ``state`` is what another pull goes on from; ``handles`` lists them when asked for."""

    def __init__(self, spec: SourceSpec, state: Mapping[str, Any], handles: Callable[[], Sequence[Handle]], now: str | None = None) -> None:
        self._spec = spec
        self._ranges = spec.chunks.ranges() if spec.chunks else ((None, None),)
        position = state.get("position")
        # JSON has no tuples: a handle of several parts comes back as a list.
        self._position: Any = tuple(cast("list[str]", position)) if isinstance(position, list) else position
        self._print: str | None = state.get("print")
        self._chunk: int = state.get("chunk", 0)
        self._read: int = state.get("read", 0)
        self._total: int | None = None
        self._seen: set[str] = {str(self._position)}
        self._prints: set[str | None] = {self._print}
        self._blank = 0
        self._list = handles
        self._handles: list[Handle] | None = None
        self._resumed = bool(state)
        #: The instant that all pages are asked for as of; None where nobody asks for it.
        self.now = now
        self.done: bool = bool(state.get("done", False))
        self.read = 0

    @property
    def state(self) -> State:
        """JSON values from which the next request can be made again."""
        made: State = {"position": self._position, "print": self._print}
        if self.now is not None:
            made["now"] = self.now
        if self._spec.chunks:
            made["chunk"] = self._chunk
        if self._spec.paging.end is not None and self._spec.paging.end.rule == "total":
            made["read"] = self._read
        return {**made, "done": True} if self.done and self._spec.paging.kind != "none" else made

    @property
    def following(self) -> bool:
        """Whether the next request goes to the operation of further pages."""
        return self._spec.paging.more is not None and self._position is not None

    @property
    def range(self) -> tuple[str | None, str | None]:
        """The ends of the key range that is being read; None is open."""
        return self._ranges[self._chunk]

    @property
    def total(self) -> int | None:
        """How many rows the source says there are, where this pull saw all of its pages."""
        return None if self._resumed or self._spec.chunks else self._total

    def arguments(self, given: Mapping[str, Any], template: bool) -> dict[str, Any]:
        """The request's elements with the position and the size among them; for a body written by hand, as values of its places."""
        paging = self._spec.paging
        if paging.kind == "none":
            return {"size": paging.page, **given} if template else dict(given)
        at: dict[str, Any] = {paging.size or "size": paging.page} if paging.size or template else {}
        position: Any = self._position
        if paging.kind == "offset":
            position = position or 0
        elif paging.kind == "page" and position is None:
            position = paging.first
        elif paging.kind == "handles":
            position = self._asked(self._slice())
        if position is not None and (paging.request or template):
            at[paging.request or "position"] = position
        if template:
            places = {"size": paging.page, "position": position, "page": self._page}
            at = {key: value for key, value in places.items() if value is not None}
        return merged(given, at)

    @property
    def empty_ends(self) -> bool:
        """Whether a page without rows is the end. Handles of rows that went meanwhile give nothing, and the next ones may."""
        return self._spec.paging.kind != "handles"

    def unanswered(self, rows: int) -> int:
        """How many handles were asked for beyond the rows that came: rows that went meanwhile, or a server that gives fewer than it is asked for."""
        return max(0, len(self._slice()) - rows) if self._spec.paging.kind == "handles" else 0

    def took(self, rows: int, bookmark: str | None, scalars: Mapping[str, str | None] | None, fingerprint: str) -> None:
        """Go on past a page. ``scalars`` is None for a reply that only says that there is nothing.

        Raises BrokenReply for a bookmark that is missing, a page that comes again, a total that moved, and for an end where more is promised.
        """
        spec, paging = self._spec, self._spec.paging
        self.read += rows
        self._read += rows
        if scalars is not None:
            self._count(scalars)
        says = self._says(rows, scalars) if scalars is not None else None
        scalars = scalars or {}
        if not rows and self.empty_ends:
            if not self._goes_on(scalars, says):
                self._next_range()
            return
        self._blank = 0
        ended = says is True
        same = rows > 0 and fingerprint in (self._prints if paging.kind in ("page", "offset", "token") else (self._print,))
        self._print = fingerprint
        self._prints.add(fingerprint)
        if paging.by_row:
            if not bookmark:
                raise BrokenReply("soap.bookmark_missing", operation=spec.operation, source=paging.from_)
            self._position = self._new(bookmark, same)
        elif paging.kind in ("token", "query_more"):
            token = scalars.get(paging.from_)
            if not token and says is False:
                raise self._ended_early()
            ended = ended or not token
            if not ended and self._moves:
                self._position = self._new(token or "", same)
            elif not ended:
                self._position = {"token": token, "page": self._page + 1}
            if same and not ended:
                raise BrokenReply("soap.page_repeated", operation=spec.operation, paging=paging.from_)
        elif paging.kind == "handles":
            self._position = (self._slice() or [self._position])[-1]
            ended = not self._slice()
        elif paging.kind == "none":
            if says is False:
                raise self._ended_early()
            self._position, ended = "end", True
        else:
            if same:
                raise BrokenReply("soap.page_repeated", operation=spec.operation, paging=paging.request)
            self._position = (self._position or 0) + rows if paging.kind == "offset" else self._page + 1
        if ended:
            self._next_range()

    @property
    def _moves(self) -> bool:
        """Whether the token is the position itself. A search keeps one id for all of its pages."""
        return self._spec.paging.more is None or self._spec.paging.kind == "query_more"

    def _goes_on(self, scalars: Mapping[str, str | None], says: bool | None) -> bool:
        """Whether there is more behind a page without rows: a server that filters after it cut its pages gives a new token with it."""
        paging = self._spec.paging
        token = scalars.get(paging.from_) if paging.kind in ("token", "query_more") else None
        if token and says is not True and self._moves and token not in self._seen and self._blank < _BLANK:
            self._blank += 1
            self._position = self._new(token, same=False)
            return True
        if says is False:
            raise self._ended_early()
        return False

    def _ended_early(self) -> BrokenReply:
        end = self._spec.paging.end
        return BrokenReply("soap.ended_early", operation=self._spec.operation, path=end.path if end else "-", read=self._read)

    @property
    def _page(self) -> int:
        """The number of the page that is asked for next."""
        if isinstance(self._position, Mapping):
            return int(self._position["page"])  # pyright: ignore[reportUnknownArgumentType]  # our own state
        return self._position if self._spec.paging.kind == "page" and isinstance(self._position, int) else self._spec.paging.first

    def _new(self, position: str, same: bool) -> str:
        if position in self._seen or same:
            raise BrokenReply(
                "soap.page_repeated", operation=self._spec.operation, paging=self._spec.paging.request or self._spec.paging.from_
            )
        self._seen.add(position)
        return position

    def _slice(self) -> list[Handle]:
        if self._handles is None:
            self._handles = sorted(set(self._list()))
        after = [one for one in self._handles if self._position is None or one > self._position]
        return after[: self._spec.paging.page]

    def _asked(self, handles: list[Handle]) -> list[Any]:
        """The handles as a request has them: one text each, or an element of several parts."""
        listing = self._spec.paging.handles
        parts = listing.parts if listing else ()
        return [dict(zip(parts, one, strict=True)) for one in handles] if parts else list(handles)

    def _says(self, rows: int, scalars: Mapping[str, str | None]) -> bool | None:
        """Whether a page says that it is the last: False where it says that more follows, None where it does not say."""
        end = self._spec.paging.end
        if end is None:
            return None
        if end.rule == "short":
            return True if rows < self._spec.paging.page else None
        said = scalars.get(end.path)
        if end.rule == "flag":
            # XSD part 2 §3.2.2: 1 and 0 are written for true and false too.
            return end.value in (said, _BOOLEANS.get(said)) if said else None
        count = number(said)
        if count is None and not rows:
            return None
        if count is None:
            raise BrokenReply("soap.count_unreadable", operation=self._spec.operation, path=end.path, text=(said or "-")[:40])
        return (self._page - self._spec.paging.first + 1 if end.rule == "pages" else self._read) >= count

    def _count(self, scalars: Mapping[str, str | None]) -> None:
        if self._spec.total is None:
            return
        said = number(scalars.get(self._spec.total))
        if said is None:
            raise BrokenReply(
                "soap.count_unreadable",
                operation=self._spec.operation,
                path=self._spec.total,
                text=(scalars.get(self._spec.total) or "-")[:40],
            )
        if self._total is not None and said != self._total and not self._spec.chunks:
            raise BrokenReply("soap.total_moved", operation=self._spec.operation, before=self._total, now=said)
        self._total = said
        if self.read > said and not self._spec.chunks and not self._spec.paging.distinct and not self._resumed:
            # Nothing that comes after it makes this right: a server that gives its pages again and again would be read for ever.
            raise BrokenReply("soap.total_differs", operation=self._spec.operation, said=said, came=self.read)

    def _next_range(self) -> None:
        if self._chunk + 1 < len(self._ranges):
            self._chunk += 1
            self._position, self._print, self._read = None, None, 0
            self._seen, self._prints = {"None"}, {None}
        else:
            self.done = True
