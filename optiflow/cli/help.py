"""``--help``: the commands, the configuration groups and their options, read from the files themselves.

Neither Hydra nor LangGraph is imported: help has to be instant.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from importlib.metadata import version as distribution_version
from itertools import takewhile
from pathlib import Path

import yaml

from optiflow.cli import COMMANDS
from optiflow.config.files import conf_dir

__all__ = ["main", "render", "version"]

_WIDTH = 100

_GROUPS = {
    "opt": "toggles, added with +opt=NAME or '+opt=[A,B]'",
    "rollback": "turn toggles off again, with +rollback=NAME after +opt=...",
    "experiment": "many runs and what they tell, with -m +experiment=NAME",
    "workflow": "what is run",
    "model": "the chat model that answers",
    "clock": "the time that a run is measured in",
    "criteria": "what the outcome is held against",
    "report": "how the outcome is shown",
    "log": "where logs go",
}

_INTRODUCTION = """\
optiflow: makes a LangGraph application faster and cheaper, and proves that it still gives the same
answers.

usage: python -m optiflow [OVERRIDE ...]              run the workflow under the configured toggles
       python -m optiflow -m '+opt=none,cache,all'    one run for each value
       python -m optiflow COMMAND [ARGUMENT ...]

  python -m optiflow                                  the untouched baseline
  python -m optiflow +opt=all                         every toggle, compared with the baseline
  python -m optiflow +opt=all +rollback=no_parallel   the same, with one toggle rolled back
  python -m optiflow +opt=all opt.cache.enabled=false
"""

_FLAGS = {
    "-m, --multirun": "sweep over comma-separated values",
    "--cfg job": "print the composed configuration and stop",
    "--config-dir DIR": "a folder with configuration files of your own",
    "--debug": "tracebacks instead of one-line errors",
    "--strict": "a toggle that fails is an error; otherwise the graph does without it",
    "--version": "the version",
}

_EXIT_CODES = (
    "exit codes: 0 pass · 1 a job failed · 2 configuration error · 3 criteria or equivalence failed\n"
    "            125 inconclusive · 130 interrupted"
)


def main() -> int:
    """Print the help text."""
    print(render())
    return 0


def version() -> int:
    """Print the version."""
    print(f"optiflow {distribution_version('optiflow')}")
    return 0


def render() -> str:
    """The help text, at most 100 columns wide."""
    lines = [_INTRODUCTION, "commands:", *_table(COMMANDS), "", "flags:", *_table(_FLAGS)]
    for group, meaning in _GROUPS.items():
        lines += ["", f"{group}: {meaning}"]
        said: set[str] = set()
        for path in sorted((conf_dir() / group).glob("*.yaml")):
            lines += _table({path.stem: _first_comment(path)})
            options = [option for option in _options(path, group) if option not in said]
            said.update(options)
            lines += [textwrap.indent(_wrapped(option), " " * 6) for option in options]
    return "\n".join([*lines, "", _EXIT_CODES])


def _table(rows: dict[str, str]) -> list[str]:
    """Two columns, the second wrapped under itself."""
    lines = []
    for name, text in rows.items():
        wrapped = textwrap.wrap(text, _WIDTH - 24) or [""]
        lines.append(f"  {name:<20}  {wrapped[0]}".rstrip())
        lines += [f"{'':<24}{more}" for more in wrapped[1:]]
    return lines


def _wrapped(option: str) -> str:
    return textwrap.fill(option, _WIDTH - 6, subsequent_indent="    ")


def _first_comment(path: Path) -> str:
    """A configuration file's own description: its first comment that is not a directive."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @"):
            return line.lstrip("# ").strip()
    return ""


def _options(path: Path, group: str) -> Iterator[str]:
    """The options of a file that have a comment behind or above them, each with its default and that comment."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    prefix = "" if "# @package _global_" in lines else f"{group}."
    for key, value in _leaves(yaml.compose(text), prefix):
        default = text[value.start_mark.index : value.end_mark.index]
        if comment := _comment(lines, value.start_mark.line):
            yield f"{key}={default}  {comment}"


def _leaves(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, yaml.Node]]:
    """Every value that stands on one line, by its dotted key."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if value.start_mark.line == value.end_mark.line:
            yield f"{prefix}{key.value}", value
        else:
            yield from _leaves(value, f"{prefix}{key.value}.")


def _comment(lines: Sequence[str], number: int) -> str:
    """What is said behind a line, or else in the lines right above it; what a file begins with is about the file."""
    _, found, behind = lines[number].partition(" # ")
    if found:
        return behind.strip()
    above = list(takewhile(lambda line: line.lstrip().startswith("#"), reversed(lines[:number])))
    return "" if len(above) == number else " ".join(line.strip(" #") for line in reversed(above))
