"""Tests of finding what blocks the event loop."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import sqlite3
import sys
import threading
import time
from _thread import LockType
from collections.abc import Iterator
from pathlib import Path

import blockbuster
import pytest

from optiflow import log
from optiflow.monitor import blocking
from optiflow.monitor.blocking import COMPUTING, BlockingReport, detect_blocking

WATCHED = (io.TextIOWrapper, io.BufferedReader, socket.socket, sqlite3.Cursor, sqlite3.Connection, LockType)


def lines_of(report: BlockingReport) -> set[tuple[str, str]]:
    """Calls and functions, without what the test runner itself does on the loop."""
    return {
        (place.call, place.place.function.rpartition(".")[2]) for place in report.places if place.place.file == __file__
    }


def state() -> list[object]:
    """Everything that watching exchanges."""
    return [
        time.sleep,
        os.stat,
        os.path.abspath,
        asyncio.events.Handle._run,
        # What forbiddenfruit keeps for itself under names of its own is no part of what anybody calls.
        *({name: each for name, each in vars(owner).items() if not name.startswith("_c_")} for owner in WATCHED),
        [thread for thread in threading.enumerate() if "watchdog" in thread.name],
    ]


@pytest.fixture(autouse=True)
def _left_as_it_was() -> Iterator[None]:
    before = state()
    yield
    assert state() == before


async def test_waiting_calls_are_named_and_let_through(tmp_path: Path) -> None:
    """Sleeping and files on the loop are named by call and line, counted, and do what they did."""
    file = tmp_path / "file"

    def nap() -> None:
        time.sleep(0.001)

    with detect_blocking() as monitor:
        nap()
        nap()
        file.write_text("text", encoding="utf-8")
    report = monitor.report()
    assert file.read_text(encoding="utf-8") == "text"
    assert ("time.sleep", "nap") in lines_of(report)
    nap_place = next(place for place in report.places if place.call == "time.sleep")
    assert nap_place.count == 2
    assert nap_place.place.line == nap.__code__.co_firstlineno + 1
    assert str(nap_place).endswith("nap (time.sleep)")
    assert ("io.TextIOWrapper.write", "test_waiting_calls_are_named_and_let_through") in lines_of(report)
    assert report.calls >= 3


async def test_threads_and_awaiting_are_no_blocking(tmp_path: Path) -> None:
    """What waits in a thread, or asynchronously, blocks nobody."""
    with detect_blocking() as monitor:
        await asyncio.to_thread(time.sleep, 0.001)
        await asyncio.sleep(0.001)
        io.StringIO().write("memory")
        threading.Lock().acquire()
    assert lines_of(monitor.report()) == set()


def test_without_a_loop_nothing_is_noted() -> None:
    """A program without an event loop can't block one."""
    with detect_blocking() as monitor:
        time.sleep(0.001)
    assert monitor.report() == BlockingReport((), 0.0)


async def test_what_blockbuster_exempts_is_exempt() -> None:
    """Starting a thread waits for it shortly, which blockbuster knows to be harmless."""
    with detect_blocking() as monitor:
        thread = threading.Thread(target=int)
        thread.start()
    thread.join()
    assert lines_of(monitor.report()) == set()


async def test_logging_to_a_file_and_imports_are_not_noted(tmp_path: Path) -> None:
    """OptiFlow's log may be a file; modules may be imported on the loop."""
    (tmp_path / "imported_on_the_loop.py").write_text("value = 1\n", encoding="utf-8")
    sys.path.insert(0, str(tmp_path))
    try:
        with (tmp_path / "log").open("w", encoding="utf-8") as stream:
            log.configure("INFO", stream)
            with detect_blocking() as monitor:
                log.get_logger("room").info("line")
                __import__("imported_on_the_loop")
            log.configure()
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("imported_on_the_loop")
    assert lines_of(monitor.report()) == set()


def test_computing_is_named_by_the_line_it_was_at() -> None:
    """A callback that computes for longer than the threshold is named by the line it was seen at."""

    async def compute() -> None:
        end = time.perf_counter() + 0.1
        while time.perf_counter() < end:
            pass

    async def main() -> None:
        await asyncio.create_task(compute())

    with detect_blocking(threshold_s=0.05) as monitor:
        asyncio.run(main())
    report = monitor.report()
    assert (COMPUTING, "compute") in lines_of(report)
    assert report.longest_block_s >= 0.1


def test_computing_that_cannot_be_looked_at_is_named_by_its_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the watchdog does not get to look, the coroutine is named by where it begins."""
    monkeypatch.setattr("optiflow.monitor.blocking._Detector._look", lambda _self: None)

    async def compute() -> None:
        sum(range(200_000))

    async def main() -> None:
        await asyncio.create_task(compute())

    with detect_blocking(threshold_s=0.0005) as monitor:
        asyncio.run(main())
    computing = [place for place in monitor.report().places if place.place.function.endswith("compute")]
    assert [(place.call, place.place.line) for place in computing] == [(COMPUTING, compute.__code__.co_firstlineno)]


def test_a_long_waiting_call_is_noted_once() -> None:
    """A sleep that is also a long callback is one case of blocking, not two."""

    async def nap() -> None:
        time.sleep(0.1)

    async def main() -> None:
        await asyncio.create_task(nap())

    with detect_blocking(threshold_s=0.04) as monitor:
        asyncio.run(main())
    assert lines_of(monitor.report()) == {("time.sleep", "nap")}
    assert monitor.report().longest_block_s >= 0.1


def test_a_long_import_is_no_blocking(tmp_path: Path) -> None:
    """A callback that was seen importing is left out."""
    (tmp_path / "slow_to_import.py").write_text(
        "import time\nend = time.perf_counter() + 0.1\nwhile time.perf_counter() < end: pass\n",
        encoding="utf-8",
    )

    async def main() -> None:
        sys.path.insert(0, str(tmp_path))
        asyncio.get_running_loop().call_soon(__import__, "slow_to_import")
        await asyncio.sleep(0.01)

    try:
        with detect_blocking(threshold_s=0.05) as monitor:
            asyncio.run(main())
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("slow_to_import")
    assert not [place for place in monitor.report().places if place.call == COMPUTING]


async def test_overlapping_watches_have_their_own_accounts() -> None:
    """Watches may begin and end in any order; the last one to end leaves everything as it was."""
    first, second = detect_blocking(), detect_blocking()
    one = first.__enter__()
    time.sleep(0)
    two = second.__enter__()
    time.sleep(0)
    first.__exit__(None, None, None)
    time.sleep(0)
    second.__exit__(None, None, None)
    time.sleep(0)
    counts = [
        sum(place.count for place in monitor.report().places if place.call == "time.sleep") for monitor in (one, two)
    ]
    assert counts == [2, 2]


async def test_an_exception_ends_the_watch() -> None:
    """Whatever leaves the block, everything is as it was; the fixture looks."""
    with pytest.raises(ZeroDivisionError), detect_blocking():
        raise ZeroDivisionError


async def test_a_failed_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """If blockbuster can't be installed, nothing stays installed, and the next watch works."""

    def fail(_self: object) -> None:
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr(blockbuster.BlockBuster, "activate", fail)
        with pytest.raises(OSError, match="no"), detect_blocking():
            pytest.fail("not reached")
    with detect_blocking() as monitor:
        time.sleep(0)
    assert monitor.report().calls >= 1


def test_standing_in_line_for_a_processor_is_not_blocking(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the thread waited for a processor is taken off the time that its callback held the loop."""
    looks = 0

    def queued(_native: int) -> float:
        nonlocal looks
        looks += 1
        return 100.0 * looks

    monkeypatch.setattr(blocking, "queued_s", queued)

    async def hold() -> None:
        start = time.perf_counter()
        while looks < 3 or time.perf_counter() < start + 0.15:
            time.perf_counter()

    with detect_blocking(threshold_s=0.1) as monitor:
        asyncio.run(hold())
    assert monitor.report().calls == 0


def test_the_system_tells_how_long_a_thread_stood_in_line() -> None:
    """Never negative, and nothing for a thread that does not exist."""
    assert blocking.queued_s(threading.get_native_id()) >= 0
    assert blocking.queued_s(2**30) == 0
