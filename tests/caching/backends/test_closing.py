"""Closing what nobody can reach any more."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading

import pytest

from optiflow.caching.backends.closing import close_with


class _Owner:
    def __init__(self) -> None:
        self.itself = self


def test_it_is_closed_when_the_owner_is_collected() -> None:
    """Once, although the owner is a part of a cycle."""
    closed: list[str] = []
    owner = _Owner()
    close_with(owner, lambda: closed.append("closed"))
    gc.collect()
    assert closed == []
    del owner
    gc.collect()
    gc.collect()
    assert closed == ["closed"]


def test_it_is_closed_at_the_end_of_the_process() -> None:
    """Whoever still holds the owner."""
    code = (
        "from optiflow.caching.backends.closing import close_with\n"
        "class Owner: pass\n"
        "owner = Owner()\n"
        "close_with(owner, lambda: print('closed'))\n"
        "print('end')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["end", "closed"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes can't be forked here")
def test_a_forked_process_closes_nothing_of_its_parent_s() -> None:
    """The connection is the parent's, which goes on with it; both processes end with an open one."""
    code = (
        "import os\n"
        "from optiflow.caching.backends.closing import close_with\n"
        "class Owner: pass\n"
        "owner = Owner()\n"
        "close_with(owner, lambda: print('closed by', os.getpid() == parent, flush=True))\n"
        "parent = os.getpid()\n"
        "if os.fork():\n"
        "    os.wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n") == ["closed by True", ""]


def test_a_collector_in_a_thread_that_holds_a_lock_of_another_place() -> None:
    """It closes what is gone, and waits for nothing."""
    closed = threading.Event()
    lock = threading.Lock()

    def work() -> None:
        owner = _Owner()
        close_with(owner, closed.set)
        with lock:
            del owner
            gc.collect()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert closed.is_set()
