"""What the running node touches outside of the state, told by Python's own audit events."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage

__all__ = ["ModelCallWatch", "Touched", "listen", "noting"]

_MOST = 20
"""How many different things are kept of one node."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_UNREMARKABLE = ("/dev/", "/proc/", "/sys/", sys.prefix, sys.base_prefix)
"""Where reading is nothing of the application's: the system, Python and the installed packages."""


class Touched:
    """What one node touched, in order, each thing once."""

    def __init__(self) -> None:
        self.outside: dict[str, None] = {}
        self.files_read: dict[str, None] = {}


class _Call:
    """One call of a model; whoever inherited it sees that it has ended."""

    open = True


_running: ContextVar[Touched | None] = ContextVar("optiflow_observed_node", default=None)
_asking: ContextVar[_Call | None] = ContextVar("optiflow_observed_call", default=None)


def noting(touched: Touched) -> None:
    """From here on, what happens in this context is the doing of this node."""
    _running.set(touched)


@cache
def listen() -> None:
    """Hear the process's audit events, from now until it ends: Python takes no hook back."""
    sys.addaudithook(_hear)


class ModelCallWatch(BaseCallbackHandler):
    """Knows while a model is asked: the sockets that its client opens are no effects of the node."""

    run_inline = True
    ignore_chain = ignore_agent = ignore_retriever = ignore_retry = ignore_custom_event = True

    def __init__(self) -> None:
        self._calls: dict[UUID, _Call] = {}

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: Sequence[Sequence[BaseMessage]],
        *,
        run_id: UUID,
        **kwargs: Any,
    ) -> None:
        """A chat model is asked in this context."""
        self._begin(run_id)

    def on_llm_start(
        self, serialized: dict[str, Any] | None, prompts: Sequence[str], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """A model that completes text is asked in this context."""
        self._begin(run_id)

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """The answer is complete."""
        self._end(run_id)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """There is no answer."""
        self._end(run_id)

    def _begin(self, run_id: UUID) -> None:
        self._calls[run_id] = call = _Call()
        _asking.set(call)

    def _end(self, run_id: UUID) -> None:
        call = self._calls.pop(run_id, None)
        if call is not None:
            call.open = False


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if event not in _EVENTS:
        return
    touched = _running.get()
    if touched is None or any("__pycache__" in _text(arg) for arg in args[:2]):
        return
    if event == "open":
        _opened(touched, _text(args[0]), args[2] or 0)
        return
    call = _asking.get()
    if not (event in _SOCKETS and call is not None and call.open):
        _note(touched.outside, _EVENTS[event](args))


def _opened(touched: Touched, name: str, flags: int) -> None:
    if not name or name == os.devnull:
        return
    if flags & _WRITING:
        _note(touched.outside, f"opened {name!r} for writing")
    elif not name.startswith(_UNREMARKABLE):
        _note(touched.files_read, name)


def _note(kept: dict[str, None], what: str) -> None:
    if len(kept) < _MOST:
        kept.setdefault(what)


def _text(value: Any) -> str:
    """A file's name; empty for what is none, such as a descriptor of a file that was opened before."""
    if isinstance(value, bytes):
        return os.fsdecode(value)[:200]
    return value[:200] if isinstance(value, str) else ""


def _on(verb: str) -> Callable[[tuple[Any, ...]], str]:
    return lambda args: f"{verb} {_text(args[0])!r}" if args and _text(args[0]) else verb


def _connected(args: tuple[Any, ...]) -> str:
    address = args[1]
    if isinstance(address, tuple) and len(address) >= 2:
        return f"connected to '{address[0]}:{address[1]}'"
    return f"connected to {_text(address)!r}"


def _started(args: tuple[Any, ...]) -> str:
    # The arguments stay out of the record: they may hold anything.
    program = args[0] if args else ""
    if isinstance(program, list | tuple):
        program = program[0] if program else ""
    words = _text(os.fspath(program) if isinstance(program, os.PathLike) else program).split()
    return f"started {words[0]!r}" if words else "started a process"


_SOCKETS: Mapping[str, Callable[[tuple[Any, ...]], str]] = {
    "socket.connect": _connected,
    "socket.sendto": _connected,
    "socket.sendmsg": _connected,
    "socket.bind": lambda args: "listened on a socket",
}

_EVENTS: Mapping[str, Callable[[tuple[Any, ...]], str]] = {
    **_SOCKETS,
    "open": _on("opened"),
    "subprocess.Popen": _started,
    "os.exec": _started,
    "os.posix_spawn": _started,
    "os.spawn": _started,
    "os.system": _started,
    "os.fork": _on("forked the process"),
    "os.forkpty": _on("forked the process"),
    "os.kill": lambda args: "sent a signal",
    "os.remove": _on("removed"),
    "os.rename": _on("renamed"),
    "os.rmdir": _on("removed"),
    "os.mkdir": _on("made the folder"),
    "os.link": _on("linked"),
    "os.symlink": _on("linked"),
    "os.truncate": _on("truncated"),
    "os.chmod": _on("changed the mode of"),
    "os.chown": _on("changed the owner of"),
    "os.utime": _on("changed the times of"),
    "os.chdir": _on("changed the working directory to"),
    "os.putenv": _on("set the environment variable"),
    "os.unsetenv": _on("removed the environment variable"),
    "sqlite3.connect": _on("opened the database"),
}
