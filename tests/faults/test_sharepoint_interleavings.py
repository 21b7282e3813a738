"""Any interleaving of what people do in a SharePoint site with pulls of it, whole, killed, overtaken and resynced, ends with items and access equal to the source.

A life of a site is a list of stretches. After each, a quiet pull must leave exactly the site's items under their paths, and show nobody
more than the site does; two hours and a reading of the roster later, everybody finds exactly what the site lets them find.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conformance.live import ORIGIN
from houses import without_rules
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sharepoint_house import Facts, House, RefusedError, Site, Target, house, target
from soaking import rounds

from infra.sandbox.company.people import PEOPLE
from pipelines.landing.warehouse import Warehouse
from pipelines.pull.outcome import Progress, Result

STRETCHES = 4
#: What may end a pull that the source overtakes; it is then run again.
OVERTAKEN = frozenset({"pull.unbalanced"})
#: Whom rights are given to: people, a guest among them, Entra groups, everybody, and the site's own groups.
GUEST = next(one.key for one in PEOPLE if one.guest)
LOGINS = ("kenta.suzuki", "misaki.sato", "hiroto.hayashi", "emma.wilson", GUEST)
GROUPS = ("engineering-all", "support-desk", "managers")
WHO = (*LOGINS, *GROUPS, "eeeu", "everyone", "閲覧者", "メンバー")
ROLES = ("read", "edit", "full", "limited", "listing")
LIBRARIES = ("文書", "控え")


class Killed(BaseException):
    """The process is gone; nobody catches this."""


# --- what may happen --------------------------------------------------------------------------------------------------------

_pick = st.integers(0, 1_000)
_yes = st.booleans()
_content = st.one_of(
    st.tuples(st.just("create"), _pick, st.sampled_from(["file", "file", "folder", "package", "row", "page"])),
    st.tuples(st.just("edit"), _pick),
    st.tuples(st.just("rename"), _pick),
    st.tuples(st.just("move"), _pick, _pick),
    st.tuples(st.just("move"), _pick, _pick),
    st.tuples(st.just("delete"), _pick, _yes),
    st.tuples(st.just("restore"), _pick, _yes),
    st.tuples(st.just("restore"), _pick, _yes),
    st.tuples(st.just("restore"), _pick, _yes),
)
_rights = st.one_of(
    st.tuples(st.just("share"), _pick, st.sampled_from(["anonymous", "organization", "users", "existingAccess"]), _pick, _yes),
    st.tuples(st.just("unshare"), _pick),
    st.tuples(st.just("grant"), _pick, st.sampled_from(WHO), st.sampled_from(ROLES)),
    st.tuples(st.just("revoke"), _pick, st.sampled_from(WHO)),
    st.tuples(st.just("break_inheritance"), _pick, _yes),
    st.tuples(st.just("restore_inheritance"), _pick),
)
#: What no feed of items names, or names without saying it.
_above = st.one_of(
    st.tuples(st.just("redeem"), _pick, st.sampled_from(LOGINS)),
    st.tuples(st.just("grant_list"), _pick, st.sampled_from(WHO), st.sampled_from(ROLES)),
    st.tuples(st.just("revoke_list"), _pick, st.sampled_from(WHO)),
    st.tuples(st.just("grant_site"), st.sampled_from(WHO), st.sampled_from(ROLES)),
    st.tuples(st.just("restore_list"), _pick),
    st.tuples(st.just("site_group"), st.sampled_from(["所有者", "閲覧者", "メンバー"]), st.sampled_from(WHO[:-2]), _yes),
    st.tuples(st.just("membership"), st.sampled_from(GROUPS), st.sampled_from(LOGINS), _yes),
    st.tuples(st.just("draft"), _pick, _yes),
    st.tuples(st.just("check_out"), _pick, _yes),
    st.tuples(st.just("own_items"), _pick, _yes),
)
_doings = st.one_of(_content, _content, _rights, _rights, _above)
_time = st.tuples(st.just("minutes"), st.sampled_from([1, 10, 59, 61]))
_pulls = st.one_of(
    st.tuples(st.just("pull"), _pick),
    st.tuples(st.just("pull_full"), _pick),
    st.tuples(st.just("pull_killed"), _pick, st.integers(1, 9)),
    st.tuples(st.just("pull_overtaken"), _pick, st.integers(1, 16), _doings),
    st.tuples(st.just("expire_tokens")),
    st.tuples(st.just("roster")),
)
_steps = st.one_of(_doings, _doings, _doings, _doings, _doings, _time, _pulls, _pulls)
_stretches = st.lists(st.lists(_steps, min_size=3, max_size=12), min_size=STRETCHES, max_size=STRETCHES)


# --- one life ---------------------------------------------------------------------------------------------------------------


@dataclass
class Life:
    """A site, what was pulled of it, and what the test must remember of both."""

    site: Site
    target: Target
    number: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    #: By unique id of the shared item, who was named in a link of it or opened one.
    linked: dict[str, set[str]] = field(default_factory=dict)
    #: Files that were never checked in, by unique id.
    checked_out: set[str] = field(default_factory=set)
    #: The company's groups as they were before this life touched them.
    members: dict[str, list[str]] = field(default_factory=dict)
    #: Something was done since the last whole check that a pull within the hour need not see.
    untold: bool = False
    done: int = 0

    @property
    def house(self) -> House:
        return self.site.house

    def lived(self, stretch: list[tuple[Any, ...]]) -> None:
        for step in stretch:
            getattr(self, step[0])(*step[1:])
        self.checked()

    # What people do with content.

    def create(self, pick: int, kind: str) -> None:
        number = next(self.number)
        if kind in ("row", "page"):
            where, name = ("記録", f"件名{number}") if kind == "row" else ("サイトのページ", f"頁{number}.aspx")
        else:
            where, name = self._folder(pick), f"新規{number}" + (".html" if kind == "file" else "")
        self._do("create", path=f"{where}/{name}" if "/" in where else f"{self.site.lists.get(where, where)}/{name}", kind=kind)

    def edit(self, pick: int) -> None:
        if (item := self._item(pick)) and item["kind"] != "folder":
            fields = {"Title": f"改{next(self.number)}"} if item["kind"] == "row" else {}
            self._do("edit", item=item["unique_id"], text=f"第{next(self.number)}稿です。", fields=fields)

    def rename(self, pick: int) -> None:
        if (item := self._item(pick)) and item["kind"] not in ("row", "page"):
            ending = ".html" if item["kind"] == "file" else ""
            self._do("rename", item=item["unique_id"], name=f"改名{next(self.number)}{ending}")

    def move(self, pick: int, to: int) -> None:
        if item := self._item(pick, libraries=True):
            self._do("move", item=item["unique_id"], to=self._folder(to))

    def delete(self, pick: int, alone: bool) -> None:
        """``alone``: the feed names a folder and nothing that lies in it."""
        if item := self._item(pick):
            self._do("delete", item=item["unique_id"], alone=alone)

    def restore(self, pick: int, alone: bool) -> None:
        if binned := self.site.binned():
            self._do("restore", item=binned[pick % len(binned)]["id"], alone=alone)

    # What people do with rights.

    def share(self, pick: int, scope: str, who: int, ends: bool) -> None:
        if item := self._item(pick):
            logins = [LOGINS[who % len(LOGINS)]] if scope == "users" else []
            expires = {"expires": (self.house.clock.now() + timedelta(minutes=30)).isoformat()} if ends else {}
            if self._do("share", item=item["unique_id"], scope=scope, logins=logins, **expires):
                self._holds(item, *logins)

    def unshare(self, pick: int) -> None:
        if item := self._item(pick):
            self._do("unshare", item=item["unique_id"])

    def redeem(self, pick: int, login: str) -> None:
        if (item := self._item(pick)) and self._do("redeem", item=item["unique_id"], login=login):
            self._holds(item, login)
            self.untold = True

    def grant(self, pick: int, who: str, role: str) -> None:
        if item := self._item(pick):
            self._do("grant", item=item["unique_id"], who=who, role=role)

    def revoke(self, pick: int, who: str) -> None:
        if item := self._item(pick):
            self._do("revoke", item=item["unique_id"], who=who)

    def break_inheritance(self, pick: int, copy: bool) -> None:
        if item := self._item(pick):
            self._do("break_inheritance", item=item["unique_id"], copy=copy)

    def restore_inheritance(self, pick: int) -> None:
        # Of what has rights of its own, so that the step is seldom refused.
        own = [one for one in self.site.items() if one["unique"]]
        if own:
            self._do("restore_inheritance", item=own[pick % len(own)]["unique_id"])

    def grant_list(self, pick: int, who: str, role: str) -> None:
        self.untold |= self._do("grant", list=self._list(pick), who=who, role=role)

    def revoke_list(self, pick: int, who: str) -> None:
        self.untold |= self._do("revoke", list=self._list(pick), who=who)

    def restore_list(self, pick: int) -> None:
        self.untold |= self._do("restore_inheritance", list=self._list(pick))

    def grant_site(self, who: str, role: str) -> None:
        self.untold |= self._do("grant", site=self.site.key, who=who, role=role)

    def site_group(self, group: str, who: str, come: bool) -> None:
        self.untold |= self._do("site_group", site=self.site.key, group=group, **{"add" if come else "remove": [who]})

    def membership(self, group: str, login: str, come: bool) -> None:
        self.members.setdefault(group, self.house.control("membership", group=group)["members"])
        self.untold |= self._do("membership", group=group, **{"add" if come else "remove": [login]})

    # What an administrator sets.

    def draft(self, pick: int, published: bool) -> None:
        if (item := self._item(pick)) and item["kind"] == "file":
            self.untold |= self._do("draft", item=item["unique_id"], published=published)

    def check_out(self, pick: int, in_: bool) -> None:
        if (item := self._item(pick)) and item["kind"] == "file":
            self._do("check_out", item=item["unique_id"], **{"in": in_})
            (self.checked_out.discard if in_ else self.checked_out.add)(item["unique_id"])

    def own_items(self, pick: int, only: bool) -> None:
        self.untold |= self._do("read_security", list=self._list(pick), value=2 if only else 1)

    # Time, and what a feed does.

    def minutes(self, count: int) -> None:
        self.house.later(minutes=count)

    def expire_tokens(self) -> None:
        self.house.control("expire_tokens")

    # Pulls.

    def pull(self, pick: int) -> None:
        self._pulled(self._stream(pick))

    def pull_full(self, pick: int) -> None:
        self._pulled(self._stream(pick), full=True)

    def roster(self) -> None:
        if any(self.target.published(stream) for stream in self.target.streams):
            self.target.roster()

    def pull_killed(self, pick: int, after: int) -> None:
        """The process dies at its so-many-th step forward, and what ``finally`` would do is not done."""
        stream, left = self._stream(pick), itertools.count(after, -1)

        def dying(_: Progress) -> None:
            if next(left) <= 1:
                Warehouse.discard_unpublished = gone  # type: ignore[method-assign]
                raise Killed

        def gone(*_: Any) -> Any:
            raise Killed

        before, kept = self.target.published(stream), Warehouse.discard_unpublished
        try:
            self._succeeded(self.target.pull(stream, report=dying))
        except Killed:
            assert self.target.published(stream) == before, "a pull that died shows nothing"
            self.target.reconnect()
        finally:
            Warehouse.discard_unpublished = kept  # type: ignore[method-assign]

    def pull_overtaken(self, pick: int, request: int, step: tuple[Any, ...]) -> None:
        """Somebody does something between two requests of the pull."""
        stream = self._stream(pick)
        before = self.target.published(stream)
        self.house.during(request, lambda: getattr(self, step[0])(*step[1:]))
        result = self.target.pull(stream)
        if self.house.quiet():
            # What was read before it is as old as the moment: the next pull need not read it anew.
            self.untold = True
        if result.error is not None:
            assert result.error.code in OVERTAKEN, f"{result.error.code}: {result.error}"
            assert result.published is None and self.target.published(stream) == before

    def _pulled(self, stream: str, **request: Any) -> None:
        result = self.target.pull(stream, **request)
        if result.error is not None and result.error.code == "pull.vanished":
            result = self.target.pull(stream, accept_gone=True, **request)
        self._succeeded(result)

    def _succeeded(self, result: Result) -> None:
        assert result.error is None, f"{result.error.code}: {result.error}"

    # What must be true.

    def checked(self) -> None:
        self._shows_the_items()
        if not self.untold:
            held = self.site.readers()
            for stream, key, ours, item in self._asked():
                # Pages have no feed: a right on a single one is seen with the next reading of rights.
                if self.target.source(stream)["kind"] != "pages":
                    assert ours <= held[item["unique_id"]], f"{stream} {key} is shown to {sorted(ours - held[item['unique_id']])}"
        self.house.later(hours=2)
        self._shows_the_items()
        self.target.roster()
        held = self.site.readers()
        for stream, key, ours, item in self._asked():
            theirs = held[item["unique_id"]]
            assert ours <= theirs, f"{stream} {key} {item['path']} is shown to {sorted(ours - theirs)}"
            kept_out = theirs - ours - self._explained(item)
            assert not kept_out, f"{stream} {key} {item['path']} is kept from {sorted(kept_out)}"
        self.untold = False

    def _shows_the_items(self) -> None:
        for stream in self.target.streams:
            self._pulled(stream)
            rows, wanted = self.target.rows(stream), self.target.wanted(stream)
            assert rows.keys() == wanted.keys(), f"lost {sorted(wanted.keys() - rows.keys())}, kept {sorted(rows.keys() - wanted.keys())}"
            for key, row in rows.items():
                assert self._shown(stream, row) == self._true(stream, wanted[key]), (stream, key)

    def _shown(self, stream: str, row: Facts) -> Facts:
        kept = {"etag": row["_source_version"]}
        if self.target.source(stream)["kind"] == "library":
            kept |= {"path": row["path"], "name": row["name"], "size": row["size"], "hash": row["quick_xor_hash"] or ""}
        return kept

    def _true(self, stream: str, item: Facts) -> Facts:
        kept = {"etag": item["etag"]}
        if self.target.source(stream)["kind"] == "library":
            path = "/" + item["path"].partition("/")[2]
            kept |= {"path": path, "name": path.rpartition("/")[2], "size": item["size"], "hash": item["quick_xor"]}
        return kept

    def _asked(self) -> Iterator[tuple[str, str, frozenset[str], Facts]]:
        for stream, rows in self.target.readers().items():
            wanted = self.target.wanted(stream)
            for key, ours in rows.items():
                yield stream, key, ours, wanted[key]

    def _explained(self, item: Facts) -> set[str]:
        """Whom a rule of ours keeps out: a link lets nobody find anything, and what was never checked in is nobody's."""
        found = set(self.linked.get(item["scope"], ()))
        return found | {one.login for one in PEOPLE} if item["unique_id"] in self.checked_out else found

    # What picks mean.

    def _do(self, verb: str, **body: Any) -> bool:
        """Whether it was done: a name may be taken, an item gone."""
        with suppress(RefusedError):
            self.house.control(verb, **body)
            self.done += 1
            return True
        return False

    def _item(self, pick: int, *, libraries: bool = False) -> Facts | None:
        """A third of the picks mean a folder: what is done to one moves all below it."""
        items = [one for one in self.site.items() if not libraries or one["list"] in LIBRARIES]
        folders = [one for one in items if one["kind"] == "folder"]
        pool, pick = (folders, pick // 3) if folders and pick % 3 == 0 else (items, pick)
        return pool[pick % len(pool)] if pool else None

    def _folder(self, pick: int) -> str:
        """A folder of either library, the roots among them, as verbs name it."""
        roots = [self.site.lists[title] for title in LIBRARIES]
        below = [f"{one['list_id']}/{one['path'].partition('/')[2]}" for one in self.site.items() if one["kind"] == "folder"]
        return (roots + below)[pick % (len(roots) + len(below))]

    def _list(self, pick: int) -> str:
        return sorted(self.site.lists.items())[pick % len(self.site.lists)][1]

    def _stream(self, pick: int) -> str:
        return self.target.streams[pick % len(self.target.streams)]

    def _holds(self, item: Facts, *logins: str) -> None:
        held = self.linked.setdefault(item["unique_id"], set())
        held.update(one.login for one in PEOPLE if one.key in logins)

    def ended(self) -> None:
        """What was done to the company's groups is undone; the site is nobody else's."""
        self.house.quiet()
        for group, before in self.members.items():
            now = self.house.control("membership", group=group)["members"]
            come, gone = [one for one in before if one not in now], [one for one in now if one not in before]
            self.house.control("membership", group=group, add=come, remove=gone)
        self.target.close()


# --- the tests --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Path]]:
    folder = tmp_path_factory.mktemp("interleaved")
    with house(folder / "house", ORIGIN) as made, without_rules():
        yield made, folder


def lives(home: tuple[House, Path], examples: int) -> tuple[int, int]:
    """So many lives. Returns how many stretches ended as they must, and how many doings took place in them."""
    ended, done = itertools.count(), 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(stretches=_stretches)
    def one_life(stretches: list[list[tuple[Any, ...]]]) -> None:
        nonlocal done
        made, folder = home
        site = made.site()
        own = Path(tempfile.mkdtemp(dir=folder))
        life = Life(site, target(own, site))
        try:
            for stretch in stretches:
                life.lived(stretch)
                next(ended)
        finally:
            life.ended()
            done += life.done
            shutil.rmtree(own, ignore_errors=True)

    one_life()
    return next(ended), done


def test_interleavings_of_people_and_pulls_end_with_items_and_access_equal_to_the_source(home: tuple[House, Path]) -> None:
    stretches, doings = lives(home, 5)
    assert stretches >= 5 * STRETCHES and doings >= stretches


@pytest.mark.soak
def test_a_thousand_lives_of_people_and_pulls_end_with_items_and_access_equal_to_the_source(home: tuple[House, Path]) -> None:
    stretches, doings = lives(home, rounds(1_000))
    assert stretches >= rounds(1_000) * STRETCHES and doings >= stretches
