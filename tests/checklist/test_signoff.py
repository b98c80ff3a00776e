"""The whole checklist, filled in from one small workload."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from optiflow.analysis.verdict import Verdict
from optiflow.checklist.lines import Line, Paired
from optiflow.checklist.phases import PHASES, Context
from optiflow.checklist.signoff import evidence as gathering
from optiflow.checklist.signoff import sign_off
from optiflow.checklist.signoff.evidence import EVERY_TOGGLE, Contribution, Evidence, gather
from optiflow.checklist.signoff.sections import TRACE_ON_RECORD, document
from optiflow.errors import ConfigurationError
from optiflow.settings import Settings

_SMALL = ("workflow.input.packages=[rich,idna]",)
_CHECKED: list[tuple[str, tuple[str, ...]]] = []


def _phase(name: str, context: Context) -> list[Line]:
    """A phase that is not measured: what phases measure has tests of its own."""
    _CHECKED.append((name, context.overrides))
    if name == "rollback":
        return [
            Line("Rollback of cache: original functionality maintained", True, "same answer"),
            Line("Rollback of cache: no errors or failures", True, "0 failed"),
            Line("Performance back to baseline", True, "214.9 s"),
        ]
    return [Line(f"{name} holds", True, "seen")]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """Evidence from real runs on two packages; only the phases are not real."""
    said: list[str] = []
    context = Context(_SMALL, Settings(home=tmp_path_factory.mktemp("home")), say=said.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "check_phase", _phase)
        patch.setattr(gathering, "_ROUNDS", 2)
        patch.setattr(gathering, "_QUICK_RUNS", 2)
        _CHECKED.clear()
        yield gather(context)
    assert any("load test" in each for each in said)


def _boxes(text: str) -> dict[str, bool]:
    lines = [line for line in text.splitlines() if line.startswith("- [")]
    return {line[6:].partition(" — ")[0]: line.startswith("- [x]") for line in lines}


def test_gathers_every_phase_and_rolls_the_checklists_toggles_back(measured: Evidence) -> None:
    """Each phase is checked once, the rollback with the three toggles off that the checklist names."""
    assert [name for name, _ in _CHECKED] == list(PHASES)
    flags = dict(_CHECKED)["rollback"]
    assert flags == (*_SMALL, "opt.async.enabled=false", "opt.cache.enabled=false", "opt.parallel.enabled=false")
    assert [each.toggle for each in measured.contributions] == [*measured.context.config.opt, EVERY_TOGGLE]
    assert all(len(each.runtime.without) == 2 for each in measured.contributions)
    assert measured.contribution("parallel").runtime.reduction > 0.35


def test_has_every_section_of_the_checklist(measured: Evidence) -> None:
    """Whoever knows the checklist finds each of its sections, in its order."""
    headings = [line.lstrip("# ") for line in document(measured).markdown().splitlines() if line.startswith("#")]
    wanted = [
        "Performance Optimization Verification Checklist",
        "Pre-Implementation Baseline",
        *(
            part
            for number, name in enumerate(
                (
                    "Async Token Operations",
                    "Global Tokenizer Cache",
                    "Parallel Prompt Processing",
                    "Performance Monitoring",
                    "Quick Wins",
                ),
                1,
            )
            for part in (f"Phase {number}: {name}", "Implementation", "Verification")
        ),
        "Full System Verification",
        *(f"Step {number}" for number in range(1, 5)),
        "Success Criteria",
        "Performance Metrics",
        "Technical Verification",
        "Integration Testing",
        "Rollback Verification",
        "Final Sign-off",
        "Notes Section",
        "Observations",
        "Metrics",
        "Next Steps",
    ]
    assert len(headings) == len(wanted)
    assert all(found.startswith(want) for found, want in zip(headings, wanted, strict=True))


def test_implementation_is_found_in_the_code_and_in_the_run(measured: Evidence) -> None:
    """Each of the twenty implementation lines is ticked, with a figure beside it."""
    found = document(measured)
    implementation = [section for section in found.sections if section.title == "Implementation"]
    lines = [line for section in implementation for line in section.lines]
    assert [len(section.lines) for section in implementation] == [4, 4, 4, 4, 4]
    unticked = [str(line) for line in lines if not line.passed and line.text != "Hot paths optimized"]
    assert unticked == []
    assert all(line.measured for line in lines)


def test_states_the_baseline_on_record_beside_the_measured_one(measured: Evidence) -> None:
    """Both baselines are there, the measured one with its clock and its record."""
    section = document(measured).sections[0]
    assert "215 s" in section.text
    assert "41,097 tokens" in section.text
    assert TRACE_ON_RECORD in section.text
    assert all(line.passed for line in section.lines)
    assert "virtual clock" in section.lines[0].measured
    assert measured.outcome.baseline.record_id in section.lines[2].measured


def test_limits_of_the_reference_tick_nothing_on_other_input(measured: Evidence) -> None:
    """140 s say nothing about two packages: the box stays open and says why."""
    text = document(measured).markdown()
    boxes = _boxes(text)
    assert not boxes["Runtime: <140s (target: 35% reduction from 215s)"]
    assert not boxes["Consistent runtime <140s"]
    assert not boxes["All checklist items completed"]
    assert not boxes["Ready for production"]
    assert boxes["Success rate: 100% (maintain)"]
    assert "not judged: not the reference baseline" in text
    assert not document(measured).passed


def test_without_criteria_nothing_is_ticked_by_them(measured: Evidence) -> None:
    """A criterion that is not configured can't tick a box, and a baseline has nothing to be compared with."""
    context = Context((*_SMALL, "criteria=none"), measured.context.settings)
    verdict = replace(measured.outcome.verdict, criteria=())
    other = replace(measured, context=context, outcome=replace(measured.outcome, verdict=verdict))
    text = document(other).markdown()
    assert not _boxes(text)["Success rate: 100% (maintain)"]
    assert "success rate: no such criterion is configured" in text
    assert "On record: LangSmith trace" in text


def test_a_failed_phase_and_a_different_answer_are_told_everywhere(measured: Evidence) -> None:
    """What fails in one place opens the boxes that depend on it, and comes back in the notes."""
    verdict: Verdict = replace(
        measured.outcome.verdict, outcome="REGRESSED", outputs_equal=False, difference="brief: one word differs"
    )
    broken = [Line("No import errors", False, "optiflow.x: no module y")]
    other = replace(
        measured,
        outcome=replace(measured.outcome, verdict=verdict),
        phases={**measured.phases, "integration": broken},
    )
    text = document(other).markdown()
    boxes = _boxes(text)
    for name in (
        "All phases pass",
        "No import errors",
        "debug_local.sh full pass",
        "No regression in functionality",
        "Performance targets achieved",
        "No regressions identified",
    ):
        assert not boxes[name], name
    assert "failed: integration: No import errors" in text
    assert "Not ticked: No import errors — optiflow.x: no module y" in text
    assert "Settle what is not ticked:" in text


def test_what_is_rolled_back_is_not_ticked(measured: Evidence) -> None:
    """Lines that only a toggle can back stay open without it."""
    off = tuple(f"opt.{name}.enabled=false" for name in ("async", "cache", "monitor", "log_level"))
    other = replace(measured, context=Context((*_SMALL, *off), measured.context.settings))
    boxes = _boxes(document(other).markdown())
    assert not boxes["Single instance across all agents"]
    assert not boxes["Cache statistics logged"]
    assert not boxes["Applied to all critical operations"]
    assert boxes["Graph setup batches prompts"]
    assert boxes["`count_tokens_async()` created"]


def test_a_toggles_figure_that_is_missing_ticks_nothing(measured: Evidence) -> None:
    """Without the monitor there is no count of timed nodes, and the box says which toggle is off."""
    figures = {name: value for name, value in measured.outcome.figures.items() if not name.startswith("monitor.")}
    verdict = replace(measured.outcome.verdict, figures=figures)
    text = document(replace(measured, outcome=replace(measured.outcome, verdict=verdict))).markdown()
    assert "- [ ] Performance monitoring active — toggle monitor is rolled back" in text


def test_says_whether_langsmith_was_compared(measured: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own records are what is compared; a trace elsewhere is only mentioned where one is made."""
    import langsmith.utils

    assert "no LangSmith tracing is configured" in document(measured).markdown()
    monkeypatch.setattr(langsmith.utils, "tracing_is_enabled", lambda: True)
    assert "LangSmith tracing is on" in document(measured).markdown()


def test_notes_tell_what_gained_nothing(measured: Evidence) -> None:
    """A toggle is said to gain what it gained: time, only CPU time, or nothing."""
    same, less = Paired([2.0, 2.0], [2.0, 2.0]), Paired([2.0, 2.0], [1.0, 1.2])
    contributions = [
        Contribution("monitor", same, same),
        Contribution("cache", same, less),
        Contribution("parallel", less, same),
        Contribution(EVERY_TOGGLE, less, less),
    ]
    text = document(replace(measured, contributions=contributions)).markdown()
    assert "`monitor` alone gains nothing in this workflow" in text
    assert "`cache` alone gains nothing in runtime worth the name, but CPU time" in text
    assert "`parallel` alone shortens the run: runtime -45.0% (-50.0% to -40.0%), 2.000 → 1.100 s" in text
    assert "`monitor` gain no time here" in text


def test_notes_leave_out_what_there_is_not(measured: Evidence) -> None:
    """A graph of which nobody declared the effects has no critical path, and where all toggles gain none is idle."""
    less = Paired([2.0, 2.0], [1.0, 1.2])
    contributions = [Contribution(name, less, less) for name in ("parallel", EVERY_TOGGLE)]
    verdict = measured.outcome.verdict
    figures = {name: value for name, value in verdict.figures.items() if not name.startswith("critical_path")}
    outcome = replace(measured.outcome, verdict=replace(verdict, figures=figures))
    text = document(replace(measured, contributions=contributions, outcome=outcome)).markdown()
    assert "longest chain of calls" not in text
    assert "| critical path" not in text
    assert "gain no time here" not in text


def test_real_time_is_not_called_virtual(measured: Evidence) -> None:
    """The clock of the record decides what the figures are called."""
    record = measured.outcome.record.evolve(clock="real")
    text = document(replace(measured, outcome=replace(measured.outcome, record=record))).markdown()
    assert "Runtimes are in real time." in text
    assert "virtual clock" not in text
    assert "run once with the provider in question" not in text


def test_nothing_to_sign_off_without_toggles(tmp_path: Path) -> None:
    """With every toggle rolled back there is nothing to measure, which is said at once."""
    context = Context(("+rollback=all",), Settings(home=tmp_path))
    with pytest.raises(ConfigurationError, match="every toggle is rolled back"):
        sign_off(context)
