"""Which savers can be replaced by ones that write the same rows at less cost, and doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optiflow.plan.decision import Decision

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["optimize_checkpoints"]

_METHODS = frozenset({"put", "put_writes", "aput", "aput_writes", "cursor", "_cursor", "setup"})

_SQLITE = "a killed process loses nothing by it, a power failure may lose transactions that the disk had not yet got"

_EXIT = (
    "runs that ask for no durability write their checkpoints when they end, fail or stop at an interrupt: "
    "a process that is killed loses every step of the run, and the history has no steps in between"
)


@dataclass(frozen=True)
class _Install:
    """Gives the compiled graph its saver and its durability."""

    replaced: Any
    saver: Any
    at_exit: bool

    def install(self, compiled: Any) -> None:
        """Change the freshly compiled graph in place."""
        if compiled.checkpointer is self.replaced:
            compiled.checkpointer = self.saver
        if self.at_exit:
            from langchain_core.runnables.config import merge_configs

            from optiflow.checkpoints.statements import DURABILITY_KEY

            compiled.config = merge_configs({"configurable": {DURABILITY_KEY: "exit"}}, compiled.config)


def optimize_checkpoints(plan: GraphPlan, *, toggle: str, at_exit: bool, normal: bool, wal_pages: int) -> GraphPlan:
    """Let a graph write its checkpoints at less cost.

    Args:
        plan: The plan; the saver in it stays as it is.
        toggle: The toggle's name, for the decisions.
        at_exit: Whether runs that ask for no durability write their checkpoints when they end.
        normal: Whether commits to SQLite's write-ahead log need not wait for the disk.
        wal_pages: Pages that this log holds before they are copied into the database.

    Returns:
        The plan with decisions on the whole graph, and a step after compiling where there is something to do.
    """
    saver = plan.compile_options.get("checkpointer")
    if saver is None or isinstance(saver, bool):
        whose = "takes its parent's checkpointer" if saver else "has no checkpointer"
        return plan.decide(Decision(toggle, "*", "refused", f"the graph {whose}"))
    chosen = _optimized(saver, normal, wal_pages)
    if isinstance(chosen, str):
        decision = Decision(toggle, "*", "refused", chosen)
        chosen = saver
    else:
        decision = Decision(toggle, "*", "applied", _what(chosen, normal))
    plan = plan.decide(decision)
    if at_exit:
        plan = plan.decide(Decision(toggle, "*", "applied", _EXIT))
    if chosen is saver and not at_exit:
        return plan
    return plan.with_finisher(_Install(saver, chosen, at_exit))


def _optimized(saver: Any, normal: bool, wal_pages: int) -> Any:
    """A saver of ours for one of LangGraph's, or the reason why there is none."""
    kind = type(saver)
    if replaced := sorted(_METHODS & vars(saver).keys()):
        return f"the {kind.__name__}'s own {replaced[0]}() was replaced"
    match f"{kind.__module__}.{kind.__qualname__}":
        case "langgraph.checkpoint.sqlite.SqliteSaver":
            from optiflow.checkpoints.sqlite import Journal
            from optiflow.checkpoints.sqlite_savers import OptimizedSqliteSaver

            return OptimizedSqliteSaver(saver, Journal(normal, wal_pages))
        case "langgraph.checkpoint.sqlite.aio.AsyncSqliteSaver":
            from optiflow.checkpoints.sqlite import Journal
            from optiflow.checkpoints.sqlite_savers import OptimizedAsyncSqliteSaver

            return OptimizedAsyncSqliteSaver(saver, Journal(normal, wal_pages))
        case "langgraph.checkpoint.postgres.PostgresSaver":
            from optiflow.checkpoints.postgres_savers import OptimizedPostgresSaver

            return _uncommitting(saver) or OptimizedPostgresSaver(saver)
        case "langgraph.checkpoint.postgres.aio.AsyncPostgresSaver":
            from optiflow.checkpoints.postgres_savers import OptimizedAsyncPostgresSaver

            return _uncommitting(saver) or OptimizedAsyncPostgresSaver(saver)
    return f"{kind.__name__} is none of LangGraph's own savers for SQLite and PostgreSQL"


def _uncommitting(saver: Any) -> str | None:
    """Why a saver's own way to commit is left to it."""
    if saver.pipe is not None:
        return f"the {type(saver).__name__} has a pipeline of the program's own"
    options = getattr(saver.conn, "kwargs", None)  # a pool's, for each of its connections
    commits = saver.conn.autocommit if options is None else options.get("autocommit", False)
    return None if commits else f"the {type(saver).__name__}'s connection does not commit by itself"


def _what(saver: Any, normal: bool) -> str:
    same = "the same rows in fewer transactions, and messages encoded once"
    if not hasattr(saver, "_journal"):
        return same
    return f"{same}; commits don't wait for the disk: {_SQLITE}" if normal else same
