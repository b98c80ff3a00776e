"""What a node touches outside of the state is heard, and put down to the node."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from optiflow.plan.observation import outside
from optiflow.plan.observation.outside import ModelCallWatch, Touched, listen, noting


@pytest.fixture(autouse=True)
def _listening(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook is there for good; one is enough. Python traces no hook, for coverage say, that doesn't ask for it."""
    monkeypatch.setattr(outside._hear, "__cantrace__", True, raising=False)
    listen()


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory with one file."""
    monkeypatch.chdir(tmp_path)
    Path("there.txt").write_text("text")


@pytest.fixture
def port() -> Iterator[int]:
    """A port that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _as_node(work: Callable[[], Any]) -> Touched:
    touched = Touched()

    def node() -> None:
        noting(touched)
        work()

    copy_context().run(node)
    return touched


def _connect(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)):
        pass


def _unix() -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("nobody")


@pytest.mark.parametrize(
    ("work", "heard"),
    [
        (lambda: Path("new.txt").write_text("x"), "opened 'new.txt' for writing"),
        (lambda: os.close(os.open(b"raw", os.O_WRONLY | os.O_CREAT)), "opened 'raw' for writing"),
        (lambda: Path("there.txt").open("a").close(), "opened 'there.txt' for writing"),
        (lambda: Path("there.txt").unlink(), "removed 'there.txt'"),
        (lambda: Path("there.txt").rename("gone.txt"), "renamed 'there.txt'"),
        (lambda: Path("folder").mkdir(), "made the folder 'folder'"),
        (lambda: Path("there.txt").chmod(0o600), "changed the mode of 'there.txt'"),
        (lambda: os.putenv("OPTIFLOW_X", "1"), "set the environment variable 'OPTIFLOW_X'"),
        (lambda: subprocess.run(["true", "--token=secret"], check=True), "started 'true'"),
        (lambda: subprocess.run([Path("/bin/true")], check=True), "started '/bin/true'"),
        (lambda: os.system("true --token=secret"), "started 'true'"),
        (lambda: os.kill(os.getpid(), 0), "sent a signal"),
        (lambda: sqlite3.connect(":memory:").close(), "opened the database ':memory:'"),
        (lambda: os.utime("there.txt"), "changed the times of 'there.txt'"),
        (lambda: os.truncate("there.txt", 0), "truncated 'there.txt'"),
    ],
)
def test_effects_are_heard(work: Callable[[], Any], heard: str) -> None:
    """Files, processes, the environment; arguments of processes stay out of it."""
    assert list(_as_node(work).outside) == [heard]


def test_connections_are_heard(port: int) -> None:
    """By host and port, or by the socket's path, whether or not anybody answers."""
    assert list(_as_node(lambda: _connect(port)).outside) == [f"connected to '127.0.0.1:{port}'"]

    def fails() -> None:
        with pytest.raises(OSError, match="No such file"):
            _unix()

    assert list(_as_node(fails).outside) == ["connected to 'nobody'"]

    def listens() -> None:
        socket.create_server(("127.0.0.1", 0)).close()

    assert list(_as_node(listens).outside) == ["listened on a socket"]


def test_reading_is_kept_apart() -> None:
    """The application's files; those of Python and of the system are nobody's business."""

    def reads() -> None:
        Path("there.txt").read_text()
        Path("there.txt").read_text()
        Path(sys.prefix, "pyvenv.cfg").exists()
        Path(os.devnull).write_text("x")
        Path("/proc/self/status").read_text()
        os.fdopen(os.dup(0), "rb").close()

    touched = _as_node(reads)
    assert list(touched.files_read) == ["there.txt"]
    assert not touched.outside


def test_what_python_writes_when_it_imports_is_no_effect() -> None:
    """Bytecode goes into a folder of its own."""

    def compiles() -> None:
        Path("__pycache__").mkdir()
        Path("__pycache__/a.pyc").write_bytes(b"")
        Path("__pycache__/a.pyc").replace("__pycache__/b.pyc")

    assert not _as_node(compiles).outside


def test_only_what_runs_in_the_nodes_context_is_its_doing() -> None:
    """Threads that are given the context count; what runs elsewhere does not."""

    def node() -> None:
        context: Context = copy_context()
        worker = threading.Thread(target=lambda: context.run(Path("worker.txt").write_text, "x"))
        stranger = threading.Thread(target=Path("stranger.txt").write_text, args=("x",))
        for thread in (worker, stranger):
            thread.start()
            thread.join()

    assert list(_as_node(node).outside) == ["opened 'worker.txt' for writing"]


def test_a_long_list_is_cut_off() -> None:
    """A node that writes a thousand files doesn't fill the record."""
    touched = _as_node(lambda: [Path(f"{n}.txt").write_text("x") for n in range(30)])
    assert len(touched.outside) == 20


def test_sockets_of_a_model_call_are_no_effect_and_later_ones_are(port: int) -> None:
    """Also where the end of the call is told in another task, and where the call failed."""
    watch = ModelCallWatch()

    async def asks(begin: Callable[..., None], end: Callable[..., None]) -> None:
        run_id = uuid4()
        begin({}, [], run_id=run_id)
        await asyncio.gather(asyncio.to_thread(_connect, port))
        Path("log.txt").write_text("x")

        async def ends() -> None:
            end(None, run_id=run_id)
            end(None, run_id=run_id)

        await asyncio.create_task(ends())

    def node() -> None:
        asyncio.run(asks(watch.on_chat_model_start, watch.on_llm_end))
        asyncio.run(asks(watch.on_llm_start, watch.on_llm_error))

    assert list(_as_node(node).outside) == ["opened 'log.txt' for writing"]

    async def then_connects() -> None:
        await asks(watch.on_chat_model_start, watch.on_llm_end)
        _connect(port)

    heard = list(_as_node(lambda: asyncio.run(then_connects())).outside)
    assert heard == ["opened 'log.txt' for writing", f"connected to '127.0.0.1:{port}'"]
