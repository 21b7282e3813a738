"""All accounts of an index's systems, put in order once per reading, so that one person among thousands is found without looking at the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipelines.serving.callers.identity import Directory, Person, known_by, link, person_id, proven

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.serving.callers.tokens import Caller


@dataclass(frozen=True)
class Accounts:
    """``table`` has the columns that ``identity.link`` reads. What is found is what ``link`` and ``proven`` find over the whole table."""

    table: pa.Table

    def of(self, caller: Caller) -> Person:
        """Who a proven caller is. An app without a person is nobody here."""
        return self.proven(caller.user) if caller.user else self.linked(caller.mail)

    def linked(self, who: str) -> Person:
        """See ``identity.link``."""
        return link(who, self._rows(self._around(who)))

    def proven(self, user: str) -> Person:
        """See ``identity.proven``."""
        own = self._of_principal.get(user, [])
        logins: list[str | None] = self.table["login"].take(own).to_pylist() if own else []
        return proven(user, self._rows(set(own).union(*(self._around(login or "") for login in logins))))

    def _around(self, who: str) -> set[int]:
        """The rows that name this address, and all others of the same accounts: another stream may know one as closed."""
        named = {at for by in (self._of_login, self._of_other) for at in by.get(person_id(who), [])}
        principals: set[str] = set(self.table["principal"].take(sorted(named)).to_pylist()) if named else set()
        return {at for one in principals for at in self._of_principal[one]}

    def _rows(self, wanted: set[int]) -> pa.Table:
        """In the table's order: where two rows say different things, the first is asked."""
        import pyarrow as pa

        return self.table.take(pa.array(sorted(wanted), pa.int64()))

    @cached_property
    def _of_login(self) -> dict[str, list[int]]:
        return self._by(lambda account: person_id(account["login"] or ""))

    @cached_property
    def _of_other(self) -> dict[str, list[int]]:
        return self._by(known_by)

    @cached_property
    def _of_principal(self) -> dict[str, list[int]]:
        return self._by(lambda account: account["principal"])

    def _by(self, name: Callable[[dict[str, Any]], str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        rows: Iterable[dict[str, Any]] = self.table.select(["login", "mail", "principal"]).to_pylist()
        for at, account in enumerate(rows):
            found.setdefault(name(account), []).append(at)
        return found


def accounts_of(found: Sequence[Directory]) -> Accounts:
    """The accounts of all these directories."""
    import pyarrow as pa

    return Accounts(pa.concat_tables([each.accounts for each in found if each.accounts.num_rows]).combine_chunks())
