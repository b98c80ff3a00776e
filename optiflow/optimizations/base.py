"""What a toggle is: a name, options, a rewrite of the plan, and something around the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from optiflow.plan.decision import Decision

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["Around", "Decision", "Optimization", "Options", "Shared", "Statistics", "no_statistics"]

Statistics = Callable[[], Mapping[str, float | int | str]]
"""Called after the run: what the toggle did, as flat names and figures."""


class Shared(Protocol):
    """Something that runs hold together: the first one puts it in place, and with the last one it goes.

    `release` may be called in the middle of anything, as when an abandoned stream is collected as garbage.
    """

    def hold(self) -> None:
        """A run begins."""

    def release(self) -> None:
        """A run that held it has ended."""


@dataclass(frozen=True, slots=True)
class Around:
    """What has to hold around each run of a graph, in the form that costs least."""

    values: tuple[tuple[ContextVar[Any], Callable[[], Any]], ...] = ()
    """Context variables, and what makes the value of each for a run."""

    shared: tuple[Shared, ...] = ()
    """What is held together with all other runs."""


class Options(BaseModel):
    """Base of a toggle's options; ``enabled`` is every toggle's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    """Whether the toggle takes part; ``false`` is how a preset or a rollback turns it off."""

    @cached_property
    def written(self) -> str:
        """All of them in one text, which tells them from others."""
        return self.model_dump_json()


OptionsT = TypeVar("OptionsT", bound=Options)


class Optimization(Generic[OptionsT]):
    """One toggle. Subclasses set ``name`` and ``options_model`` and override one or both methods.

    A toggle knows nothing of its neighbours: it sees a plan and returns a plan.
    """

    name: ClassVar[str]
    """The toggle's name, which is also its YAML file's, its module's and its test's."""

    options_model: ClassVar[type[Options]] = Options
    """The pydantic model of its options, a subclass of `Options`."""

    only_rewrites: ClassVar[bool] = False
    """Whether all that it does around a run is to keep account of what its rewrite did."""

    nests: ClassVar[bool] = True
    """Whether a run within a run may hold the toggle with other options, which then apply within it."""

    def __init__(self, options: OptionsT) -> None:
        self.options = options

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Return the optimized plan; the one given is never changed.

        Every node that was considered gets a `Decision`, added with ``plan.decide(...)``.
        """
        return plan

    def activate(self) -> AbstractContextManager[Statistics]:
        """Whatever has to hold around the run; yields what to ask for its statistics afterwards."""
        return nullcontext(no_statistics)

    def attach(self) -> AbstractContextManager[object]:
        """What has to hold around each run of a graph in somebody's own program, where nobody asks for statistics.

        It must cost next to nothing: a program may make thousands of short runs. A toggle whose `activate` only
        observes, or observes too, overrides this.
        """
        return self.activate()

    def around(self) -> Around | None:
        """The same as `attach`, for toggles that need no more than context variables and what all runs hold together.

        Returns:
            None where a run has to enter `attach` instead.
        """
        return None


def no_statistics() -> Mapping[str, float | int | str]:
    """The statistics of a toggle that keeps none."""
    return {}
