"""Waking threads and tasks from any thread."""

from __future__ import annotations

import asyncio
import threading

from optiflow.limits.bells import LoopBell, ThreadBell


def test_a_thread_is_woken() -> None:
    """By another one; a bell that was cleared is waited for anew."""
    bell = ThreadBell()
    ringer = threading.Thread(target=bell.ring)
    ringer.start()
    bell.wait(30)
    ringer.join()
    bell.clear()
    bell.wait(0.001)


async def test_a_task_is_woken() -> None:
    """By another thread; or when its time is up."""
    bell = LoopBell()
    ringer = threading.Thread(target=bell.ring)
    ringer.start()
    await bell.wait(30)
    ringer.join()
    bell.clear()
    await bell.wait(0.001)


def test_a_task_of_a_closed_loop_is_not_woken() -> None:
    """Whoever rings is told."""

    async def make() -> LoopBell:
        return LoopBell()

    assert not asyncio.run(make()).ring()
