"""Toggle ``durability``: the same checkpoints at less cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from optiflow.optimizations.base import Around, Optimization, Options, Statistics

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["Durability", "DurabilityOptions"]


class DurabilityOptions(Options):
    """Options of the ``durability`` toggle."""

    mode: Literal["same", "exit"] = "same"
    """``same``: the whole history, as LangGraph writes it. Saves that nobody waits for - those of runs that did not ask
    for ``durability="sync"`` - are collected for up to 5 ms, and a kill may lose these. ``exit``: runs that did not ask
    for a durability themselves write their checkpoints only when they end, fail or stop at an interrupt. Then the
    history lacks the steps in between, and a process that is killed loses every step since the run began or was
    resumed."""

    synchronous: Literal["normal", "full"] = "normal"
    """How a commit to SQLite waits for the disk, in a database with a write-ahead log. ``full``: as SQLite does.
    ``normal``: it doesn't wait. A killed process loses nothing by it, and the database stays sound in any case; after
    a power failure or a crash of the system the last transactions may be missing, as if they had not been made. Runs
    that ask for ``durability="sync"`` wait in either case. PostgreSQL commits as it is configured."""

    wal_pages: int = Field(default=32_768, ge=1000)
    """Pages that SQLite's write-ahead log holds before they are copied into the database, which otherwise happens
    every 1000 pages while the graph waits: at 4 kB a page the file grows to 128 MB. It is copied when no run is under
    way, or nothing is saved for a moment, too. With ``normal`` it also bounds what a power failure may lose."""


class Durability(Optimization[DurabilityOptions]):
    """Checkpoints in fewer and cheaper transactions, with messages encoded once."""

    name: ClassVar[str] = "durability"
    options_model: ClassVar[type[Options]] = DurabilityOptions

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Give the graph a saver that writes the same rows at less cost, where its own is one of LangGraph's."""
        from optiflow.checkpoints.swapping import optimize_checkpoints
        from optiflow.dispatch.installing import queue_saves

        optimized = optimize_checkpoints(
            plan,
            toggle=self.name,
            at_exit=self.options.mode == "exit",
            normal=self.options.synchronous == "normal",
            wal_pages=self.options.wal_pages,
        )
        return queue_saves(optimized) if len(optimized.finishers) > len(plan.finishers) else optimized

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        """Add up what the checkpoints of the run cost."""
        from optiflow.checkpoints.meter import metered

        with metered() as meter:
            yield meter.statistics

    def attach(self) -> AbstractContextManager[object]:
        """Nothing: nobody asks for figures."""
        return nullcontext()

    def around(self) -> Around:
        """Nothing, as `attach`."""
        return Around()
