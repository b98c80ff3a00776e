"""Graphs whose nodes share what nobody sees; ``python benchmarks/hiding_places.py [--json FILE] [--graphs N] [...]``.

Each graph is put together from a hiding place, a way to it and something that changes it (``tests/hiding``), or is a
scene of its own. It runs plainly twice, then under each arm and one toggle by itself; states, streamed items, errors,
what is left behind and the order of what handlers hear have to be those of plain LangGraph. Graphs that differ from
themselves plainly say nothing, and are counted apart. Graphs without any hiding place show that there is something to
gain: that nothing is wrong would be no merit where nothing is ever started early.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from measure import median_interval
from results import Figure, options_parser, publish

ARMS = ("safe", "all", "parallel")
TOGGLES = (
    "async", "cache", "clients", "dispatch", "durability", "limits", "log_level", "monitor", "speculate", "node cache",
    "exec",
)  # fmt: skip
_LONGEST_S = 20
_EVENTS = ".log"
"""Where a difference lies that is only one of the order of events."""


@dataclass
class Found:
    """One graph's outcome, as it comes from another process."""

    seed: int
    what: str
    how: str
    changed: str
    text: str
    unstable: bool
    broken: bool = False
    wrong: dict[str, str] = field(default_factory=dict)
    plain_s: float = 0.0
    parallel_s: float = 0.0


def main(argv: Sequence[str] | None = None) -> None:
    """Run the graphs, print what is wrong by hiding place, and write the figures."""
    parser = options_parser(__doc__, repetitions=1)
    parser.add_argument("--graphs", type=int, default=5000, help="with hiding places (default: %(default)s)")
    parser.add_argument("--controls", type=int, default=60, help="without any (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="number of the first graph (default: %(default)s)")
    parser.add_argument("--arms", default=",".join(ARMS), help="of every graph (default: %(default)s)")
    parser.add_argument(
        "--toggles", default=",".join(TOGGLES), help="one by itself for each graph (default: %(default)s)"
    )
    parser.add_argument("--processes", type=int, default=6, help="at once (default: %(default)s)")
    parser.add_argument("--place", default="", help="only graphs with this hiding place or scenario")
    options = parser.parse_args(argv)
    _report(options, list(_run(options)))


def _run(options: argparse.Namespace) -> Iterator[Found]:
    seeds = _seeds(options)
    arms, toggles = tuple(filter(None, options.arms.split(","))), tuple(filter(None, options.toggles.split(",")))
    jobs = [(seed, False, _arms(seed, arms, toggles)) for seed in seeds]
    controls = [(seed, True, ("parallel",)) for seed in range(options.controls)]
    with TemporaryDirectory() as home:
        os.environ.update(OPTIFLOW_HOME=home, LANGSMITH_TRACING="false")
        context = get_context("spawn")
        with ProcessPoolExecutor(options.processes, mp_context=context, initializer=_prepare) as pool:
            yield from pool.map(_one, jobs, chunksize=5)
        # Alone, since they are measured.
        with ProcessPoolExecutor(1, mp_context=context, initializer=_prepare) as pool:
            yield from pool.map(_one, controls)


def _seeds(options: argparse.Namespace) -> Iterator[int]:
    if not options.place:
        yield from range(options.seed, options.seed + options.graphs)
        return
    _prepare()
    generator = import_module("hiding.generator")
    found = 0
    seed = options.seed
    while found < options.graphs:
        if generator.spec_of(seed).what == options.place:
            found += 1
            yield seed
        seed += 1


def _arms(seed: int, arms: tuple[str, ...], toggles: tuple[str, ...]) -> tuple[str, ...]:
    return (*arms, toggles[seed % len(toggles)]) if toggles else arms


def _prepare() -> None:
    folder = str(Path(__file__).parents[1] / "tests" / "hiding")
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _one(job: tuple[int, bool, tuple[str, ...]]) -> Found:
    seed, control, arms = job
    generator: Any = import_module("hiding.generator")
    playing: Any = import_module("hiding.playing")
    spec = generator.control(seed) if control else generator.spec_of(seed)
    found = Found(seed, spec.what, spec.how, spec.changed, str(spec), False)
    signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(_LONGEST_S)
    try:
        verdict = playing.verdict(spec, arms)
    except Exception as error:  # noqa: BLE001 - one graph that can't be made or run must not end the others
        found.broken, found.wrong = True, {"every arm": f"{type(error).__name__}: {error}"[:300]}
        return found
    finally:
        signal.alarm(0)
    found.text, found.unstable, found.wrong = str(verdict), bool(verdict.unstable), dict(verdict.wrong)
    found.plain_s, found.parallel_s = verdict.seconds["plain"], verdict.seconds.get("parallel", 0.0)
    return found


def _hangs(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"no end after {_LONGEST_S} s")


def _report(options: argparse.Namespace, found: list[Found]) -> None:
    graphs, controls = (
        [each for each in found if each.what != "nothing"],
        [each for each in found if each.what == "nothing"],
    )
    judged = [each for each in graphs if not each.unstable]
    for each in judged:
        if each.wrong:
            print(f"{each.text}\n" if not each.broken else f"{each.text}\n  {each.wrong}\n")
    by_place = _table(judged, "what")
    _print(by_place)
    _print(_table(judged, "changed"))
    _print(_table(judged, "how"))
    tried = Counter(arm for each in judged if not each.broken for arm in _tried(each, options))
    figures = [
        Figure("graphs", "", len(graphs)),
        Figure("hiding places and scenarios", "", len(by_place)),
        Figure("plain LangGraph differs from itself", "", len(graphs) - len(judged)),
        Figure("could not be run", "", sum(each.broken for each in graphs), "<= 0"),
    ]
    for arm, count in tried.items():
        wrong = [each.wrong[arm] for each in judged if arm in each.wrong]
        events = sum(difference.startswith(_EVENTS) for difference in wrong)
        figures.append(Figure(f"{arm}: wrong of {count}", "", len(wrong), "<= 0"))
        if events:
            figures.append(Figure(f"{arm}: of these, only the order of events", "", events))
    for called, limit in (("called", "< 0.8"), ("streamed", "")):
        ratios = [
            each.parallel_s / each.plain_s
            for each in controls
            if not each.unstable and not each.wrong and ("stream" in each.text) == (called == "streamed")
        ]
        if ratios:
            name = f"without hiding places, {called}: parallel / plain, time"
            figures.append(Figure(name, "", median_interval(ratios), limit))
    places = {what: dict(counts) for what, counts in sorted(by_place.items())}
    publish(figures, options, graphs=len(graphs), seed=options.seed, places=places)


def _table(judged: Sequence[Found], part: str) -> dict[str, Counter[str]]:
    """By hiding place, way or change: graphs, wrong ones, and those whose events alone come in another order."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for each in judged:
        counts = table[getattr(each, part)]
        counts["graphs"] += 1
        if each.wrong:
            only_events = all(difference.startswith(_EVENTS) for difference in each.wrong.values())
            counts["events" if only_events else "wrong"] += 1
    return table


def _print(table: dict[str, Counter[str]]) -> None:
    for name, counts in sorted(table.items(), key=lambda item: -item[1]["wrong"] / item[1]["graphs"]):
        if name and (counts["wrong"] or counts["events"]):
            shown = f"{counts['wrong']:>5} wrong, {counts['events']:>4} only in the order of events"
            print(f"{name:<52} of {counts['graphs']:>5}: {shown}")
    print()


def _tried(found: Found, options: argparse.Namespace) -> tuple[str, ...]:
    return _arms(
        found.seed, tuple(filter(None, options.arms.split(","))), tuple(filter(None, options.toggles.split(",")))
    )


if __name__ == "__main__":
    main()
