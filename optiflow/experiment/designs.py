"""Designs over toggles: which combinations an experiment runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from optiflow.config.files import options_of
from optiflow.errors import ConfigurationError
from optiflow.extras import require

__all__ = ["MOST_ARMS", "Combination", "ablate", "full", "rollback", "screen", "screen_aliases"]

MOST_ARMS = 1024
"""Most arms of a design; a full factorial of eleven toggles has more."""


@dataclass(frozen=True, slots=True)
class Combination:
    """Which toggles an arm switches on, and what it is called."""

    name: str
    levels: dict[str, bool]
    overrides: tuple[str, ...] = ()
    """Beyond those of the whole experiment."""


def ablate(toggles: Sequence[str]) -> list[Combination]:
    """None, all, each toggle alone, and all minus each: 2k + 2 arms for k toggles."""
    everything = set(toggles)
    chosen = [set[str](), everything, *({name} for name in toggles), *(everything - {name} for name in toggles)]
    return _combinations(chosen, toggles)


def full(toggles: Sequence[str]) -> list[Combination]:
    """Every combination: 2^k arms.

    Raises:
        ConfigurationError: There are more than `MOST_ARMS`.
    """
    arms = 2 ** len(toggles)
    if arms > MOST_ARMS:
        raise ConfigurationError(
            f"experiment.design=full: {len(toggles)} toggles make {arms:,} arms, more than {MOST_ARMS:,}; "
            "use experiment=screen or experiment=ablate, or name fewer in experiment.toggles"
        )
    rows = itertools.product((False, True), repeat=len(toggles))
    return _combinations(({name for name, on in zip(toggles, row, strict=True) if on} for row in rows), toggles)


def screen(toggles: Sequence[str], resolution: int) -> list[Combination]:
    """The smallest fraction of the full factorial that has a resolution, with the arms none and all added.

    Args:
        toggles: At least three.
        resolution: 3, 4 or 5, see `ExperimentConfig.resolution`.

    Raises:
        ConfigurationError: There are too few toggles, or the fraction is still too large.
    """
    rows = _fraction(toggles, resolution)
    if len(rows) > MOST_ARMS:
        raise ConfigurationError(
            f"experiment.design=screen: resolution {resolution} of {len(toggles)} toggles takes {len(rows):,} arms, "
            f"more than {MOST_ARMS:,}; use a lower experiment.resolution or experiment=ablate"
        )
    chosen = [{name for name, level in zip(toggles, row, strict=True) if level > 0} for row in rows]
    return _combinations([set(), *chosen, set(toggles)], toggles)


def screen_aliases(toggles: Sequence[str], resolution: int) -> tuple[str, ...]:
    """Main effects and pairs that `screen` can't tell from other main effects or pairs, one line a group."""
    names = {chr(ord("a") + place): name for place, name in enumerate(toggles)}
    import numpy as np

    groups, _ = _pydoe().fracfact_aliasing(np.array(_fraction(toggles, resolution)))
    lines = []
    for group in groups:
        effects = [effect for effect in group.split(" = ") if len(effect) <= 2]
        if len(effects) > 1:
            lines.append(" = ".join("×".join(names[letter] for letter in effect) for effect in effects))
    return tuple(lines)


def rollback(base: str) -> list[Combination]:
    """None, the preset, and the preset under every rollback: one arm more than there are presets."""
    presets = [
        Combination(f"rollback={name}" if name == base else name, {}, (f"+opt={base}", f"+rollback={name}"))
        for name in options_of("rollback")
    ]
    return [Combination("none", {}), Combination(base, {}, (f"+opt={base}",)), *presets]


def _fraction(toggles: Sequence[str], resolution: int) -> list[list[float]]:
    if len(toggles) < 3:
        raise ConfigurationError(f"experiment.design=screen: needs at least 3 toggles, not {len(toggles)}; use full")
    if len(toggles) > 26:
        raise ConfigurationError(f"experiment.design=screen: takes at most 26 toggles, not {len(toggles)}; use ablate")
    if len(toggles) <= resolution:
        return [list(row) for row in itertools.product((-1.0, 1.0), repeat=len(toggles))]
    rows: list[list[float]] = _pydoe().fracfact_by_res(len(toggles), resolution).tolist()
    return rows


def _pydoe() -> Any:
    return require("pyDOE3", "experiments", "experiment.design=screen")


def _combinations(chosen: Iterable[Iterable[str]], toggles: Sequence[str]) -> list[Combination]:
    """Named, each once, in the order given."""
    seen: dict[frozenset[str], Combination] = {}
    for each in chosen:
        on = frozenset(each)
        seen.setdefault(on, Combination(_name(on, toggles), {name: name in on for name in toggles}))
    return list(seen.values())


def _name(on: frozenset[str], toggles: Sequence[str]) -> str:
    off = [name for name in toggles if name not in on]
    if not on:
        return "none"
    if not off:
        return "all"
    if len(on) == 1:
        return f"only {next(iter(on))}"
    if len(off) == 1:
        return f"all minus {off[0]}"
    return " + ".join(name for name in toggles if name in on)
