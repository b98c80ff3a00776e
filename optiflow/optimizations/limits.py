"""Toggle ``limits``: model requests wait for what their provider allows; slow ones may be hedged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from optiflow.optimizations.base import Around, Decision, Optimization, Options, Statistics

if TYPE_CHECKING:
    from optiflow.limits.settings import LimitSettings
    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["Limits", "LimitsOptions"]


class LimitsOptions(Options):
    """Options of ``limits``. Each limit is one account's with one model."""

    initial_concurrency: int = Field(default=10, ge=1)
    """How many requests may be in flight at first; more are tried as long as the provider takes them."""

    max_concurrency: int | None = Field(default=None, ge=1)
    """The most requests in flight; None: what the provider takes."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    """The most requests within any minute; None: what the provider takes."""

    tokens_per_minute: int | None = Field(default=None, ge=1)
    """About the most tokens a minute: each request's are estimated and corrected by what its answer says it used.
    None: what the provider takes."""

    max_wait_s: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    """A provider that has refused everything for so long tells the application so itself, in seconds."""

    hedge: bool = False
    """Whether slow requests that can be repeated are sent a second time, for the first answer."""

    hedge_budget: float = Field(default=0.02, gt=0, le=0.5)
    """The largest share of requests that are hedged, which are those slower than all but this share."""

    def settings(self) -> LimitSettings:
        """The same for the gates."""
        from optiflow.limits.settings import LimitSettings

        return LimitSettings(**self.model_dump(exclude={"enabled"}))


class Limits(Optimization[LimitsOptions]):
    """Sends the requests to model providers through gates that learn what the providers allow."""

    name: ClassVar[str] = "limits"
    options_model: ClassVar[type[Options]] = LimitsOptions

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        """Leave the graph as it is: the toggle works around the run."""
        reason = "model requests that httpx or httpx2 sends wait for what their provider allows"
        return plan.decide(Decision(self.name, "*", "applied", reason))

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        """Send the run's model requests through gates of its own: what is measured owes nothing to others."""
        from optiflow.limits.governor import Gates, govern

        with govern(Gates(self.options.settings())) as tally:
            yield tally.statistics

    def attach(self) -> AbstractContextManager[object]:
        """Send the run's model requests through the gates that all runs with these options share."""
        from optiflow.limits.governor import govern, shared_gates

        return govern(shared_gates(self.options.settings()))

    def around(self) -> Around:
        """The same as `attach`."""
        return self._around

    @cached_property
    def _around(self) -> Around:
        from optiflow.limits.governor import SENDING, _governed, load_libraries, shared_gates
        from optiflow.limits.tally import Tally

        load_libraries()
        # Nobody asks what was done in a run: one account will do for all.
        held = shared_gates(self.options.settings()), Tally()
        return Around(((_governed, lambda: held),), (SENDING,))
