"""Main effects and interactions of the factors of a two-level design."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optiflow.analysis.experiment.paired import by_block, interval_of_median
from optiflow.analysis.experiment.results import Effect, Interval, Sample

__all__ = ["Levels", "effects_of"]

Levels = Mapping[str, Mapping[str, bool]]
"""For each arm, whether each factor is on."""

_Term = tuple[str, ...]


@dataclass(frozen=True)
class _Model:
    """The terms that a design can tell apart, with a column of signs for each."""

    terms: tuple[_Term, ...]
    columns: NDArray[np.float64]
    """Arms × (1 + terms); the first column is the mean's."""
    aliases: Mapping[_Term, tuple[_Term, ...]]


def effects_of(
    samples: Sequence[Sample], levels: Levels, factors: Sequence[str], *, seed: int = 0
) -> tuple[Effect, ...]:
    """What each factor, and each pair of them, does to a figure.

    The logarithms of each block are fitted by least squares on signs of -1 and +1 (Jain 1991, "The Art of Computer
    Systems Performance Analysis", chapters 17 to 19); blocks vary on their own account and are fitted apart, and the
    interval is that of the median over blocks. A main effect is the average change over all settings of the others; an
    interaction of two is by how much both together change more than each does alone.

    Args:
        samples: The measurements; blocks in which an arm is missing are left out.
        levels: For each arm whether each factor is on; arms that are not here don't count.
        factors: In order.
        seed: Of the resampling.

    Returns:
        Main effects in the order of the factors, then pairs where the design is balanced enough for them; those that
        it can't tell from an earlier one are named with that one. Nothing where no two blocks are complete.
    """
    arms = list(levels)
    values = by_block(samples)
    blocks = sorted(set.intersection(*(set(values.get(arm, {})) for arm in arms))) if arms else []
    blocks = [block for block in blocks if all(values[arm][block] > 0 for arm in arms)]
    if len(blocks) < 2 or not factors:
        return ()
    logs = np.log([[values[arm][block] for arm in arms] for block in blocks])
    model = _model(levels, factors)
    fits = np.linalg.lstsq(model.columns, logs.T, rcond=None)[0]
    shares = _shares(model, logs)
    found = []
    for place, term in enumerate(model.terms, start=1):
        # On minus off is twice a coefficient on -1 and +1; for a pair the difference of differences is four times.
        changes = fits[place] * 2 ** len(term)
        interval = interval_of_median(changes, seed=seed)
        found.append(
            Effect(
                factors=term,
                ratio=float(np.exp(np.median(changes))),
                interval=Interval(float(np.exp(interval.low)), float(np.exp(interval.high)), interval.level),
                share_of_variation=float(shares[place - 1]),
                aliased_with=model.aliases.get(term, ()),
            )
        )
    return tuple(found)


def _model(levels: Levels, factors: Sequence[str]) -> _Model:
    signs = {name: np.array([1.0 if on[name] else -1.0 for on in levels.values()]) for name in factors}
    terms: list[_Term] = []
    columns = [np.ones(len(levels))]
    aliases: dict[_Term, tuple[_Term, ...]] = {}
    for name in factors:
        terms.append((name,))
        columns.append(signs[name])
    # Pairs can only be told if each is independent of all the rest, or the very same as another.
    pairs: list[tuple[_Term, NDArray[np.float64]]] = []
    for term in itertools.combinations(factors, 2):
        column = signs[term[0]] * signs[term[1]]
        known = [*zip(terms, columns[1:], strict=True), *pairs]
        products = [float(column @ other) for _, other in known]
        twin = next((place for place, product in enumerate(products) if abs(product) == len(column)), None)
        if twin is not None:
            aliases[known[twin][0]] = (*aliases.get(known[twin][0], ()), term)
        elif any(products) or column.sum():
            return _Model(tuple(terms), np.column_stack(columns), {})
        else:
            pairs.append((term, column))
    terms += [term for term, _ in pairs]
    columns += [column for _, column in pairs]
    return _Model(tuple(terms), np.column_stack(columns), aliases)


def _shares(model: _Model, logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of the variation within blocks that goes with a term beyond all others."""
    centred = (logs - logs.mean(axis=1, keepdims=True)).T
    total = float((centred**2).sum())
    if total == 0:
        return np.zeros(len(model.terms))
    whole = _residual(model.columns, centred)
    without = (_residual(np.delete(model.columns, place, axis=1), centred) for place in range(1, len(model.terms) + 1))
    return np.array([max(0.0, residual - whole) / total for residual in without])


def _residual(columns: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    fitted = columns @ np.linalg.lstsq(columns, values, rcond=None)[0]
    return float(((values - fitted) ** 2).sum())
