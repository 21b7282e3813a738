"""Numbers that processes of one machine share: what is kept is read again whole, however long it was before."""

from __future__ import annotations

import os
import signal
import tempfile
from multiprocessing import get_context
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from connectors.shared_state import SharedState, put


class Words(msgspec.Struct):
    said: str = ""


def kept(folder: Path) -> str:
    with SharedState(Words, folder, "words").changing() as words:
        return words.said


@given(said=st.lists(st.text(st.characters(codec="utf-8"), max_size=40).map(lambda word: word * 17), min_size=1, max_size=6))
def test_what_was_said_last_is_all_that_is_kept(said: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for one in said:
            with SharedState(Words, folder, "words").changing() as words:
                words.said = one
            assert kept(folder) == one
        assert {path.suffix for path in folder.iterdir()} <= {".json", ".lock"}


def test_what_is_the_same_as_before_is_not_written_again(tmp_path: Path) -> None:
    for _ in range(2):
        with SharedState(Words, tmp_path, "words").changing() as words:
            words.said = "同じ"
        os.utime(tmp_path / "words.json", ns=(1, 1))
    with SharedState(Words, tmp_path, "words").changing() as words:
        words.said = "同じ"
    assert (tmp_path / "words.json").stat().st_mtime_ns == 1


def _count_on(file: Path) -> None:
    number = 0
    while True:
        number += 1
        put(file, msgspec.json.encode({"first": number, "between": "x" * 200, "last": number}))


def test_who_is_killed_while_it_writes_leaves_one_state_or_the_other(tmp_path: Path) -> None:
    file, spawn = tmp_path / "numbers.json", get_context("fork")
    for _ in range(40):
        writer = spawn.Process(target=_count_on, args=(file,))
        writer.start()
        while not file.exists():
            pass
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        found = msgspec.json.decode(file.read_bytes())
        assert found["first"] == found["last"]
