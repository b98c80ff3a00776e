"""``--help``: the commands, the configuration groups and their options, read from the files themselves.

Neither Hydra nor LangGraph is imported: help has to be instant.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from importlib.metadata import version as distribution_version
from pathlib import Path

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
        for path in sorted((conf_dir() / group).glob("*.yaml")):
            lines += _table({path.stem: _first_comment(path)})
            lines += [f"      {line}" for line in _options(path, group)]
    return "\n".join([*lines, "", _EXIT_CODES])


def _table(rows: dict[str, str]) -> list[str]:
    """Two columns, the second wrapped under itself."""
    lines = []
    for name, text in rows.items():
        wrapped = textwrap.wrap(text, _WIDTH - 24) or [""]
        lines.append(f"  {name:<20}  {wrapped[0]}".rstrip())
        lines += [f"{'':<24}{more}" for more in wrapped[1:]]
    return lines


def _first_comment(path: Path) -> str:
    """A configuration file's own description: its first comment that is not a directive."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @"):
            return line.lstrip("# ").strip()
    return ""


def _options(path: Path, group: str) -> Iterator[str]:
    """The options of a toggle or of the model, each with its default and the comment behind it."""
    if group not in {"opt", "model"}:
        return
    prefix = f"opt.{path.stem}" if group == "opt" else group
    for line in path.read_text(encoding="utf-8").splitlines():
        found = re.match(r"^\s*(\w+): (\S.*?)\s+# (.+)$", line)
        if found:
            key, default, comment = found.groups()
            yield from textwrap.wrap(f"{prefix}.{key}={default}  {comment}", _WIDTH - 6, subsequent_indent="    ")
