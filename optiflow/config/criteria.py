"""What the outcome of a run is held against."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["CriteriaConfig", "Criterion", "Reference"]

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class Criterion(BaseModel):
    """One bound on one figure of a run."""

    model_config = _FROZEN

    name: str
    """What the report calls it."""

    figure: str
    """The figure's name; ``TOGGLE.NAME`` for a toggle's statistic."""

    at_most: float | None = None
    """The largest value that passes."""

    at_least: float | str | None = None
    """The smallest value that passes; a grade such as ``A+`` for a grade."""

    equals: float | None = None
    """The only value that passes."""

    unit: str = ""
    """Unit shown behind the figure."""

    needs: tuple[str, ...] = ()
    """Toggles that promise this; without all of them the criterion is not judged."""

    absolute: bool = False
    """Whether the limit speaks of the reference baseline, and is not judged on any other."""

    @model_validator(mode="after")
    def _one_bound(self) -> Criterion:
        if sum(bound is not None for bound in (self.at_most, self.at_least, self.equals)) != 1:
            raise ValueError(f"criterion {self.name!r} needs exactly one of at_most, at_least, equals")
        return self

    @property
    def limit(self) -> str:
        """The bound as text, such as ``<= 140 s``."""
        unit = f" {self.unit}" if self.unit else ""
        if self.at_most is not None:
            return f"<= {self.at_most:g}{unit}"
        if self.equals is not None:
            return f"= {self.equals:g}{unit}"
        bound = self.at_least if isinstance(self.at_least, str) else f"{self.at_least:g}"
        return f">= {bound}{unit}"


class Reference(BaseModel):
    """The baseline that absolute limits were written for."""

    model_config = _FROZEN

    runtime_s: float = Field(gt=0)
    """Its runtime, in seconds."""

    tokens: int = Field(gt=0)
    """Its prompt and completion tokens."""

    tolerance: float = Field(gt=0, lt=1)
    """How far, as a share, a baseline may be from both and still be the reference."""

    def matches(self, runtime_s: float, tokens: int) -> bool:
        """Whether a baseline is near enough for the absolute limits to mean something."""
        near_runtime = abs(runtime_s / self.runtime_s - 1) <= self.tolerance
        return near_runtime and abs(tokens / self.tokens - 1) <= self.tolerance


class CriteriaConfig(BaseModel):
    """The criteria of a run."""

    model_config = _FROZEN

    reference: Reference | None = None
    """The baseline that absolute limits speak of; None: they are never judged."""

    criteria: tuple[Criterion, ...] = ()
    """What is judged, in the order shown."""

    @model_validator(mode="after")
    def _unique_names(self) -> CriteriaConfig:
        names = [criterion.name for criterion in self.criteria]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"criterion {doubled[0]!r} is given twice")
        return self
