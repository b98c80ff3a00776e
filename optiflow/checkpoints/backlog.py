"""What a run saves, in the order in which it saves it, written together.

LangGraph gives every save a thread, in which it waits for the one before, and, while nodes compute, for its turn in
the interpreter at each statement. Here saves that nobody waits for are written together when the interpreter would
have given the first of them its turn, when they are too many, or when the run ends. The savers say how;
`optiflow.dispatch.executors` adds what a run gives to them.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from sys import getswitchinterval
from typing import Any

from optiflow.checkpoints.statements import Chain, Request
from optiflow.checkpoints.together import AsyncTogether, Outcome

__all__ = ["AsyncBatchSaver", "Backlog", "BatchSaver"]

LONGEST = 8
"""Checkpoints that may wait: whoever adds the last of them writes them all, so that memory and loss are bounded."""


class _Encoding(ABC):
    """What both kinds of savers can do for a run."""

    __slots__ = ()

    @abstractmethod
    def _encode_put(
        self, config: Any, checkpoint: Any, metadata: Any, versions: Any, chain: Any
    ) -> tuple[Any, Request]:
        """Encode a checkpoint; return what ``put`` returns and what it would write."""

    @abstractmethod
    def _encode_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> Request:
        """Encode what ``put_writes`` would write."""

    def next_put(self, chain: Chain, config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Request:
        """What ``put`` would write, as the next checkpoint of a run.

        What cannot be encoded fails in its turn: the checkpoints before it are written, those after it are not.
        """
        try:
            return self._encode_put(config, checkpoint, metadata, versions, chain)[1]
        except Exception as error:  # noqa: BLE001 - raised when the run ends, as from LangGraph's thread
            return Request([], False, None, chain, error)

    def next_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> Request:
        """What ``put_writes`` would write; what cannot be encoded fails in its turn."""
        try:
            return self._encode_writes(config, writes, task_id, task_path)
        except Exception as error:  # noqa: BLE001 - raised when the run ends, as from LangGraph's thread
            return Request([], False, None, None, error)


class BatchSaver(_Encoding):
    """A saver for threads that can write several saves at once; to be mixed into one of LangGraph's."""

    __slots__ = ()

    backlog: Backlog
    """What is to be written; whoever reads writes it first."""

    @abstractmethod
    def write_all(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """Write requests in their order; return how each ended."""

    def get_tuple(self, config: Any) -> Any:
        """Read."""
        self.backlog.write()
        return super().get_tuple(config)  # type: ignore[misc]

    def list(self, config: Any, **given: Any) -> Any:
        """Read all."""
        self.backlog.write()
        return super().list(config, **given)  # type: ignore[misc]

    def delete_thread(self, thread_id: str) -> None:
        """Delete."""
        self.backlog.write()
        super().delete_thread(thread_id)  # type: ignore[misc]


class AsyncBatchSaver(_Encoding):
    """A saver for tasks that can write several saves at once; to be mixed into one of LangGraph's."""

    __slots__ = ()

    together: AsyncTogether[Request]
    """What is to be written; whoever reads has it written first."""

    def can_enqueue(self) -> bool:
        """Whether requests can be written."""
        return True

    async def aget_tuple(self, config: Any) -> Any:
        """Read."""
        await self.together.settle()
        return await super().aget_tuple(config)  # type: ignore[misc]

    async def alist(self, config: Any, **given: Any) -> AsyncIterator[Any]:
        """Read all."""
        await self.together.settle()
        async for each in super().alist(config, **given):  # type: ignore[misc]
            yield each

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete."""
        await self.together.settle()
        await super().adelete_thread(thread_id)  # type: ignore[misc]


class Backlog:
    """What runs in threads have saved and nobody has written yet."""

    def __init__(self, saver: BatchSaver) -> None:
        """Set up.

        Args:
            saver: What writes.
        """
        self._saver = saver
        self._saves: list[tuple[Request, Future[None]]] = []
        self._checkpoints = 0
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._runs = 0
        self._thread: threading.Thread | None = None

    def enter(self) -> None:
        """A run begins to use this."""
        with self._changed:
            self._runs += 1

    def leave(self) -> None:
        """A run ends: all is written, and no thread outlives the last."""
        self.write()
        with self._changed:
            self._runs -= 1
            if self._runs or self._thread is None:
                return
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        thread.join()

    def add(self, request: Request, *, is_checkpoint: bool, now: bool = False) -> Future[None]:
        """Have something written.

        Args:
            request: What to write; encoded already, for what a state holds may change while this waits.
            is_checkpoint: Whether it is one of the checkpoints that may be too many.
            now: Whether the caller will wait for it.

        Returns:
            What ends when it is written.
        """
        future: Future[None] = Future()
        with self._changed:
            self._saves.append((request, future))
            self._checkpoints += is_checkpoint
            now = now or self._checkpoints >= LONGEST
            if not now and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="checkpoints")
                self._thread.start()
            elif len(self._saves) == 1:
                self._changed.notify_all()
        if now:
            self.write()
        return future

    def write(self) -> None:
        """Write whatever waits."""
        with self._writing:
            with self._changed:
                saves, self._saves, self._checkpoints = self._saves, [], 0
            if not saves:
                return
            try:
                outcomes = self._saver.write_all([request for request, _ in saves])
            except BaseException as error:  # noqa: BLE001 - handed to all that wait
                outcomes = [error] * len(saves)
            for (request, future), outcome in zip(saves, outcomes, strict=True):
                if request.ended(outcome) is None:
                    future.set_result(None)
                else:
                    future.set_exception(outcome)

    def _run(self) -> None:
        """Write what waits, once it has had company for a while."""

        def over() -> bool:
            return self._thread is not threading.current_thread()

        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._saves or over())
                if self._changed.wait_for(over, getswitchinterval()):
                    return
            self.write()
