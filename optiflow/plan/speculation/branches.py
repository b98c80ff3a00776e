"""The routers of a graph and the branches that may start early, and what one run makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optiflow.plan.dataflow.containment import contained
from optiflow.plan.dataflow.early import Early, Seen, Why
from optiflow.plan.dataflow.lookahead import Lookahead, Turn
from optiflow.plan.dataflow.output import Output
from optiflow.plan.dataflow.schedule import Schedule
from optiflow.plan.speculation.bill import Bill
from optiflow.plan.speculation.guessing import Learned, Policy
from optiflow.plan.speculation.tally import Tally, current_tally

if TYPE_CHECKING:
    from langgraph.graph.state import StateGraph
    from langgraph.pregel._read import PregelNode
    from langgraph.types import PregelExecutableTask

    from optiflow.plan.dataflow.guard import Guard
    from optiflow.plan.dataflow.seam import Seat

__all__ = ["Branches", "Speculation"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Branches(Schedule):
    """Routers instead of chains: behind a node comes one of several, and one of them is guessed."""

    routers: Mapping[str, tuple[str, ...]]
    """Node with a router behind it -> those of its targets that may start while it runs."""

    policy: Policy
    """Which of them is expected."""

    max_wasted_tokens: int | None
    """What a run may waste before it starts no more; None: as much as it likes."""

    @property
    def gains(self) -> frozenset[str]:
        """The nodes that may start early."""
        return frozenset(target for targets in self.routers.values() for target in targets)

    @property
    def wrapped(self) -> frozenset[str]:
        """Nodes that take part at run time."""
        return self.gains | self.routers.keys()

    def promises(self, name: str, *, crowded: bool) -> bool:
        """Whether anything that could start while a node runs might be worth an early start: what a guess says."""
        return True

    def fits(self, builder: StateGraph[Any, Any, Any, Any]) -> bool:
        """Whether the graph has the very edges and routers that were looked at."""
        return self.edges == builder.edges and self.routers.keys() <= builder.branches.keys() - self.gains

    def lookahead(self, nodes: Mapping[str, PregelNode]) -> Speculation:
        """What keeps the early work of one run."""
        return Speculation(self, nodes)


class _Guess(Early):
    """A branch that was started before its router has decided."""

    def __init__(self, step: int, task: PregelExecutableTask, seen: Seen, guard: Guard | None, tally: Tally) -> None:
        self._bill = Bill()
        self._tally = tally
        output = Output(witness=self._bill)
        super().__init__(step, contained(task, output, undone=True), seen, guard, output)
        tally.started(self._bill)

    def spoil(self, why: Why | None = None) -> None:
        super().spoil(why)
        self._tally.dropped(self._bill)

    def use(self) -> None:
        self._tally.used(self._bill)


class Speculation(Lookahead):
    """The guesses of one run of one graph."""

    def __init__(self, branches: Branches, nodes: Mapping[str, PregelNode]) -> None:
        super().__init__(branches, nodes)
        self._branches = branches
        self._tally = current_tally()
        # What this run shows is for later ones: the same input always makes the same guesses.
        policy = branches.policy
        self._guesses = {router: policy.guess(router, targets) for router, targets in branches.routers.items()}
        self._failed: tuple[str, int] | None = None

    def leave(self, name: str, seat: Seat, *, failed: bool) -> None:
        """The turn ends; after a node with a router, the branch is known."""
        with self._lock:
            super().leave(name, seat, failed=failed)
            if name not in self._branches.routers:
                return
            targets = frozenset() if failed else seat.targets
            for target in [target for target in self._early if target not in targets]:
                self._early.pop(target).abandon()
                self._tally.missed()
            if failed:
                self._failed = (name, seat.step)
            elif isinstance(self._branches.policy, Learned):
                self._branches.policy.experience.learn(name, targets)

    def following(self, name: str) -> Iterator[str]:
        """The branch that is expected after this node."""
        guess = self._guesses.get(name)
        return iter(() if guess is None else (guess,))

    def early(self, step: int, task: PregelExecutableTask, seen: Seen, guard: Guard | None) -> Early:
        """Work that is about to start, contained."""
        return _Guess(step, task, seen, guard, self._tally)

    def _launch(self, turn: Turn) -> None:
        if self._guesses.get(turn.name) is not None and self._may_start(turn):
            super()._launch(turn)

    def _may_start(self, turn: Turn) -> bool:
        # A node that is tried again gets no second guess: it would be paid for at every attempt.
        if (turn.name, turn.seat.step) == self._failed:
            return False
        limit = self._branches.max_wasted_tokens
        return limit is None or self._tally.wasted() < limit
