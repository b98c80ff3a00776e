"""The figures of the main job; ``python benchmarks/main_job.py [--json FILE] [--repetitions N] [OVERRIDE ...]``.

Both arms are run in turn in one process, and whole command lines in turn in processes of their own. Records and logs
go to a temporary folder. Overrides, such as another input, go to every run.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import interleave, median_interval, ratio_interval
from results import Figure, options_parser, publish

from optiflow.analysis.verdict import Verdict, judge
from optiflow.checklist.memory import resident_mb_over_runs
from optiflow.checklist.phases import Context
from optiflow.cli.logs import log_as_configured
from optiflow.config.compose import compose
from optiflow.record.schema import RunRecord
from optiflow.record.store import RecordStore
from optiflow.run import execute, prepare
from optiflow.settings import get_settings

WARM_UP_RUNS = 20
"""Runs after which memory must not grow any more."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    parser = options_parser(__doc__, repetitions=9)
    parser.add_argument("--runs", type=int, default=200, help="runs over which memory is watched (default: 200)")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE")
    options = parser.parse_args(argv)
    with TemporaryDirectory() as home:
        os.environ["OPTIFLOW_HOME"] = str(Path(home) / "own")
        get_settings.cache_clear()
        with log_as_configured(compose(options.overrides)):
            # First, while nothing else has been in this process's memory.
            resident = resident_over_runs(options.overrides, options.runs)
            arms = list(both_arms(options.overrides, options.repetitions))
        figures = [*arms, *processes(options.overrides, options.repetitions, Path(home)), growth(resident)]
    publish(figures, options, runs=options.runs, resident_mb=[round(each, 2) for each in resident])


def both_arms(overrides: Sequence[str], repetitions: int) -> Iterator[Figure]:
    """The baseline and the run with every toggle, round by round."""
    plain, toggled = compose(overrides), compose(["+opt=all", *overrides])
    baselines: list[RunRecord] = []
    runs: list[RunRecord] = []
    with closing(RecordStore(get_settings().store_url)) as store:
        seconds = interleave(
            {
                "baseline": lambda: baselines.append(execute(prepare(plain), store)),
                "all": lambda: runs.append(execute(prepare(toggled), store)),
            },
            repetitions,
        )
    verdicts = [judge(run, baseline, toggled.criteria) for run, baseline in zip(runs[1:], baselines[1:], strict=True)]
    before = [judge(baseline, None, plain.criteria) for baseline in baselines[1:]]
    runtime, runtime_before = _values(verdicts, "runtime_s"), _values(before, "runtime_s")
    tokens_before = statistics.median(_values(before, "tokens"))
    yield Figure("baseline runtime", "s", median_interval(runtime_before))
    yield Figure("baseline tokens", "", tokens_before)
    if (reference := plain.criteria.reference) is not None:
        off = abs(statistics.median(runtime_before) / reference.runtime_s - 1)
        yield Figure(f"baseline runtime, distance from {reference.runtime_s:g} s", "", off, "<= 0.01")
        off = abs(tokens_before / reference.tokens - 1)
        yield Figure(f"baseline tokens, distance from {reference.tokens:,}", "", off, "<= 0.02")
    yield Figure("+opt=all runtime", "s", median_interval(runtime))
    yield Figure("+opt=all runtime / baseline", "", ratio_interval(runtime, runtime_before), "<= 0.30")
    critical = median_interval(_values(verdicts, "critical_path_ratio"))
    yield Figure("+opt=all runtime / critical path", "", critical, "<= 1.10")
    yield Figure("+opt=all tokens / baseline", "", median_interval(_values(verdicts, "tokens_ratio")), "<= 1")
    yield Figure("+opt=all grade steps lost, worst round", "", max(_values(verdicts, "grade_steps_lost")), "<= 0")
    yield Figure("+opt=all success rate, worst round", "", min(_values(verdicts, "success_rate")), ">= 1")
    equal = statistics.fmean(verdict.outputs_equal is True for verdict in verdicts)
    yield Figure("+opt=all answers equal to the baseline's, share of rounds", "", equal, ">= 1")
    cpu = ratio_interval(_values(verdicts, "cpu_s"), _values(before, "cpu_s"))
    yield Figure("+opt=all own CPU time / baseline", "", cpu)
    yield Figure("baseline, wall time of a run in this process", "s", median_interval(seconds["baseline"]))
    yield Figure("+opt=all, wall time of a run in this process", "s", median_interval(seconds["all"]))


def processes(overrides: Sequence[str], repetitions: int, home: Path) -> Iterator[Figure]:
    """Command lines from the start of the process to its exit."""
    fresh = (home / f"fresh-{number}" for number in count())
    job = ["-m", "optiflow", "+opt=all", *overrides]
    arms: dict[str, tuple[Callable[[], None], str]] = {
        "python -c pass": (partial(_call, ["-c", "pass"], home), ""),
        "--help": (partial(_call, ["-m", "optiflow", "--help"], home), "< 0.6"),
        "a configuration error": (partial(_call, ["-m", "optiflow", "+opt=al"], home, 2), "< 1"),
        "+opt=all, baseline on record": (partial(_call, job, home / "kept"), "< 6"),
        "+opt=all, fresh store, baseline included": (lambda: _call(job, next(fresh)), "< 6"),
    }
    samples = interleave({name: call for name, (call, _) in arms.items()}, repetitions)
    for name, (_, limit) in arms.items():
        yield Figure(f"process start to exit: {name}", "s", median_interval(samples[name]), limit)


def resident_over_runs(overrides: Sequence[str], runs: int) -> list[float]:
    """Resident memory in MB after each of many runs with every toggle in this process."""
    resident, _ = resident_mb_over_runs(Context(tuple(overrides), get_settings()), runs)
    return resident


def growth(resident: Sequence[float]) -> Figure:
    """What was added behind the warm-up."""
    warm = min(WARM_UP_RUNS, len(resident))
    name = f"resident memory, run {len(resident)} minus run {warm} in one process"
    return Figure(name, "MB", resident[-1] - resident[warm - 1], "< 5")


def _values(verdicts: Sequence[Verdict], figure: str) -> list[float]:
    return [float(verdict.figures[figure]) for verdict in verdicts]


def _call(arguments: Sequence[str], home: Path, expected: int = 0) -> None:
    """Run Python with these arguments; 3, criteria not met, is as good an end as 0 for a timing."""
    done = subprocess.run(
        [sys.executable, *arguments], env={**os.environ, "OPTIFLOW_HOME": str(home)}, capture_output=True, check=False
    )
    if done.returncode not in {expected, expected or 3}:
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")


if __name__ == "__main__":
    main()
