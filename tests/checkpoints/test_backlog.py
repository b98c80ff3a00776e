"""What a run saves, queued and written by whoever comes first."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from optiflow.checkpoints.backlog import LONGEST, Backlog, BatchSaver
from optiflow.checkpoints.statements import Chain, Request
from optiflow.checkpoints.together import Outcome


class Noting(BatchSaver):
    """Writes down what it is given, once it may; what is called bad it cannot write, what is odd it cannot encode."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.may = threading.Event()
        self.threads: set[int] = set()

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
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes but those who have to."""
    monkeypatch.setattr(Backlog, "_run", lambda self: None)


def test_what_nobody_waits_for_is_written_together() -> None:
    """In its order, by a thread of its own, when the interpreter would have given it a turn."""
    saver, chain = Noting(), Chain()
    queue = Backlog(saver)
    queue.enter()
    futures = [
        put(queue, saver, chain, "first"),
        put_writes(queue, saver),
        put(queue, saver, chain, "second"),
    ]
    saver.may.set()
    assert [future.result(10) for future in futures] == [None] * 3
    assert [name for group in saver.groups for name in group] == ["first", "writes", "second"]
    assert threading.get_ident() not in saver.threads
    queue.leave()


def test_no_thread_outlives_the_last_run() -> None:
    """It waits with the runs that use it, writes what is left, and is gone."""
    saver, chain = Noting(), Chain()
    saver.may.set()
    queue = Backlog(saver)
    queue.enter()
    put(queue, saver, chain, "first").result(10)
    queue.enter()
    queue.leave()
    assert [each.name for each in threading.enumerate()].count("checkpoints") == 1
    second = put(queue, saver, chain, "second")
    queue.leave()
    assert second.done()
    assert "checkpoints" not in [each.name for each in threading.enumerate()]
    queue.enter()
    put(queue, saver, chain, "third").result(10)
    queue.leave()
    assert saver.groups[-1] == ["third"]
    assert "checkpoints" not in [each.name for each in threading.enumerate()]


@pytest.mark.parametrize("name", ["bad", "odd", "fatal"])
def test_no_checkpoint_is_written_after_one_that_was_not(name: str, never: None) -> None:
    """It fails with the same error, whether that came of encoding, of writing or of the saver; writes are their own."""
    saver, chain = Noting(), Chain()
    saver.may.set()
    queue = Backlog(saver)
    futures = [put(queue, saver, chain, name), put(queue, saver, chain, "later")]
    queue.write()
    futures.append(put(queue, saver, chain, "late"))
    writes = put_writes(queue, saver)
    queue.write()
    failures = [future.exception(10) for future in futures]
    assert failures[0] is failures[1] is failures[2] is not None
    assert writes.exception(10) is None
    assert not any("late" in group for group in saver.groups)


def test_whoever_waits_writes_at_once(never: None) -> None:
    """All that came before, too, in its own thread."""
    saver, chain = Noting(), Chain()
    saver.may.set()
    queue = Backlog(saver)
    first = put(queue, saver, chain, "first")
    assert not first.done()
    assert put(queue, saver, chain, "second", now=True).done()
    assert first.done()
    assert saver.groups == [["first", "second"]]
    assert saver.threads == {threading.get_ident()}
    queue.write()
    assert len(saver.groups) == 1


def test_a_backlog_does_not_grow_long(never: None) -> None:
    """Whoever adds one checkpoint too many writes them all."""
    saver, chain = Noting(), Chain()
    saver.may.set()
    queue = Backlog(saver)
    futures = [put(queue, saver, chain, str(number)) for number in range(LONGEST + 1)]
    assert [future.done() for future in futures] == [True] * LONGEST + [False]
    queue.write()
    assert [len(group) for group in saver.groups] == [LONGEST, 1]
