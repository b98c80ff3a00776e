"""Which branch a router is expected to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from langgraph.constants import END

from optiflow.plan.speculation.experience import Experience

__all__ = ["Learned", "Named", "Policy", "Position"]


@dataclass(frozen=True)
class Named:
    """The user says it: router -> target, dotted through subgraphs."""

    targets: Mapping[str, str]

    def choices(self, router: str, ends: Sequence[str], prefix: str) -> tuple[str, ...]:
        """Those of a router's targets that may ever be guessed."""
        target = self.targets.get(prefix + router)
        return () if target is None else (target,)

    def guess(self, router: str, choices: Sequence[str]) -> str | None:
        """The target that is expected in the run that begins, if any is."""
        return choices[0]


@dataclass(frozen=True)
class Position:
    """The first or the last of the targets that a router declares."""

    place: Literal["first", "last"]

    def choices(self, router: str, ends: Sequence[str], prefix: str) -> tuple[str, ...]:
        """Those of a router's targets that may ever be guessed."""
        inside = [end for end in ends if end != END]
        return tuple(inside[:1] if self.place == "first" else inside[-1:])

    def guess(self, router: str, choices: Sequence[str]) -> str | None:
        """The target that is expected in the run that begins, if any is."""
        return choices[0]


@dataclass(frozen=True)
class Learned:
    """The target that earlier runs took most often, if they took it often enough."""

    min_probability: float
    min_observations: int
    experience: Experience = field(default_factory=Experience)
    recorded: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """What recorded runs took: router -> target -> times."""

    def choices(self, router: str, ends: Sequence[str], prefix: str) -> tuple[str, ...]:
        """Those of a router's targets that may ever be guessed."""
        return tuple(end for end in ends if end != END)

    def guess(self, router: str, choices: Sequence[str]) -> str | None:
        """The target that is expected in the run that begins, if any is."""
        likely = max(choices, key=lambda target: self.times(router, target)[0])
        times, decided = self.times(router, likely)
        return likely if decided >= self.min_observations and times >= self.min_probability * decided else None

    def times(self, router: str, target: str) -> tuple[int, int]:
        """How often the target was taken, and how often the router decided."""
        taken, decided = self.experience.seen(router)
        earlier = self.recorded.get(router, {})
        return taken.get(target, 0) + earlier.get(target, 0), decided + sum(earlier.values())


Policy = Named | Position | Learned
