"""Whether the threads of the process are still."""

from __future__ import annotations

import os
import platform
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from optiflow.clock import stillness
from optiflow.clock.stillness import CpuWatch, KernelWatch, watch_threads

linux = pytest.mark.skipif(platform.system() != "Linux", reason="asks the Linux kernel")


@contextmanager
def blocked_in(block: Callable[[], object], release: Callable[[], object]) -> Iterator[int]:
    """A thread that is inside a blocking call, by native id."""
    thread = threading.Thread(target=block)
    thread.start()
    assert thread.native_id is not None
    stat = Path(f"/proc/self/task/{thread.native_id}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "S":
        os.sched_yield()
    time.sleep(0.02)
    try:
        yield thread.native_id
    finally:
        release()
        thread.join()


def look(watch: KernelWatch, parked: tuple[int, ...] = ()) -> bool:
    """Mark, let go of the interpreter lock, look."""
    mark = watch.mark()
    time.sleep(0.001)
    return watch.still(mark, parked)


def comes_to_rest(watch: KernelWatch, parked: tuple[int, ...] = ()) -> bool:
    """Whether it is still at some look; not necessarily the first, as threads of earlier tests may just be ending."""
    return any(look(watch, parked) for _ in range(200))


def stays_awake(watch: KernelWatch) -> bool:
    """Whether it is still at no look."""
    return not any(look(watch) for _ in range(20))


@linux
class TestKernelWatch:
    def test_alone_is_still(self):
        """With no other thread there is nobody to wait for."""
        assert comes_to_rest(KernelWatch())

    def test_waiting_for_a_lock_is_still(self):
        """A thread that waits for another thread is no reason to wait, with a timeout or without."""
        watch, event = KernelWatch(), threading.Event()
        with blocked_in(event.wait, event.set), blocked_in(lambda: event.wait(60), event.set):
            assert comes_to_rest(watch)

    def test_computing_is_not_still(self):
        """A thread that computes is always seen, whether or not it has the interpreter lock at the moment."""
        watch, done = KernelWatch(), threading.Event()

        def compute() -> None:
            while not done.is_set():
                sum(range(1000))

        thread = threading.Thread(target=compute)
        thread.start()
        try:
            assert stays_awake(watch)
        finally:
            done.set()
            thread.join()

    def test_a_thread_woken_since_the_mark_is_not_still(self):
        """A thread that ran for a moment between the two looks gives itself away."""
        watch = KernelWatch()
        ping, pong, over = threading.Semaphore(0), threading.Semaphore(0), threading.Event()

        def answer() -> None:
            while not over.is_set():
                ping.acquire()
                pong.release()

        with blocked_in(answer, lambda: (over.set(), ping.release())):
            mark = watch.mark()
            ping.release()
            pong.acquire()
            time.sleep(0.01)
            assert not watch.still(mark, ())
            assert comes_to_rest(watch)

    def test_io_is_not_still_unless_parked(self):
        """A thread in a socket waits for the real world, unless its wait is known to be for virtual time."""
        watch = KernelWatch()
        ours, theirs = socket.socketpair()
        with ours, theirs, blocked_in(lambda: ours.recv(1), lambda: theirs.send(b"x")) as tid:
            assert stays_awake(watch)
            assert comes_to_rest(watch, parked=(tid,))

    def test_a_real_sleep_is_not_still(self):
        """time.sleep of foreign code takes its real time."""
        watch = KernelWatch()
        with blocked_in(lambda: time.sleep(0.5), lambda: None):
            assert stays_awake(watch)

    def test_threads_from_before_do_not_hold_it_up(self):
        """A debugger's or test runner's thread that idles in I/O is left out."""
        ours, theirs = socket.socketpair()
        with ours, theirs, blocked_in(lambda: ours.recv(1), lambda: theirs.send(b"x")):
            assert comes_to_rest(KernelWatch())

    def test_a_thread_that_ended_or_began_is_not_still(self):
        """The set of threads must be the same at both looks."""
        watch, event = KernelWatch(), threading.Event()
        mark = watch.mark()
        with blocked_in(event.wait, event.set):
            assert not watch.still(mark, ())
            mark = watch.mark()
        assert not watch.still(mark, ())

    def test_a_thread_may_end_while_it_is_looked_at(self, monkeypatch):
        """A thread that ends between listing and reading is skipped in a mark and not still in a look."""
        watch = KernelWatch()
        monkeypatch.setattr(stillness, "listdir", lambda path: [str(threading.get_native_id()), "999999999"])
        assert watch.mark() == {}
        assert not watch.still({999999999: b""}, ())

    def test_an_unknown_processor_is_refused(self, monkeypatch):
        """Without knowing the system call of locks the kernel's answer can't be read."""
        monkeypatch.setattr(platform, "machine", lambda: "vax")
        with pytest.raises(OSError, match="does not account"):
            KernelWatch()
        assert isinstance(watch_threads(), CpuWatch)

    def test_it_is_the_watch_of_choice(self):
        """Where the kernel answers, it is asked."""
        assert isinstance(watch_threads(), KernelWatch)


class TestCpuWatch:
    def test_idle_is_still(self):
        """A process that uses no CPU for some milliseconds is still."""
        watch = CpuWatch()
        assert any(watch.still(watch.mark(), ()) for _ in range(50))

    def test_another_number_of_threads_is_not_still(self):
        """A thread begun since the mark is seen."""
        assert not CpuWatch().still(threading.active_count() + 1, ())

    def test_computing_is_not_still(self):
        """A busy thread shows on the process's CPU clock."""
        watch, done = CpuWatch(), threading.Event()

        def compute() -> None:
            while not done.is_set():
                sum(range(1000))

        thread = threading.Thread(target=compute)
        thread.start()
        try:
            assert not all(watch.still(watch.mark(), ()) for _ in range(10))
        finally:
            done.set()
            thread.join()
