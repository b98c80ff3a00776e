"""The store of idle connections: each connection is in one place, and only ever where it fits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.connections.idle import MOST_PER_KEY, IdleConnections, Key, finish


class Connection:
    """Open until it is closed, once."""

    def __init__(self, shape: int) -> None:
        self.shape = shape
        self.is_open = True


class Pool:
    """A client's pool of connections of one shape."""

    def __init__(self, shape: int = 0) -> None:
        self.key = Key(None, shape)
        self.own: list[Connection] = []
        self.is_shut = False

    @staticmethod
    def is_usable(connection: Connection) -> bool:
        """Whether it is open."""
        return connection.is_open

    @staticmethod
    def close_idle(connection: Connection) -> None:
        """Close it, for the first time."""
        assert connection.is_open
        connection.is_open = False

    def take_back(self, connection: Connection) -> bool:
        """Keep it, unless closed."""
        if not self.is_shut:
            self.own.append(connection)
        return not self.is_shut


@given(st.lists(st.tuples(st.sampled_from(["request", "finish", "shut"]), st.integers(0, 5))))
def test_a_connection_serves_one_client_at_a_time_and_only_its_shape(steps: list[tuple[str, int]]) -> None:
    """Whatever six clients of three shapes do; at the end what is open is where it was last used."""
    idle = IdleConnections()
    pools = [Pool(number % 3) for number in range(6)]
    used: dict[int, list[Connection]] = {number: [] for number in range(6)}
    last: dict[Connection, Pool] = {}
    idle.begin()
    for step, number in steps:
        pool = pools[number]
        if step == "request":
            connection, foreign = idle.borrow(pool.key, pool, 60)
            assert connection is None or foreign == (last[connection] is not pool)
            connection = connection or Connection(pool.key.shape)  # type: ignore[arg-type]
            assert connection.is_open
            assert connection.shape == pool.key.shape
            assert not any(connection in busy for busy in used.values())
            used[number].append(connection)
            last[connection] = pool
        elif step == "finish" and used[number]:
            assert idle.lend(pool.key, used[number].pop(), pool)
        elif step == "shut":
            pool.is_shut = True
    idle.end(keep=False)
    busy = {connection for each in used.values() for connection in each}
    for connection, pool in last.items():
        if connection not in busy:
            assert connection.is_open == (connection in pool.own) == (not pool.is_shut)


def test_no_more_than_enough_wait() -> None:
    """A pool keeps what is too much."""
    idle, pool = IdleConnections(), Pool()
    idle.begin()
    assert all(idle.lend(pool.key, Connection(0), pool) for _ in range(MOST_PER_KEY))
    assert not idle.lend(pool.key, Connection(0), pool)


def test_a_forked_process_starts_with_none_and_closes_none() -> None:
    """They are the parent's."""
    idle, pool, connection = IdleConnections(), Pool(), Connection(0)
    idle.begin()
    assert idle.lend(pool.key, connection, pool)
    idle.forget()
    assert idle.borrow(pool.key, pool, 60) == (None, False)
    assert connection.is_open


def test_what_belongs_to_a_closed_loop_is_dropped() -> None:
    """Nothing can be done for it any more."""
    idle, pool, connection = IdleConnections(), Pool(), Connection(0)
    loop = asyncio.new_event_loop()
    idle.begin()
    idle.lend(Key(loop, 0), connection, pool)
    loop.close()
    idle.end(keep=False)
    assert (connection.is_open, pool.own) == (True, [])


async def test_a_coroutine_is_finished_unless_it_waits() -> None:
    """Giving way is passed over; waiting for something ends it."""
    seen: list[Any] = []

    async def polite() -> None:
        await asyncio.sleep(0)
        seen.append("done")

    async def waiting() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            seen.append("ended")

    finish(polite())
    finish(waiting())
    assert seen == ["done", "ended"]


async def test_a_failure_is_raised() -> None:
    """What closing raises is not kept from the caller."""

    async def failing() -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        finish(failing())


def test_nothing_is_lent_where_no_run_would_settle_it() -> None:
    """A task that outlives its run keeps what it leaves idle in its client's own pool."""
    idle, pool = IdleConnections(), Pool()
    idle.begin()
    idle.end(keep=False)
    assert not idle.lend(pool.key, Connection(0), pool)


def test_close_of_event_loops_is_watched_while_something_waits() -> None:
    """And not any longer."""
    plain = asyncio.SelectorEventLoop.close
    loop = asyncio.new_event_loop()
    key, pool = Key(loop, 0), Pool()
    settles: list[Callable[[IdleConnections], object]] = [
        lambda idle: idle.borrow(key, pool, 60),
        lambda idle: idle.take_all(loop),
        lambda idle: idle.end(keep=False),
    ]
    for settle in settles:
        idle = IdleConnections()
        idle.begin()
        assert idle.lend(key, Connection(0), pool)
        assert asyncio.SelectorEventLoop.close is not plain
        settle(idle)
        assert asyncio.SelectorEventLoop.close is plain
    loop.close()
