"""``optiflow phase``: the checklist's lines, measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from optiflow.checklist.lines import Line
from optiflow.checklist.phases import PHASES, Context
from optiflow.log import get_logger
from optiflow.optimizations.registry import preset


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Context]]:
    """Which phases were checked, and with what; each passes but ``memory``."""
    seen: list[tuple[str, Context]] = []

    def check(name: str, context: Context) -> list[Line]:
        seen.append((name, context))
        get_logger("test").info("checking")
        context.say("working on it")
        return [Line(f"{name} works", name != "memory", "1 of 1")]

    monkeypatch.setattr("optiflow.cli.phase.check_phase", check)
    return seen


def test_a_phase_prints_its_lines(optiflow: Callable[..., tuple[int, str, str]], checked, tmp_path: Path) -> None:
    """Lines on standard output, what is being done on standard error, logs in their file."""
    code, out, err = optiflow("phase", "quick")
    assert (code, err) == (0, "working on it\n")
    assert out == f"quick: {PHASES['quick']}\n  ✅ quick works  (1 of 1)\n"
    assert "checking" in (tmp_path / "optiflow-home" / "logs" / "optiflow.log").read_text()


def test_a_line_that_fails_fails_the_command(optiflow, checked) -> None:
    """Every phase is checked all the same."""
    code, out, _ = optiflow("phase", "memory", "quick")
    assert code == 3
    assert "❌ memory works" in out
    assert "✅ quick works" in out


def test_all_is_every_phase_once(optiflow, checked) -> None:
    """In the checklist's order, whatever else is named."""
    assert optiflow("phase", "quick", "all")[0] == 3
    assert [name for name, _ in checked] == list(PHASES)


@pytest.mark.parametrize(("arguments", "level"), [((), "ERROR"), (("--log-level", "info"), "INFO")])
def test_overrides_and_level_reach_the_phase(optiflow, checked, arguments: tuple[str, ...], level: str) -> None:
    """Toggles are rolled back by overrides behind +opt=all; the level is for the logging phase."""
    optiflow("phase", "quick", *arguments, "opt.cache.enabled=false", "+rollback=no_async")
    ((_, context),) = checked
    assert context.overrides == ("opt.cache.enabled=false", "+rollback=no_async")
    assert context.log_level == level
    assert {name for name in context.config.opt if context.is_on(name)} == set(preset("all")) - {"async", "cache"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no phase named; phase --help lists them"),
        (("qick",), "'qick' is no phase of the checklist; did you mean 'quick'?"),
        (("quick", "--frob"), "'--frob' is no phase of the checklist; known: all, async_tokens"),
        (("quick", "--log-level"), "--log-level '' is no level; known: CRITICAL, DEBUG"),
        (("quick", "--log-level", "EROR"), "--log-level 'EROR' is no level; did you mean 'ERROR'?"),
        (("quick", "opt.cahce.enabled=false"), "opt.cahce.enabled: no such toggle; did you mean 'cache'?"),
        (("quick", "seed=abc"), "seed: 'abc': input should be a valid integer"),
    ],
)
def test_a_wrong_argument_is_one_line(optiflow, checked, arguments: tuple[str, ...], message: str) -> None:
    """Before anything is measured, with exit code 2."""
    code, out, err = optiflow("phase", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"optiflow: {message}")
    assert checked == []


def test_its_help_lists_the_phases(optiflow) -> None:
    """With what each is about."""
    code, out, _ = optiflow("phase", "--help")
    assert code == 0
    for name, meaning in PHASES.items():
        assert f"  {name:<20}{meaning}" in out
