"""Effects, interactions and shares against planted ones."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from optiflow.analysis.experiment.effects import effects_of
from optiflow.analysis.experiment.results import Sample
from optiflow.analysis.experiment.shapley import shapley_shares

_FACTORS = ("a", "b", "c")
_PLANTED = {("a",): math.log(0.5), ("b",): math.log(1.2), ("c",): 0.0, ("a", "b"): math.log(0.8)}


def _full(factors: tuple[str, ...] = _FACTORS) -> dict[str, dict[str, bool]]:
    rows = itertools.product((False, True), repeat=len(factors))
    return {"".join("+" if on else "-" for on in row): dict(zip(factors, row, strict=True)) for row in rows}


def _value(on: dict[str, bool]) -> float:
    return sum(size for term, size in _PLANTED.items() if all(on[name] for name in term))


def _measured(levels: dict[str, dict[str, bool]], blocks: int = 4, spread: float = 0.0) -> list[Sample]:
    generator = np.random.default_rng(0)
    return [
        Sample(arm, block, place, 10 * math.exp(_value(on) + 0.2 * block + spread * generator.normal()))
        for block in range(blocks)
        for place, (arm, on) in enumerate(levels.items())
    ]


def test_planted_effects_are_found() -> None:
    """A main effect is the average over the others; blocks that differ as wholes do not disturb it."""
    levels = _full()
    found = {effect.factors: effect.ratio for effect in effects_of(_measured(levels), levels, _FACTORS)}
    assert found[("a",)] == pytest.approx(0.5 * math.sqrt(0.8))
    assert found[("b",)] == pytest.approx(1.2 * math.sqrt(0.8))
    assert found[("c",)] == pytest.approx(1.0)
    assert found[("a", "b")] == pytest.approx(0.8)
    assert found[("a", "c")] == pytest.approx(1.0)


def test_shares_of_variation_add_up() -> None:
    """Without noise, effects explain everything."""
    levels = _full()
    found = effects_of(_measured(levels), levels, _FACTORS)
    assert sum(effect.share_of_variation for effect in found) == pytest.approx(1.0)
    assert found[0].share_of_variation > 0.8


def test_noise_widens_the_interval() -> None:
    """And the truth is inside."""
    levels = _full()
    effect = effects_of(_measured(levels, blocks=12, spread=0.05), levels, _FACTORS)[0]
    assert effect.interval.low < 0.5 * math.sqrt(0.8) < effect.interval.high
    assert effect.interval.high / effect.interval.low > 1.01


def test_aliases_are_named() -> None:
    """In half a factorial of c = ab, c can't be told from a with b."""
    levels = {name: on for name, on in _full().items() if on["c"] == (on["a"] == on["b"])}
    found = {effect.factors: effect.aliased_with for effect in effects_of(_measured(levels), levels, _FACTORS)}
    assert found == {("a",): (("b", "c"),), ("b",): (("a", "c"),), ("c",): (("a", "b"),)}


def test_a_design_that_is_not_balanced_gives_main_effects_only() -> None:
    """None, all, each alone, all minus each."""
    levels = {name: on for name, on in _full(("a", "b", "c", "d")).items() if sum(on.values()) in {0, 1, 3, 4}}
    samples = [Sample(arm, block, 0, 2.0 if on["d"] else 1.0) for arm, on in levels.items() for block in (0, 1)]
    found = effects_of(samples, levels, ("a", "b", "c", "d"))
    assert [effect.factors for effect in found] == [("a",), ("b",), ("c",), ("d",)]
    assert [effect.ratio for effect in found] == pytest.approx([1, 1, 1, 2])


def test_incomplete_blocks_are_left_out() -> None:
    """With fewer than two complete ones there is nothing to say."""
    levels = _full()
    samples = [sample for sample in _measured(levels, 3) if not (sample.block > 0 and sample.arm == "+++")]
    assert effects_of(samples, levels, _FACTORS) == ()
    assert effects_of([], {}, ()) == ()


def test_figures_that_never_vary() -> None:
    """Nothing has an effect, and nothing a share."""
    levels = _full()
    samples = [Sample(arm, block, 0, 5.0) for arm in levels for block in (0, 1)]
    found = effects_of(samples, levels, _FACTORS)
    assert [effect.ratio for effect in found] == pytest.approx([1.0] * 6)
    assert {effect.share_of_variation for effect in found} == {0.0}


def test_shapley_shares_add_up_to_the_whole() -> None:
    """An interaction is shared evenly by its two."""
    levels = _full()
    found = {share.factor: share for share in shapley_shares(_measured(levels), levels, _FACTORS, "---")}
    assert found["a"].log_ratio == pytest.approx(math.log(0.5) + math.log(0.8) / 2)
    assert found["c"].log_ratio == pytest.approx(0)
    assert sum(share.share for share in found.values()) == pytest.approx(1)
    assert all(share.exact for share in found.values())


def test_shapley_with_few_coalitions_is_modelled() -> None:
    """Pairs of planted effects are found from none, all, each alone and all minus each of three."""
    levels = {name: on for name, on in _full().items() if name != "++-"}
    found = {share.factor: share for share in shapley_shares(_measured(levels), levels, _FACTORS, "---")}
    assert not found["a"].exact
    assert found["a"].log_ratio == pytest.approx(math.log(0.5) + math.log(0.8) / 2, abs=0.02)
    assert sum(share.log_ratio for share in found.values()) == pytest.approx(_value(dict.fromkeys(_FACTORS, True)))


@pytest.mark.parametrize("missing", ["---", "+++"])
def test_no_shapley_without_both_ends(missing: str) -> None:
    """What is shared out is the difference of all and none."""
    levels = _full()
    samples = [sample for sample in _measured(levels) if sample.arm != missing]
    assert shapley_shares(samples, levels, _FACTORS, "---") == ()


def test_no_gain_has_no_shares() -> None:
    """Nothing can't be divided; the parts are zero."""
    levels = _full()
    samples = [Sample(arm, 0, 0, 5.0) for arm in levels]
    assert all(math.isnan(share.share) for share in shapley_shares(samples, levels, _FACTORS, "---"))


def test_there_is_no_share_of_no_gain() -> None:
    """Where none and all can't be told apart any number would come out."""
    levels = _full(("a", "b"))
    generator = np.random.default_rng(1)
    samples = [Sample(arm, block, 0, 10 * math.exp(0.05 * generator.normal())) for block in range(9) for arm in levels]
    shares = shapley_shares(samples, levels, ("a", "b"), "--")
    assert [math.isnan(share.share) for share in shares] == [True, True]
