"""Statistics and bisection against planted truths; ``python benchmarks/planted.py [--json FILE] [--parts PART ...]``.

Every experiment is made up: arms of known effects and interactions, blocks that differ as wholes, noise, and a drift
from the first run to the last. What is counted is how often the intervals hold the truth, how often something is found
that is not there, and how often the bisection blames exactly the culprits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from results import Figure, options_parser, publish

from optiflow.analysis.bisection import Answer, Prober, ddmin
from optiflow.analysis.experiment.effects import effects_of
from optiflow.analysis.experiment.paired import compare_arms
from optiflow.analysis.experiment.results import Sample
from optiflow.experiment.plan import Arm
from optiflow.experiment.schedule import schedule

FACTORS = ("a", "b", "c")
PLANTED = {("a",): math.log(0.6), ("b",): math.log(1.1), ("c",): 0.0, ("a", "b"): math.log(0.9)}
"""What each factor, and a with b, add to the logarithm of a figure."""

BLOCK_SPREAD = 0.2
"""By how much whole blocks differ, as a logarithm."""

DRIFT = 0.1
"""From the first run to the last, as a logarithm."""

NOISE = (0.01, 0.05, 0.2)
"""Spread of single runs; experiments take them in turn."""

TOGGLES = tuple(f"toggle_{number}" for number in range(10))

_BISECTION = "ddmin"
_PARTS = ("5", "9", "15", _BISECTION)
"""Blocks of the simulated experiments, and the bisection."""

_LEVELS = {
    "+".join(name for name, on in zip(FACTORS, row, strict=True) if on) or "none": dict(zip(FACTORS, row, strict=True))
    for row in itertools.product((False, True), repeat=len(FACTORS))
}
_ARMS = tuple(Arm(name=name, overrides=(), levels=on, config_sha256=name) for name, on in _LEVELS.items())


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate, print, and write the figures."""
    parser = options_parser(__doc__, repetitions=1000)
    parser.add_argument(
        "--parts", nargs="+", choices=_PARTS, default=_PARTS, help="what is simulated (default: everything)"
    )
    options = parser.parse_args(argv)
    figures: list[Figure] = []
    for blocks in (int(part) for part in options.parts if part != _BISECTION):
        figures += coverage(blocks, options.repetitions)
        figures.append(false_findings(blocks, options.repetitions))
    probes = min(100, options.repetitions)
    for lies, limit in ((0.0, ">= 1"), (0.1, ">= 0.95")) if _BISECTION in options.parts else ():
        for size in (1, 2):
            name = f"ddmin blames exactly {size} of {len(TOGGLES)}, {lies:.0%} of probes lie: share of {probes}"
            figures.append(Figure(name, "", found(size, lies, probes), limit))
    publish(figures, options, parts=options.parts)


def simulated(generator: np.random.Generator, blocks: int, noise: float, planted: bool = True) -> list[Sample]:
    """An experiment as it would have been run: in snake order, drifting, each block on a level of its own."""
    seed = int(generator.integers(2**31))
    jobs = schedule("planted", _ARMS, blocks, seed)
    levels = generator.normal(0, BLOCK_SPREAD, blocks)
    samples = []
    for place, job in enumerate(jobs):
        on = _LEVELS[job.arm]
        logarithm = levels[job.block] + DRIFT * place / len(jobs) + noise * generator.normal()
        samples.append(
            Sample(job.arm, job.block, job.position, 10 * math.exp(logarithm + (truth(on) if planted else 0)))
        )
    return samples


def truth(on: dict[str, bool]) -> float:
    """The planted logarithm of an arm against none."""
    return sum(size for term, size in PLANTED.items() if all(on[name] for name in term))


def effect_truth(term: tuple[str, ...]) -> float:
    """A main effect averages over the settings of the others; of a pair it is the difference of differences."""
    others = sum(size / 2 for pair, size in PLANTED.items() if len(pair) == 2 and set(term) < set(pair))
    return PLANTED.get(term, 0.0) + others


def coverage(blocks: int, experiments: int) -> Iterator[Figure]:
    """The share of intervals that hold the planted ratio, of arms and of effects."""
    arms = [0, 0]
    effects = [0, 0]
    generator = np.random.default_rng(blocks)
    for number in range(experiments):
        samples = simulated(generator, blocks, NOISE[number % len(NOISE)])
        for result in compare_arms(samples, "none", min_effect=0.01, seed=number):
            ratio = math.exp(truth(_LEVELS[result.arm]))
            arms[0] += result.interval.low <= ratio <= result.interval.high
            arms[1] += 1
        for effect in effects_of(samples, _LEVELS, FACTORS, seed=number):
            ratio = math.exp(effect_truth(effect.factors))
            effects[0] += effect.interval.low <= ratio <= effect.interval.high
            effects[1] += 1
    for what, (covered, of) in (("arms", arms), ("effects and interactions", effects)):
        share = covered / of
        yield Figure(f"{blocks} blocks: 95 % intervals of {what} that hold the truth", "", share, ">= 0.93")
        yield Figure(f"{blocks} blocks: the same, not too wide", "", share, "<= 0.97")


def false_findings(blocks: int, experiments: int) -> Figure:
    """The share of experiments without any effect in which some arm is called faster or slower."""
    generator = np.random.default_rng(1000 + blocks)
    wrong = 0
    for number in range(experiments):
        samples = simulated(generator, blocks, NOISE[number % len(NOISE)], planted=False)
        calls = {result.call for result in compare_arms(samples, "none", min_effect=0.0, seed=number)}
        wrong += "faster" in calls
    return Figure(f"{blocks} blocks: experiments without effects with a 'faster'", "", wrong / experiments, "<= 0.05")


def found(size: int, lies: float, rounds: int) -> float:
    """How often exactly the planted culprits are blamed."""
    right = 0
    for seed in range(rounds):
        generator = np.random.default_rng(seed)
        culprits = frozenset(generator.choice(TOGGLES, size, replace=False).tolist())

        def probe(
            items: frozenset[str], generator: np.random.Generator = generator, culprits: frozenset[str] = culprits
        ) -> Answer:
            return "FAIL" if (culprits <= items) != (generator.random() < lies) else "PASS"

        # Where nothing is flaky one probe of a set tells all.
        right += set(ddmin(TOGGLES, Prober(probe, lead=3 if lies else 1))) == culprits
    return right / rounds


if __name__ == "__main__":
    main()
