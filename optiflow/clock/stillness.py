"""Whether every other thread of this process waits for somebody: the question before virtual time may jump.

A *mark* of all threads is taken, then the caller lets go of the interpreter lock for a moment, then it asks
whether the process has been still since the mark.

On Linux the kernel answers, exactly. Each thread must be in state ``S``, must not have run since the mark
(``/proc/self/task/*/schedstat`` counts its nanoseconds on a CPU), and what it waits for must be another
thread, that is, the system call it is blocked in must be ``futex`` (locks, conditions, queues, futures,
joins). Why this holds on a loaded machine: a thread that was woken, or started, is *runnable* from that very
moment, whether or not it has been given a CPU; one that waits for the interpreter lock is woken when the
caller lets go of it, so it becomes runnable or has run.

A Python thread blocked in any other system call (a socket, a pipe, a file, ``time.sleep``, a child process, a
foreign event loop) waits for the real world: it counts as working. Two kinds are exempt and count only while
they run: threads that existed before the watch began (a debugger's, a test runner's), and threads that Python
does not know (thread pools of native libraries, which idle in such calls). A wait on a lock with a timeout
counts as waiting; its timeout stays real.

Elsewhere, or where ``/proc`` is masked, the process's CPU clock answers: still is what uses next to no CPU
for some milliseconds. There a starved thread may be overlooked and real I/O in threads is not seen.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Collection

# Bound here so that whoever patches these functions to find blocking calls in the application does not find
# the clock's.
from os import O_RDONLY, listdir
from os import close as _close
from os import open as _open
from os import read as _read
from time import sleep as _sleep
from typing import Protocol, TypeVar

__all__ = ["CpuWatch", "KernelWatch", "Watch", "watch_threads"]

_TASKS = "/proc/self/task"
_FUTEX = {"x86_64": b"202", "aarch64": b"98"}
_CPU_WINDOW_S = 0.003
_CPU_SHARE = 0.1

Mark = TypeVar("Mark")


class Watch(Protocol[Mark]):
    """Tells whether the threads of this process are still."""

    def mark(self) -> Mark:
        """Remember how far every thread has come."""
        ...

    def still(self, mark: Mark, parked: Collection[int]) -> bool:
        """Whether no other thread has run since ``mark`` or is about to.

        Args:
            mark: What `mark` returned.
            parked: Native ids of threads whose I/O wait is known to be a wait for virtual time.
        """
        ...


class KernelWatch:
    """Asks the Linux kernel; the calling thread itself is left out.

    Raises:
        OSError: ``/proc`` does not tell, or this processor's system calls are not known.
    """

    def __init__(self) -> None:
        futex = _FUTEX.get(platform.machine())
        me = threading.get_native_id()
        if futex is None or _task_file(me, "schedstat").split()[2:] in ([], [b"0"]):
            raise OSError("the kernel does not account for the threads of this process")
        _task_file(me, "syscall")
        self._futex = futex
        self._bystanders = {thread.native_id for thread in threading.enumerate()} - {me}

    def mark(self) -> dict[int, bytes]:
        """Time on a CPU, time in the queue and number of turns of every other thread, by native id."""
        me = threading.get_native_id()
        marks = {}
        for tid in map(int, listdir(_TASKS)):  # noqa: PTH208 (a Path is made by calls that may be patched)
            if tid != me:
                try:
                    marks[tid] = _task_file(tid, "schedstat")
                except OSError:
                    continue  # ended since it was listed
        return marks

    def still(self, mark: dict[int, bytes], parked: Collection[int]) -> bool:
        """Whether every other thread waits and none has run, begun or ended since ``mark``."""
        # The order matters: states first, then the proof that nobody ran until they had all been read.
        return all(self._waits(tid, parked) for tid in mark) and self.mark() == mark

    def _waits(self, tid: int, parked: Collection[int]) -> bool:
        try:
            state = _task_file(tid, "stat").rpartition(b")")[2].split(maxsplit=1)[0]
            call = _task_file(tid, "syscall").split(maxsplit=1)[0]
        except OSError:
            return False
        if state != b"S":
            return False
        return call == self._futex or tid in parked or tid in self._bystanders or not _is_python_thread(tid)


class CpuWatch:
    """Looks at the process's CPU clock over some milliseconds."""

    def mark(self) -> int:
        """The number of threads."""
        return threading.active_count()

    def still(self, mark: int, parked: Collection[int]) -> bool:
        """Whether the process uses next to no CPU and has as many threads as at the mark."""
        wall, cpu = time.perf_counter(), time.process_time()
        _sleep(_CPU_WINDOW_S)
        busy = (time.process_time() - cpu) / (time.perf_counter() - wall)
        return busy < _CPU_SHARE and threading.active_count() == mark


def watch_threads() -> KernelWatch | CpuWatch:
    """The exact watch where the system allows it, else the other."""
    try:
        return KernelWatch()
    except OSError:
        return CpuWatch()


def _task_file(tid: int, name: str) -> bytes:
    descriptor = _open(f"{_TASKS}/{tid}/{name}", O_RDONLY)
    try:
        return _read(descriptor, 512)
    finally:
        _close(descriptor)


def _is_python_thread(tid: int) -> bool:
    return any(thread.native_id == tid for thread in threading.enumerate())
