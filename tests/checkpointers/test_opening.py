"""Checkpointers by address, each on its real service: what they are good for, and what is said when they are not."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
import redis
from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import BASE_CAPABILITIES
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from optiflow.checkpointers import open_checkpointer, postgres, sqlite
from optiflow.checkpointers.redis import RedisSaver
from optiflow.clock import VirtualClock
from optiflow.errors import ConfigurationError

Plain = Callable[[], AbstractContextManager[BaseCheckpointSaver[Any]]]


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Plain]:
    """The address of a checkpointer, and plain LangGraph's way to the same place."""
    if request.param == "sqlite":
        file = tmp_path / "runs.db"
        return f"sqlite:///{file}", lambda: SqliteSaver.from_conn_string(str(file))
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        return url, lambda: PostgresSaver.from_conn_string(url)
    server, prefix = request.getfixturevalue("redis_url"), request.getfixturevalue("redis_prefix")
    return f"{server}?prefix={prefix}", lambda: closing(RedisSaver.from_url(server, prefix=prefix))


class State(TypedDict, total=False):
    said: Annotated[list[str], lambda old, new: [*old, *new]]


def _config(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread}}


def _graph(checkpointer: Any) -> Any:
    """Sync and async nodes, one of which runs a graph synchronously on the event loop."""
    inner = StateGraph(State).add_node("inside", lambda state: {"said": ["inside"]}).add_edge(START, "inside")
    called = inner.compile(checkpointer=True)

    def sync(state: State) -> State:
        return {"said": ["sync"]}

    async def calls(state: State) -> State:
        called.invoke({"said": []})
        return {"said": ["async"]}

    builder = StateGraph(State).add_node("sync", sync).add_node("calls", calls)
    return builder.add_edge(START, "sync").add_edge("sync", "calls").compile(checkpointer=checkpointer)


def _simple(checkpointer: Any) -> Any:
    builder = StateGraph(State).add_node("sync", lambda state: {"said": ["sync"]}).add_edge(START, "sync")
    return builder.compile(checkpointer=checkpointer)


def test_words() -> None:
    """A fresh one in memory, or none at all."""
    with open_checkpointer("memory") as one, open_checkpointer("memory") as other:
        assert isinstance(one, InMemorySaver)
        assert one is not other
    with open_checkpointer("none") as nothing:
        assert nothing is False
    _said_of("mysql://me:s3cret@host/db", "workflow.checkpointer: unknown scheme 'mysql'")


async def test_langgraphs_own_tests_of_savers(service: tuple[str, Plain]) -> None:
    """What runs need is there asynchronously."""

    @checkpointer_test(name="opened")
    async def factory() -> AsyncIterator[Any]:
        with open_checkpointer(service[0]) as saver:
            yield saver

    report = await validate(factory, capabilities={capability.value for capability in BASE_CAPABILITIES})
    assert [result.failures for result in report.results.values() if result.failures] == []
    assert report.passed_all_base()


def test_runs_of_both_kinds_leave_what_they_leave_in_memory(service: tuple[str, Plain]) -> None:
    """Synchronous and asynchronous, on two event loops, one of them of virtual time; plain savers read it all."""

    def runs(saver: Any) -> list[Any]:
        clock = VirtualClock()
        before = clock.time()
        clock.run(_graph(saver).ainvoke({"said": []}, _config("virtual")))
        asyncio.run(_graph(saver).ainvoke({"said": []}, _config("real")))
        _simple(saver).invoke({"said": []}, _config("sync"))
        # Nothing was waited for, so nothing may have been jumped over.
        assert clock.time() - before < 3600
        return _kept(saver)

    address, plain = service
    with open_checkpointer("memory") as memory:
        expected = runs(memory)
    with open_checkpointer(address) as saver:
        assert runs(saver) == expected
    with plain() as another:
        assert _kept(another) == expected


def _kept(saver: Any) -> list[Any]:
    return [
        (thread, each.checkpoint["channel_values"].get("said"), each.metadata["step"], len(each.pending_writes))
        for thread in ("virtual", "real", "sync")
        for each in saver.list(_config(thread))
        if each.config["configurable"]["checkpoint_ns"] == ""
    ]


async def test_values_that_are_kept_as_differences(service: tuple[str, Plain]) -> None:
    """A DeltaChannel is put together again from the writes before it, synchronously and asynchronously."""

    class Deltas(TypedDict, total=False):
        said: Annotated[list[str], DeltaChannel(lambda old, writes: [*old, *(each for new in writes for each in new)])]
        count: int

    builder = StateGraph(Deltas)
    builder.add_node("n", lambda state: {"said": [str(state["count"])], "count": state["count"] + 1})
    builder.add_conditional_edges("n", lambda state: "n" if state["count"] < 5 else "__end__")
    builder.add_edge(START, "n")
    with open_checkpointer(service[0]) as saver:
        graph = builder.compile(checkpointer=saver)
        for thread, output in (
            ("sync", graph.invoke({"count": 0}, _config("sync"))),
            ("async", await graph.ainvoke({"count": 0}, _config("async"))),
        ):
            assert output == {"said": ["0", "1", "2", "3", "4"], "count": 5}
            assert graph.get_state(_config(thread)).values == output
            assert (await graph.aget_state(_config(thread))).values == output
        assert (await graph.ainvoke({"count": 4}, _config("async")))["said"][-2:] == ["4", "4"]
        if isinstance(saver, RedisSaver | PostgresSaver):
            with pytest.raises(NotImplementedError, match="DeltaChannel"):
                saver.prune(["sync"])


def test_virtual_time_passes_at_once(service: tuple[str, Plain]) -> None:
    """A connection that waits for nothing holds nothing up: an hour of sleep between two checkpoints is short."""

    async def sleeps(state: State) -> State:
        await asyncio.sleep(3600)
        return {"said": ["slept"]}

    builder = StateGraph(State).add_node("one", sleeps).add_node("two", sleeps)
    builder.add_edge(START, "one").add_edge("one", "two")
    clock = VirtualClock()
    with open_checkpointer(service[0]) as saver:
        start = clock.time()
        clock.run(builder.compile(checkpointer=saver).ainvoke({"said": []}, _config("t")))
        assert 7200 <= clock.time() - start < 7300


async def test_what_is_under_way_is_ended_before_it_is_closed(service: tuple[str, Plain]) -> None:
    """A run that is interrupted leaves no thread that writes on."""
    with open_checkpointer(service[0]) as saver:
        assert isinstance(saver, BaseCheckpointSaver)
        asking = [asyncio.create_task(saver.aget_tuple(_config("t"))) for _ in range(20)]
        await asyncio.sleep(0)
    done = await asyncio.gather(*asking, return_exceptions=True)
    assert all(each is None or isinstance(each, asyncio.CancelledError | RuntimeError) for each in done)


_TOGETHER = """
    import os, sys
    from langgraph.graph import START, StateGraph
    from langgraph.checkpoint.postgres import PostgresSaver
    from langgraph.checkpoint.sqlite import SqliteSaver
    from optiflow.checkpointers import open_checkpointer

    address, count = sys.argv[1], int(sys.argv[2])
    gate, opened = os.pipe()
    children = []
    for number in range(count):
        child = os.fork()
        if not child:
            os.close(opened)
            os.read(gate, 1)
            try:
                with open_checkpointer(address) as saver:
                    builder = StateGraph(dict).add_node("n", lambda state: {"n": state["n"] + 1})
                    builder.add_conditional_edges("n", lambda state: "n" if state["n"] < 9 else "__end__")
                    graph = builder.add_edge(START, "n").compile(checkpointer=saver)
                    config = {"configurable": {"thread_id": str(number)}}
                    assert graph.invoke({"n": 0}, config) == {"n": 9}
                    assert graph.get_state(config).metadata["step"] == 9
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(1)
            os._exit(0)
        children.append(child)
    os.close(opened)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.mark.parametrize("service", ["sqlite", "postgres"], indirect=True)
def test_many_processes_begin_at_once(service: tuple[str, Plain]) -> None:
    """All create the tables, none fails, and each finds its own history afterwards."""
    script = [sys.executable, "-c", textwrap.dedent(_TOGETHER), service[0], "8"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    with service[1]() as saver:
        assert [len(list(saver.list(_config(str(number))))) for number in range(8)] == [11] * 8


def _said_of(address: str, *said: str) -> None:
    """Opening fails with one line that says this, and nothing that is secret."""
    with pytest.raises(ConfigurationError) as raised, open_checkpointer(address):
        pass
    text = str(raised.value)
    for part in said:
        assert part in text
    assert "s3cret" not in text
    assert "\n" not in text


class TestSqlite:
    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        """It is not made: the name may be misspelt."""
        _said_of(f"sqlite:///{tmp_path}/no/runs.db", f"there is no folder '{tmp_path}/no'", "create it")
        assert not (tmp_path / "no").exists()

    def test_what_can_not_be_written(self, tmp_path: Path) -> None:
        """A folder, a folder of the system, another file."""
        (tmp_path / "text").write_text("This is no database, but some other file of a certain length." * 20)
        _said_of(f"sqlite:///{tmp_path}", "unable to open database file", "in a folder that may be written")
        _said_of("sqlite:////proc/runs.db", "unable to open database file")
        _said_of(f"sqlite:///{tmp_path}/text", "file is not a database; expected a database, or a new file")

    def test_a_file_that_may_only_be_read(self, unprivileged: Path) -> None:
        """It is said before the run and not after its first step."""
        file = unprivileged / "runs.db"
        with open_checkpointer(f"sqlite:///{file}"):
            pass
        file.chmod(0o444)
        _said_of(f"sqlite:///{file}", "attempt to write a readonly database; expected a database")

    def test_another_process_that_writes_is_waited_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Within limits."""
        file = tmp_path / "runs.db"
        with closing(sqlite3.connect(file)) as other:
            other.execute("CREATE TABLE t (x)")
            other.execute("BEGIN EXCLUSIVE")
            monkeypatch.setattr(sqlite, "_PATIENCE_S", 0.1)
            _said_of(f"sqlite:///{file}", "database is locked")
            other.rollback()
            with open_checkpointer(f"sqlite:///{file}") as saver:
                assert isinstance(saver, SqliteSaver)

    def test_sqlite_itself_does_not_always_wait(self) -> None:
        """Where two processes change the mode of the journal at once it fails without waiting: it is tried again."""
        failures = [sqlite3.OperationalError("database is locked")] * 2

        def step() -> None:
            if failures:
                raise failures.pop()

        sqlite._patiently(step)
        assert failures == []


class TestPostgres:
    def test_nobody_answers(self, free_port: int) -> None:
        """Where, and what would be right."""
        _said_of(
            f"postgresql://me:s3cret@127.0.0.1:{free_port}/db",
            f"workflow.checkpointer: PostgreSQL at 127.0.0.1:{free_port}/db can't be used: ",
            "Connection refused",
            "expected a running server, a database that exists, and a user and password that it knows",
        )

    def test_what_the_server_does_not_know(self, postgres_url: str) -> None:
        """A database, a user, a parameter."""
        server = urlsplit(postgres_url)
        _said_of(server._replace(path="/no_such_thing").geturl(), 'database "no_such_thing" does not exist')
        stranger = server._replace(netloc=f"stranger:s3cret@{server.hostname}:{server.port or 5432}").geturl()
        _said_of(stranger, "stranger")
        _said_of(f"{postgres_url}?s3cret=1", "its URL can't be understood; expected postgresql://user:password@host")

    def test_a_user_who_may_not_create_tables(self, postgres_url: str) -> None:
        """It is said; but the tables that somebody else created are enough."""
        role = f"optiflow_test_{uuid4().hex}"
        server = urlsplit(postgres_url)
        limited = server._replace(netloc=f"{role}:s3cret@{server.hostname}:{server.port or 5432}").geturl()
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 's3cret'")
            try:
                _said_of(limited, "permission denied for schema public", "expected a user who may create tables")
                with open_checkpointer(postgres_url):
                    pass
                admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
                with open_checkpointer(limited) as saver:
                    assert _simple(saver).invoke({"said": []}, _config("t")) == {"said": ["sync"]}
            finally:
                admin.execute(f"DROP OWNED BY {role}")
                admin.execute(f"DROP ROLE {role}")

    def test_another_process_that_creates_tables_is_waited_for(
        self, postgres_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Within limits."""
        monkeypatch.setattr(postgres, "_SETUP_PATIENCE_S", 0.1)
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute(f"SELECT pg_advisory_lock({postgres._SETUP_LOCK})")
            _said_of(postgres_url, "another process has been creating its tables for 0.1 s")
        with open_checkpointer(postgres_url) as saver:
            assert isinstance(saver, PostgresSaver)

    def test_half_made_tables_are_completed(self, postgres_url: str) -> None:
        """As those of a process that was killed meanwhile, or of an older LangGraph."""
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("CREATE TABLE checkpoint_migrations (v INTEGER PRIMARY KEY)")
        for _ in range(2):
            with open_checkpointer(postgres_url) as saver:
                assert _simple(saver).invoke({"said": []}, _config("t"))


class TestRedis:
    def test_nobody_answers(self, free_port: int) -> None:
        """Where, and what would be right."""
        _said_of(
            f"redis://:s3cret@127.0.0.1:{free_port}/0",
            f"workflow.checkpointer: Redis at 127.0.0.1:{free_port}/0 can't be used: ",
            "Connection refused",
            "expected a running server, a user and password that it knows, and a database that it has",
        )

    def test_passwords(self, redis_url: str, redis_prefix: str) -> None:
        """A right one opens, with rights to nothing but the prefix; a wrong one is refused."""
        user, parts = f"optiflow_{uuid4().hex}", urlsplit(redis_url)

        def address(password: str) -> str:
            host = f"{parts.hostname}:{parts.port or 6379}"
            return parts._replace(netloc=f"{user}:{password}@{host}", query=f"prefix={redis_prefix}").geturl()

        with redis.Redis.from_url(redis_url) as admin:
            admin.acl_setuser(
                user, enabled=True, passwords=["+s3cret@1"], keys=[f"{redis_prefix}*"], commands=["+@all"]
            )
            try:
                with open_checkpointer(address("s3cret%401")) as saver:
                    assert _simple(saver).invoke({"said": []}, _config("t"))
                _said_of(address("s3cret-wrong"), "invalid username-password pair or user is disabled")
            finally:
                admin.acl_deluser(user)

    def test_what_makes_no_sense(self, redis_url: str) -> None:
        """A database that there is not, parameters that nobody knows, and values that are none."""
        parts = urlsplit(redis_url)
        _said_of(parts._replace(path="/9999").geturl(), "DB index is out of range")
        _said_of(f"{redis_url}?nonsense=1", "nonsense", "expected parameters that redis-py knows")
        _said_of(f"{redis_url}?socket_timeout=s3cret", "expected parameters that redis-py knows")
        for wrong in ("0", "1h", ""):
            _said_of(f"{redis_url}?ttl_s={wrong}", f"ttl_s='{wrong}': expected whole seconds, 1 or more")
        _said_of(f"{redis_url}?prefix=", "prefix is empty")

    def test_threads_expire(self, redis_url: str, redis_prefix: str) -> None:
        """If the address says so."""
        with open_checkpointer(f"{redis_url}?socket_timeout=9&prefix={redis_prefix}&ttl_s=60") as saver:
            _simple(saver).invoke({"said": []}, _config("t"))
        with redis.Redis.from_url(redis_url) as client:
            assert 0 < client.ttl(f"{redis_prefix}:{{t}}:ids") <= 60


@pytest.mark.parametrize(
    ("address", "kind", "extra"),
    [
        ("sqlite:///x", "SQLite", "sqlite"),
        ("postgres://h/d", "PostgreSQL", "postgres"),
        ("redis://h", "Redis", "redis"),
    ],
)
def test_a_missing_library_is_named(address: str, kind: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra that brings it."""
    for name in list(sys.modules):
        if name.startswith(("optiflow.checkpointers.", "langgraph.checkpoint.sqlite", "langgraph.checkpoint.postgres")):
            monkeypatch.delitem(sys.modules, name)
    for library in ("langgraph.checkpoint.sqlite", "psycopg", "redis"):
        monkeypatch.setitem(sys.modules, library, None)
    _said_of(address, f"{kind} needs the extra '{extra}': pip install 'optiflow[{extra}]'")
