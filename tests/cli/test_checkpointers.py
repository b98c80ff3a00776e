"""The main job with its checkpoints on real services: whole runs, faults on the way, and a run that is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import redis
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver

from optiflow.checkpointers.redis import RedisSaver
from optiflow.record.store import RecordStore
from optiflow.settings import get_settings

Run = Callable[..., Any]

_GRAPH = """
    import operator, os, pathlib, time
    from typing import Annotated, TypedDict
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.func import entrypoint
    from langgraph.graph import START, StateGraph
    from langgraph.types import interrupt

    class State(TypedDict, total=False):
        said: Annotated[list[str], operator.add]
        asked: str

    def first(state: State) -> State:
        return {"said": ["first"]}

    def second(state: State) -> State:
        here = pathlib.Path(os.environ.get("STOP_HERE", "/nowhere"))
        if here.is_dir() and (here / "baseline").exists():
            (here / "stopped").touch()
            time.sleep(600)
        elif here.is_dir():
            (here / "baseline").touch()
        return {"said": ["cut here"]}

    def third(state: State) -> State:
        return {"said": ["third"]}

    def ask(state: State) -> State:
        return {"asked": interrupt("what?")}

    builder = StateGraph(State)
    builder.add_sequence([first, second, third])
    builder.add_edge(START, "first")
    own = InMemorySaver()
    graph = builder.compile(checkpointer=own)
    asking = StateGraph(State).add_node(ask).add_edge(START, "ask").compile()

    @entrypoint(checkpointer=InMemorySaver())
    def functional(given: dict) -> dict:
        return {"said": [given["text"]]}
"""


class Service(NamedTuple):
    """Where checkpoints go, and plain LangGraph's way to them."""

    address: str
    plain: Callable[[], AbstractContextManager[Any]]


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def service(request: pytest.FixtureRequest, here: Path) -> Iterator[Service]:
    """An address as a user gives it."""
    if request.param == "sqlite":
        yield Service("sqlite:///runs.db", lambda: SqliteSaver.from_conn_string("runs.db"))
    elif request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        yield Service(url, lambda: PostgresSaver.from_conn_string(url))
    else:
        url = request.getfixturevalue("redis_url")
        made = Service(url, lambda: closing(RedisSaver.from_url(url)))
        yield made
        with made.plain() as saver:
            saver.prune([record.record_id for record in _records()], strategy="delete")


@pytest.fixture
def graph(here: Path) -> list[str]:
    """A graph of the user's own, with a checkpointer of its own."""
    (here / "graphs.py").write_text(textwrap.dedent(_GRAPH))
    return ["workflow=graph", "workflow.ref=graphs.py:graph", "workflow.input={said: []}", "criteria=none"]


def _records() -> list[Any]:
    """All records, newest first."""
    with closing(RecordStore(get_settings().store_url)) as store:
        return store.newest(99)


def _config(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


class TestRuns:
    def test_the_declared_workflow(self, optiflow: Run, tiny: list[str], service: Service) -> None:
        """In virtual time, under all toggles: the same answer as in memory, and each run's thread is its record's."""
        optiflow(*tiny)
        code, out, err = optiflow(*tiny, f"++workflow.checkpointer={service.address}", "+opt=all")
        assert (code, err) == (0, "no baseline of this workload on record: running it first\n")
        assert "answer equals the baseline's" in out
        optimized, baseline, in_memory = _records()
        assert optimized.output.sha256 == baseline.output.sha256 == in_memory.output.sha256
        with service.plain() as saver:
            for record in (optimized, baseline):
                last = saver.get_tuple(_config(record.record_id))
                assert last.checkpoint["channel_values"]["brief"] == record.output.text
                assert last.metadata["step"] == 2
            assert saver.get_tuple(_config(in_memory.record_id)) is None

    def test_a_graph_of_the_users_own(self, optiflow: Run, graph: list[str], service: Service) -> None:
        """Its own checkpointer is left alone; a thread that is named is used once and not twice."""
        address = f"workflow.checkpointer={service.address}"
        assert optiflow(*graph, address, "+opt=all").code == 0
        optimized, baseline = _records()
        with service.plain() as saver:
            for record in (optimized, baseline):
                last = saver.get_tuple(_config(record.record_id))
                assert last.checkpoint["channel_values"]["said"] == ["first", "cut here", "third"]
        thread = uuid4().hex
        named = f"workflow.config={{configurable: {{thread_id: {thread}}}}}"
        assert optiflow(*graph, address, named).code == 0
        code, out, err = optiflow(*graph, address, named)
        assert (code, out) == (2, "")
        assert f"thread_id='{thread}': the checkpointer has this thread already; leave it out" in err
        with service.plain() as saver:
            saver.delete_thread(thread)

    def test_graphs_that_are_resumed_or_have_no_nodes(self, optiflow: Run, graph: list[str], service: Service) -> None:
        """An interrupt is answered from what was stored; an entrypoint is stored as well."""
        address = f"workflow.checkpointer={service.address}"
        asking = [*graph[:1], *graph[3:], "workflow.ref=graphs.py:asking", "workflow.resume=[this]", address]
        assert optiflow(*asking, "+opt=all").code == 0
        assert [record.output.state["asked"] for record in _records()] == ["this", "this"]
        functional = [*graph[:1], *graph[3:], "workflow.ref=graphs.py:functional", "workflow.input={text: a}", address]
        assert optiflow(*functional, "+opt=all").code == 0
        with service.plain() as saver:
            assert saver.get_tuple(_config(_records()[0].record_id)) is not None

    def test_a_sweep_over_checkpointers(self, optiflow: Run, tiny: list[str]) -> None:
        """One address is a value as any other; one that can't be opened fails its run alone."""
        values = "++workflow.checkpointer=memory,none,sqlite:///runs.db,sqlite:///no/runs.db"
        code, out, _ = optiflow(*tiny[:2], "-m", *tiny[2:], values)
        assert code == 2
        assert "there is no folder 'no'" in out
        assert [record.status for record in _records()] == ["ok"] * 3

    def test_a_check_leaves_nothing_behind(self, optiflow: Run, graph: list[str]) -> None:
        """Both graphs are compared in memory, and nothing is opened to explain them."""
        address = "workflow.checkpointer=sqlite:///runs.db"
        assert optiflow("check", *graph, address, "+opt=all").code == 0
        assert optiflow("explain", *graph, address, "+opt=all").code == 0
        assert not Path("runs.db").exists()


class TestSecrets:
    def test_they_are_in_no_record_and_no_message(
        self, optiflow: Run, graph: list[str], redis_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whether a run goes well or fails, and wherever the address comes from."""
        user, parts = f"optiflow_{uuid4().hex}", urlsplit(redis_url)

        def address(password: str) -> str:
            return parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port or 6379}").geturl()

        with redis.Redis.from_url(redis_url) as admin:
            admin.acl_setuser(user, enabled=True, passwords=["+s3cret-password"], keys=["*"], commands=["+@all"])
            try:
                well = optiflow(*graph, f"workflow.checkpointer={address('s3cret-password')}")
                monkeypatch.setenv("WHERE", address("s3cret-password"))
                also = optiflow(*graph, "workflow.checkpointer=${oc.env:WHERE}")
                refused = optiflow(*graph, f"workflow.checkpointer={address('s3cret-other')}")
                wrong = optiflow(*graph, f"workflow.checkpointer={address('s3cret#other=')}")
                swept = optiflow("-m", *graph, f"workflow.checkpointer={address('s3cret-1')},{address('s3cret-2')}")
            finally:
                admin.acl_deluser(user)
        assert [each.code for each in (well, also, refused, wrong, swept)] == [0, 0, 2, 2, 2]
        assert "invalid username-password pair" in refused.err
        for each in (well, also, refused, wrong, swept):
            assert "s3cret" not in each.out + each.err
        for file in get_settings().home.rglob("*"):
            assert not file.is_file() or b"s3cret" not in file.read_bytes(), file
        with closing(RedisSaver.from_url(redis_url)) as saver:
            saver.prune([record.record_id for record in _records()], strategy="delete")


class _Proxy:
    """Passes bytes on to a server, until it sees some words: then it cuts all connections, and takes no more."""

    def __init__(self, server: tuple[str, int], words: bytes) -> None:
        self._server, self._words = server, words
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.cut = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.cut.set()
        for each in [self._listener, *self._open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += [client, server]
                for source, target, watched in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass, args=(source, target, watched), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, watched: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if watched and self._words in data:
                    self.close()
                    return
                target.sendall(data)


@contextmanager
def _through_a_proxy(url: str, port: int) -> Iterator[tuple[str, _Proxy]]:
    parts = urlsplit(url)
    proxy = _Proxy((parts.hostname or "127.0.0.1", parts.port or port), b"cut here")
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    try:
        yield parts._replace(netloc=f"{user}127.0.0.1:{proxy.port}").geturl(), proxy
    finally:
        proxy.close()


class TestFaults:
    @pytest.mark.parametrize("address", ["postgresql://me:s3cret@127.0.0.1:1/db", "redis://:s3cret@127.0.0.1:1/0"])
    def test_a_server_that_is_away_at_the_start(self, optiflow: Run, tiny: list[str], address: str) -> None:
        """One line says where and what would be right; nothing has run, and nothing is on record."""
        code, out, err = optiflow(*tiny, f"++workflow.checkpointer={address}")
        assert (code, out) == (2, "")
        assert err.startswith("optiflow: workflow.checkpointer: ")
        assert "127.0.0.1:1/" in err
        assert "expected a running server" in err
        assert err.count("\n") == 1
        assert "s3cret" not in err
        assert _records() == []

    @pytest.mark.parametrize(("kind", "port"), [("postgres", 5432), ("redis", 6379)])
    def test_a_server_that_goes_away(
        self, optiflow: Run, graph: list[str], request: pytest.FixtureRequest, kind: str, port: int
    ) -> None:
        """The run fails as under LangGraph alone, its record says so, and what was stored before is whole."""
        url = request.getfixturevalue(f"{kind}_url")
        with _through_a_proxy(url, port) as (address, proxy):
            code, out, err = optiflow(*graph, f"workflow.checkpointer={address}")
            assert proxy.cut.is_set()
        assert (code, out) == (1, "")
        assert err.startswith("optiflow: the graph failed: ")
        assert err.count("\n") == 1
        (record,) = _records()
        assert (record.status, record.error.where) == ("failed", None)
        assert record.error.type in err
        plain = PostgresSaver.from_conn_string(url) if kind == "postgres" else closing(RedisSaver.from_url(url))
        with plain as saver:
            # The step before was handed over before the connection was cut.
            kept = saver.get_tuple(_config(record.record_id))
            assert kept.checkpoint["channel_values"].get("said", [])[:1] in ([], ["first"])
            saver.delete_thread(record.record_id)

    def test_a_connection_that_postgresql_ends(
        self, optiflow: Run, graph: list[str], postgres_url: str, here: Path
    ) -> None:
        """As an administrator or a failover does: the run fails, and the next one is none the worse."""
        text = (here / "graphs.py").read_text()
        ending = """
            import psycopg
            with psycopg.connect(os.environ["SERVER"], autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                              "WHERE datname = current_database() AND pid <> pg_backend_pid()")
        """
        ended = text.replace('    return {"said": ["cut here"]}', f"{textwrap.indent(textwrap.dedent(ending), '    ')}")
        (here / "graphs.py").write_text(ended)
        address = f"workflow.checkpointer={postgres_url}"
        os.environ["SERVER"] = postgres_url
        try:
            code, _, err = optiflow(*graph, address)
        finally:
            del os.environ["SERVER"]
        assert code == 1
        assert "the graph failed: " in err
        assert _records()[0].status == "failed"
        (here / "graphs.py").write_text(text)
        assert optiflow(*graph, address).code == 0

    def test_a_file_that_can_not_be_written_in_mid_run(self, optiflow: Run, graph: list[str], here: Path) -> None:
        """A table that is gone is as good as a broken disk."""
        text = (here / "graphs.py").read_text()
        dropping = 'import sqlite3; sqlite3.connect("runs.db", isolation_level=None).execute("DROP TABLE checkpoints")'
        (here / "graphs.py").write_text(text.replace('return {"said": ["third"]}', dropping))
        code, _, err = optiflow(*graph, "workflow.checkpointer=sqlite:///runs.db")
        assert code == 1
        assert "OperationalError: no such table: checkpoints" in err
        assert _records()[0].status == "failed"


def test_records_and_checkpoints_in_one_database(
    optiflow: Run, tiny: list[str], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has tables of its own; the second command finds the first one's baseline."""
    monkeypatch.setenv("OPTIFLOW_STORE", postgres_url)
    for err in ("no baseline of this workload on record: running it first\n", ""):
        ran = optiflow(*tiny, f"++workflow.checkpointer={postgres_url}", "+opt=cache")
        assert (ran.code, ran.err) == (0, err)
    assert [len(record.toggles_on) for record in _records()] == [1, 1, 0]
    assert not (get_settings().home / "records.sqlite").exists()


def test_a_killed_run_goes_on_under_langgraph_alone(graph: list[str], service: Service, here: Path) -> None:
    """Under all toggles: killed in its second node, it is resumed from its record's thread, and ends as any other."""
    environ = {**os.environ, "STOP_HERE": str(here)}
    command = [sys.executable, "-m", "optiflow", *graph, f"workflow.checkpointer={service.address}", "+opt=all"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while not (here / "stopped").exists():
            _goes_on(process)
        killed, baseline = _records()
        resumed = _builder(here / "graphs.py")
        with service.plain() as saver:
            # What the node before has written is stored while this one runs.
            while resumed.compile(checkpointer=saver).get_state(_config(killed.record_id)).next != ("second",):
                _goes_on(process)
        process.send_signal(signal.SIGKILL)
    assert [record.status for record in _records()] == ["interrupted", "ok"]
    with service.plain() as saver:
        output = resumed.compile(checkpointer=saver).invoke(None, _config(killed.record_id))
    assert output == baseline.output.state == {"said": ["first", "cut here", "third"]}


def _goes_on(process: subprocess.Popen[bytes]) -> None:
    """Give a process that must not end a moment."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.05)
        pytest.fail(process.stderr.read().decode() if process.stderr else "it ended")


def _builder(file: Path) -> Any:
    """The graph of a file, as its author would import it."""
    spec = spec_from_file_location("graphs_of_the_killed", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.builder
