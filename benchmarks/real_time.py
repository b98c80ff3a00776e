"""Both arms of the main job on the virtual and on the real clock: do they agree?

``python benchmarks/real_time.py [--json FILE] [OVERRIDE ...]``; with the real baseline it takes some five minutes.
Overrides, such as another input, go to every run. Exit code 3: the clocks disagree.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from results import write_json

from optiflow.record.store import RecordStore

ARMS: Mapping[str, tuple[str, ...]] = {"baseline": (), "+opt=all": ("+opt=all",)}
"""The runs of the main job by name, the baseline first: it is what the other is compared with."""

CLOCKS = ("virtual", "real")
TOLERANCE = 0.02
"""How far a real runtime may lie from the virtual one, as a share."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run every arm on every clock, print the table, write the evidence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file to write the evidence to")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE")
    options = parser.parse_args(argv)
    with TemporaryDirectory() as home:
        runs = {
            name: {clock: run([*arm, f"clock={clock}", *options.overrides], Path(home)) for clock in CLOCKS}
            for name, arm in ARMS.items()
        }
    arms = {name: compared(clocks) for name, clocks in runs.items()}
    agrees = all(arm["agrees"] for arm in arms.values())
    print(table(arms))
    print(f"virtual and real runtime agree within {TOLERANCE:.0%}: {'yes' if agrees else 'NO'}")
    if options.json:
        write_json(options.json, {"tolerance": TOLERANCE, "agrees": agrees, "arms": arms})
    return 0 if agrees else 3


def run(overrides: Sequence[str], home: Path) -> dict[str, Any]:
    """One run of the main job in a process of its own: its report, and the key figures of its record."""
    command = [sys.executable, "-m", "optiflow", *overrides, "report=json"]
    done = subprocess.run(
        command,
        cwd=Path(__file__).resolve().parent.parent,
        env={**os.environ, "OPTIFLOW_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    # 3 is a run that did not meet its criteria, which is a result like any other.
    if done.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(command[1:])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    report = json.loads(done.stdout)
    with closing(RecordStore(f"sqlite:///{home / 'records.sqlite'}")) as store:
        record = store.get(report["record_id"])
    assert record.output is not None
    assert record.ended_at is not None
    return {
        "overrides": record.overrides,
        "started_at": record.started_at.isoformat(timespec="milliseconds"),
        "ended_at": record.ended_at.isoformat(timespec="milliseconds"),
        "load": record.environment.load,
        "code_sha256": record.code_sha256,
        "input_sha256": record.input_sha256,
        "output_sha256": record.output.sha256,
        "model": record.model,
        "seed": record.seed,
        "report": report,
    }


def compared(clocks: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The runs of one arm, and whether they took equally long and gave the same answer."""
    virtual, real = clocks["virtual"], clocks["real"]
    ratio = real["report"]["run"]["runtime_s"] / virtual["report"]["run"]["runtime_s"]
    same = real["output_sha256"] == virtual["output_sha256"]
    return {
        "real_over_virtual": ratio,
        "same_answer": same,
        "agrees": same and abs(ratio - 1) <= TOLERANCE,
        **clocks,
    }


def table(arms: Mapping[str, Mapping[str, Any]]) -> str:
    """The comparison as a Markdown table."""
    rows = [
        "| arm | clock | runtime s | provider s | own CPU s | waiting s | tokens | calls | grade | real / virtual |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|---:|",
    ]
    for name, arm in arms.items():
        for clock in CLOCKS:
            run = arm[clock]["report"]["run"]
            ratio = f"{arm['real_over_virtual']:.4f}" if clock == "real" else ""
            rows.append(
                f"| `{name}` | {clock} | {run['runtime_s']:.2f} | {run['provider_s']:.2f} | {run['cpu_s']:.3f} "
                f"| {run['waiting_s']:.3f} | {run['tokens']:,} | {run['model_calls']} | {run['grade']} | {ratio} |"
            )
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
