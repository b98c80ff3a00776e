"""What LangGraph's savers would send to the database, noted instead of sent.

The statements are LangGraph's own: its savers run with a cursor that takes notes. So the rows are the same, whatever
a version of LangGraph writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from optiflow.checkpoints.messages import EncodedMessages, MessageSerializer, encodes_plainly
from optiflow.checkpoints.meter import Meter, active_meter

__all__ = [
    "DURABILITY_KEY",
    "Chain",
    "Notes",
    "Request",
    "encode_put",
    "encode_writes",
    "share",
    "written_values",
]

DURABILITY_KEY = "__pregel_durability"
"""Where LangGraph keeps, in a configuration, the durability that a run asked for."""


class Notes:
    """A cursor that notes statements."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, Any, Any]] = []
        """Method of a cursor, statement and parameters, in order."""

    def execute(self, statement: Any, parameters: Any) -> None:
        """Note a statement."""
        self.statements.append(("execute", statement, parameters))

    def executemany(self, statement: Any, rows: Iterable[Any]) -> None:
        """Note a statement for several rows."""
        self.statements.append(("executemany", statement, list(rows)))

    @contextmanager
    def cursor(self, *_: object, **__: object) -> Iterator[Notes]:
        """Stand in for a saver's method of making a cursor."""
        yield self


@dataclass(slots=True)
class Chain:
    """The checkpoints of a run: once one could not be written, no later one is, as in LangGraph."""

    failure: BaseException | None = None
    """Why one could not."""


@dataclass(frozen=True, slots=True)
class Request:
    """A checkpoint, or the pending writes of a task, ready to be written."""

    statements: Sequence[tuple[str, Any, Any]]
    """Method of a cursor, statement and parameters, in order."""

    full: bool
    """Whether its run asked for ``durability="sync"``: then it is on the disk before the next step."""

    meter: Meter | None
    """Where what it costs is added up."""

    chain: Chain | None = None
    """The checkpoints that it belongs to, if any."""

    failure: BaseException | None = None
    """Why it could not be encoded."""

    @property
    def refused(self) -> BaseException | None:
        """Why it must not be written: it cannot be, or a checkpoint before it was not."""
        return self.failure if self.failure is not None or self.chain is None else self.chain.failure

    def ended(self, failure: BaseException | None) -> BaseException | None:
        """Take note of how writing it ended, and return that."""
        if self.chain is not None:
            self.chain.failure = failure
        return failure


def encode_put(
    saver: Any,
    plain: type,
    known: EncodedMessages,
    config: Any,
    checkpoint: Any,
    metadata: Any,
    versions: Any,
    chain: Chain | None = None,
) -> tuple[Any, Request]:
    """Encode a checkpoint as a saver does.

    Args:
        saver: The saver whose serializer encodes it.
        plain: LangGraph's synchronous saver of the same tables.
        known: Messages that were encoded before.
        config: As for ``put``.
        checkpoint: As for ``put``; stays as it is.
        metadata: As for ``put``.
        versions: As for ``put``.
        chain: Those of the same run, where nobody waits for the one before.

    Returns:
        What ``put`` returns, and what it would write.
    """
    meter = active_meter()
    started = perf_counter()
    configurable = config["configurable"]
    notes = Notes()
    noting = _noting(saver, plain, notes)
    reused = 0
    if encodes_plainly(saver.serde):
        place = (configurable["thread_id"], configurable["checkpoint_ns"])
        noting.serde = serde = MessageSerializer(saver.serde, known, place, checkpoint)
        result = noting.put(config, checkpoint, metadata, versions)
        reused = serde.reused
    else:
        result = noting.put(config, checkpoint, metadata, versions)
    if meter is not None:
        meter.add(puts=1, bytes_reused=reused, bytes=_size(notes), seconds=perf_counter() - started)
    return result, Request(notes.statements, configurable.get(DURABILITY_KEY) == "sync", meter, chain)


def encode_writes(saver: Any, plain: type, config: Any, writes: Any, task_id: str, task_path: str) -> Request:
    """Encode the pending writes of a task as a saver does; the parameters are those of `encode_put` and ``put_writes``.

    Returns:
        What ``put_writes`` would write.
    """
    meter = active_meter()
    started = perf_counter()
    notes = Notes()
    _noting(saver, plain, notes).put_writes(config, writes, task_id, task_path)
    if meter is not None:
        meter.add(writes=1, bytes=_size(notes), seconds=perf_counter() - started)
    return Request(notes.statements, config["configurable"].get(DURABILITY_KEY) == "sync", meter)


def written_values(checkpoint: Any, versions: Any) -> list[Any]:
    """What ``put`` of a saver for PostgreSQL encodes of a checkpoint: the channels that have changed."""
    values = checkpoint["channel_values"]
    return [values[channel] for channel in versions if channel in values]


def share(requests: Sequence[Request], commits: int, syncs_saved: int, seconds: float) -> None:
    """Tell the meters of some requests what these cost together.

    Args:
        requests: Requests of any runs.
        commits: Transactions that they took, at most one each.
        syncs_saved: Times that LangGraph would have waited for the disk and this did not, at most one each.
        seconds: Time that they took.
    """
    for number, request in enumerate(requests):
        if request.meter is not None:
            request.meter.add(
                commits=number < commits, syncs_saved=number < syncs_saved, seconds=seconds / len(requests)
            )


def _noting(saver: Any, plain: type, notes: Notes) -> Any:
    """LangGraph's saver with the attributes of another, and a cursor that takes notes."""
    noting: Any = object.__new__(plain)
    noting.__dict__ = {**vars(saver), "cursor": notes.cursor, "_cursor": notes.cursor}
    return noting


def _size(notes: Notes) -> int:
    rows = (row for method, _, given in notes.statements for row in ((given,) if method == "execute" else given))
    return sum(len(part) for row in rows for part in row if isinstance(part, bytes))
