"""What a run saves, queued and written by whoever comes first."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from queue import SimpleQueue
from typing import Any

import pytest

from optiflow.checkpoints import backlog
from optiflow.checkpoints.backlog import LONGEST, Backlog, BatchSaver
from optiflow.checkpoints.busy import busy, is_busy
from optiflow.checkpoints.statements import Chain, Request
from optiflow.checkpoints.together import Outcome


class Noting(BatchSaver):
    """Writes down what it is given, once it may; what is called bad it cannot write, what is odd it cannot encode."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.may = threading.Event()
        self.threads: set[int] = set()
        self.times_settled = 0
        self.backlogs = set()

    def settled(self) -> None:
        """Count."""
        self.times_settled += 1

    def _encode_put(self, config: Any, checkpoint: Any, metadata: Any, versions: Any, chain: Any) -> Any:
        if checkpoint == "odd":
            raise TypeError(checkpoint)
        return None, Request([("execute", checkpoint, None)], False, None, chain)

    def _encode_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> Request:
        return Request([("execute", writes, None)], False, None)

    def write_all(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """Note who wrote what."""
        assert self.may.wait(10)
        self.threads.add(threading.get_ident())
        names = [request.statements[0][1] if request.statements else "" for request in requests]
        self.groups.append([name for name, request in zip(names, requests, strict=True) if not request.refused])
        if "fatal" in names:
            raise OSError("all of it")
        if "exit" in names:
            raise SystemExit
        return [
            request.ended(request.refused or (ValueError(name) if name == "bad" else None))
            for request, name in zip(requests, names, strict=True)
        ]


def put(queue: Backlog, saver: Noting, chain: Chain, name: str, *, now: bool = False) -> Future[None]:
    """Save a checkpoint of a name."""
    return queue.add(saver.next_put(chain, {}, name, {}, {}), is_checkpoint=True, now=now)


def put_writes(queue: Backlog, saver: Noting) -> Future[None]:
    """Save writes."""
    return queue.add(saver.next_writes({}, "writes", "task"), is_checkpoint=False)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is written before somebody asks for it; in the end, somebody does."""
    bells: list[SimpleQueue[None]] = []

    def bell() -> SimpleQueue[None]:
        bells.append(SimpleQueue())
        return bells[-1]

    monkeypatch.setattr(backlog, "getswitchinterval", lambda: 3600.0)
    monkeypatch.setattr(backlog, "SimpleQueue", bell)
    yield
    # A thread of a pool that still waits would be waited for when the interpreter exits.
    for each in bells:
        each.put(None)


def threads() -> int:
    """How many threads write checkpoints."""
    return sum(each.name.startswith("checkpoints") for each in threading.enumerate())


def test_what_nobody_waits_for_is_written_together() -> None:
    """In its order, by a thread of its own, when the interpreter would have given it a turn."""
    saver, chain = Noting(), Chain()
    queue = Backlog(saver)
    futures = [
        put(queue, saver, chain, "first"),
        put_writes(queue, saver),
        put(queue, saver, chain, "second"),
    ]
    saver.may.set()
    assert [future.result(10) for future in futures] == [None] * 3
    assert [name for group in saver.groups for name in group] == ["first", "writes", "second"]
    assert threading.get_ident() not in saver.threads
    queue.leave(wait=True)


def test_no_thread_outlives_its_run() -> None:
    """It writes what is left, and is gone; after the last run the saver is told that none is under way."""
    saver, chain = Noting(), Chain()
    saver.may.set()
    first, second = Backlog(saver), Backlog(saver)
    put(first, saver, chain, "first").result(10)
    put(second, saver, chain, "second").result(10)
    assert threads() == 2
    first.leave(wait=True)
    assert (threads(), saver.times_settled) == (1, 0)
    third = put(second, saver, chain, "third")
    second.leave(wait=True)
    assert third.done()
    assert (threads(), saver.times_settled) == (0, 1)
    assert saver.backlogs == set()


def test_a_thread_that_waits_does_not_wait_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector may close a run just when somebody begins to wait for what it saved, and holds its locks."""
    saver, chain = Noting(), Chain()
    queue = Backlog(saver)
    future = put(queue, saver, chain, "first")
    waiting: list[bool] = []

    def collected(futures: Any) -> None:
        with future._condition:
            saver.may.set()
            queue.settle()
            queue.leave(wait=False)
            waiting.append(is_busy())

    monkeypatch.setattr(backlog, "wait", collected)
    saver.settle()
    assert waiting == [True]
    assert future.result(10) is None


def test_a_finalizer_leaves_without_waiting() -> None:
    """The thread is about to end, and still writes what it was given."""
    saver, chain = Noting(), Chain()
    queue = Backlog(saver)
    future = put(queue, saver, chain, "first")
    (thread,) = (each for each in threading.enumerate() if each.name.startswith("checkpoints"))
    queue.leave(wait=False)
    assert not future.done()
    assert thread.is_alive()
    assert saver.backlogs == {queue}
    saver.may.set()
    saver.settle()
    assert future.done()
    thread.join(10)
    assert not thread.is_alive()
    assert saver.backlogs == set()
    assert saver.times_settled == 0


@pytest.mark.parametrize("name", ["bad", "odd", "fatal"])
def test_no_checkpoint_is_written_after_one_that_was_not(name: str, patient: None) -> None:
    """It fails with the same error, whether that came of encoding, of writing or of the saver; writes are their own."""
    saver, chain = Noting(), Chain()
    saver.may.set()
    queue = Backlog(saver)
    futures = [put(queue, saver, chain, name), put(queue, saver, chain, "later")]
    queue.settle()
    futures.append(put(queue, saver, chain, "late"))
    writes = put_writes(queue, saver)
    queue.settle()
    failures = [future.exception(10) for future in futures]
    assert failures[0] is failures[1] is failures[2] is not None
    assert writes.exception(10) is None
    assert not any("late" in group for group in saver.groups)


def test_what_is_no_mere_exception_is_not_shared(patient: None) -> None:
    """Whoever meets it alone gets it; the others are written."""
    saver = Noting()
    saver.may.set()
    queue = Backlog(saver)
    futures = [put(queue, saver, Chain(), name) for name in ("one", "exit", "other")]
    queue.settle()
    assert [type(future.exception(10)) for future in futures] == [type(None), SystemExit, type(None)]
    assert saver.groups == [["one", "exit", "other"], ["one"], ["exit"], ["other"]]


def test_for_whoever_waits_it_is_written_at_once(patient: None) -> None:
    """All that came before, too."""
    saver, chain = Noting(), Chain()
    saver.may.set()
    queue = Backlog(saver)
    first = put(queue, saver, chain, "first")
    assert not first.done()
    put(queue, saver, chain, "second", now=True).result(10)
    assert first.done()
    assert saver.groups == [["first", "second"]]
    queue.settle()
    assert len(saver.groups) == 1


def test_a_backlog_does_not_grow_long(patient: None) -> None:
    """Whoever adds one checkpoint too many waits for them all."""
    saver, chain = Noting(), Chain()
    saver.may.set()
    queue = Backlog(saver)
    futures = [put(queue, saver, chain, str(number)) for number in range(LONGEST + 1)]
    assert [future.done() for future in futures] == [True] * LONGEST + [False]
    queue.settle()
    assert [len(group) for group in saver.groups] == [LONGEST, 1]


def test_a_thread_that_is_writing_waits_for_nobody(patient: None) -> None:
    """Neither for what it adds, nor for what others did."""
    saver, chain = Noting(), Chain()
    queue = Backlog(saver)
    with busy:
        futures = [put(queue, saver, chain, str(number)) for number in range(LONGEST)]
        queue.settle()
    assert not any(future.done() for future in futures)
    saver.may.set()
    queue.settle()
    assert all(future.done() for future in futures)


@pytest.mark.parametrize("nested", [False, True])
def test_where_there_can_be_no_thread_it_is_written_here(nested: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or by whoever is writing already, if this thread is."""

    def no_more(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    saver, chain = Noting(), Chain()
    saver.may.set()
    queue = Backlog(saver)
    with monkeypatch.context() as patched, busy if nested else nullcontext():
        patched.setattr(threading.Thread, "start", no_more)
        future = put(queue, saver, chain, "here")
    assert future.done() is not nested
    queue.settle()
    assert saver.groups == [["here"]]


def test_a_run_that_was_left_by_another_thread_saves_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that was closed meanwhile is replaced."""
    saver, chain = Noting(), Chain()
    saver.may.set()
    queue = Backlog(saver)
    submit = ThreadPoolExecutor.submit
    closed: list[ThreadPoolExecutor] = []

    def submit_late(self: ThreadPoolExecutor, *args: Any) -> Any:
        if not closed:
            closed.append(self)
            pool, queue._pool = queue._pool, None
            assert pool is self
            pool.shutdown()
        return submit(self, *args)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit_late)
    put(queue, saver, chain, "kept").result(10)
    assert queue._pool not in (None, *closed)
    queue.leave(wait=True)


def test_a_signal_between_two_steps_loses_nothing(patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was added, and nobody was told to write, is written when somebody asks."""

    def interrupted(self: ThreadPoolExecutor, *args: Any) -> Any:
        raise KeyboardInterrupt

    saver, chain = Noting(), Chain()
    saver.may.set()
    queue = Backlog(saver)
    with monkeypatch.context() as patched:
        patched.setattr(ThreadPoolExecutor, "submit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            put(queue, saver, chain, "first")
    queue.settle()
    assert saver.groups == [["first"]]


def test_a_forked_process_leaves_the_rest_to_its_parent(patient: None) -> None:
    """What waits there is not written twice, nobody waits for it, and what comes later is written."""
    saver, chain = Noting(), Chain()
    queue = Backlog(saver)
    future = put(queue, saver, chain, "parent's")
    queue.forget()
    assert future.cancelled()
    saver.may.set()
    queue.settle()
    put(queue, saver, chain, "child's", now=True).result(10)
    assert saver.groups == [["child's"]]
