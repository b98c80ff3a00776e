"""What every benchmark has in common: its options, its lines and its file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import ge, gt, le, lt
from pathlib import Path

from measure import Interval, machine

__all__ = ["Figure", "options_parser", "publish", "write_json"]


_HOLDS: Mapping[str, Callable[[float, float], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result."""

    name: str
    unit: str
    value: Interval | float
    """A median with its interval; a number alone where there is one measurement."""
    limit: str = ""
    """What it has to reach, such as ``<= 0.3``; empty where nothing was asked."""

    @property
    def met(self) -> bool | None:
        """Whether the value, or its median, is within the limit; None without one."""
        if not self.limit:
            return None
        comparison, bound = self.limit.split()
        value = self.value.median if isinstance(self.value, Interval) else self.value
        return _HOLDS[comparison](value, float(bound))

    def __str__(self) -> str:
        shown = str(self.value) if isinstance(self.value, Interval) else f"{self.value:.6g}"
        mark = {None: "", True: "met", False: "NOT MET"}[self.met]
        return f"{self.name:<62} {shown:>28} {self.unit:<3} {self.limit:<8} {mark}".rstrip()


def options_parser(description: str | None, repetitions: int) -> argparse.ArgumentParser:
    """The options of a benchmark: where its figures go, and how often it measures."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--repetitions", type=int, default=repetitions, help="rounds (default: %(default)s)")
    return parser


def publish(figures: Sequence[Figure], options: argparse.Namespace, **more: object) -> None:
    """Print the figures; write them, and ``more``, where the options say."""
    for figure in figures:
        print(figure)
    if options.json:
        shown = [{**asdict(figure), "met": figure.met} for figure in figures]
        write_json(options.json, {"repetitions": options.repetitions, "figures": shown, **more})


def write_json(path: Path, result: Mapping[str, object]) -> None:
    """Write a result behind the description of the machine that it was measured on."""
    text = json.dumps({"machine": machine(), **result}, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
