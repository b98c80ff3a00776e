"""``--help`` and ``--version``."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from optiflow.cli import COMMANDS
from optiflow.cli.help import render
from optiflow.config.files import conf_dir, options_of

HYDRA_GROUPS = {"hydra", "local"}


def test_it_fits_the_terminal() -> None:
    """No line is wider than 100 columns."""
    assert max(len(line) for line in render().splitlines()) <= 100


@pytest.mark.parametrize(
    "group", sorted(path.name for path in conf_dir().iterdir() if path.is_dir() and path.name not in HYDRA_GROUPS)
)
def test_every_group_and_option_is_listed(group: str) -> None:
    """A new group or option is in the help without anybody's doing, each with a sentence."""
    _, found, rest = render().partition(f"\n{group}: ")
    assert found, f"the group {group!r} is missing in optiflow.cli.help"
    lines = {line.split()[0]: line.split() for line in rest.partition("\n\n")[0].splitlines() if line[2:3].strip()}
    for option in options_of(group):
        assert len(lines[option]) > 3, f"{group}={option} has no description"


def test_every_command_is_listed() -> None:
    """With what it does."""
    for name, meaning in COMMANDS.items():
        assert f"  {name:<20}  {meaning[:40]}" in render()


def test_options_of_toggles_have_default_and_meaning() -> None:
    """The keys that can be overridden behind a toggle stand below it."""
    assert "opt.cache.max_entries=65536  most counts held" in render()
    assert "opt.log_level.level=WARNING" in render()


def test_a_preset_s_options_are_its_toggles() -> None:
    """What a preset sets of a toggle is an option of that toggle."""
    assert "opt.async.offload=false  it changes the order" in render()
    assert "opt.safe." not in render()


def test_options_of_other_groups_are_listed_where_they_are_explained() -> None:
    """Behind the line or above it; what several presets share stands below the first."""
    assert render().count("experiment.min_effect=0.01  the smallest change that matters") == 1
    assert "workflow.ref=???  Where it is: ./langgraph.json:NAME" in render()
    assert "workflow.kind" not in render()


def test_help_and_version_print(optiflow) -> None:
    """Both end with 0, wherever the flag stands."""
    assert optiflow("--help") == (0, render() + "\n", "")
    assert optiflow("+opt=all", "-h").out == render() + "\n"
    assert optiflow("--version") == (0, f"optiflow {version('optiflow')}\n", "")


def test_help_imports_nothing_heavy() -> None:
    """It has to be instant, so neither Hydra nor LangGraph nor SQLAlchemy is imported."""
    script = (
        "import sys; from optiflow.cli import main; main(['--help']); "
        "print(sorted({'hydra', 'langgraph', 'langchain_core', 'sqlalchemy', 'rich', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_configuration_file_without_a_word_is_listed_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that describes nothing is still an option, and its directives are no description."""
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "mine.yaml").write_text("# @package _global_\nmine: {}\n", encoding="utf-8")
    monkeypatch.setattr("optiflow.cli.help.conf_dir", lambda: tmp_path)
    assert "\n  mine\n" in render()
