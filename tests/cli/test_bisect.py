"""``optiflow bisect``: planted culprits are blamed, and the cure is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def spoiled(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[str]], None]:
    """Plants an answer that differs wherever all of some toggles are on."""
    import optiflow.run as run_module

    real = run_module._Attempt._outcome

    def plant(culprits: set[str]) -> None:
        def other(self: Any, final: Any) -> Any:
            on = {toggle.name for toggle in self._job.toggles}
            return real(self, {**final, "brief": "something else"} if culprits <= on else final)

        monkeypatch.setattr(run_module._Attempt, "_outcome", other)

    return plant


def test_a_pair_is_blamed(optiflow: Run, spoiled: Callable[[set[str]], None]) -> None:
    """Only together do they spoil the answer: either of them cures it."""
    spoiled({"cache", "parallel"})
    code, out, _ = optiflow("bisect", "--bad", "+opt=all", *_small(), "--criterion", "answer", "--lead=1")
    assert code == 0
    assert "to blame: cache together with parallel" in out
    assert "# good: [no toggle] (1 runs)" in out
    cure = out.partition("cured by: ")[2]
    assert cure.count("enabled=false") == 1
    assert "opt.cache.enabled=false" in cure or "opt.parallel.enabled=false" in cure


def test_one_is_blamed_for_the_verdict(optiflow: Run, spoiled: Callable[[set[str]], None]) -> None:
    """Without a criterion, whatever is not PASS is bad."""
    spoiled({"cache"})
    code, out, _ = optiflow("bisect", "--bad", "+opt=all", *_small(), "--lead", "1")
    assert (code, "to blame: cache\n" in out) == (0, True)
    assert "opt.cache.enabled=false" in out


def test_a_run_that_fails_is_bad_or_not_judged(optiflow: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad by its verdict; of a criterion nobody can tell."""
    import optiflow.run as run_module

    real = run_module.optimized_graph

    def sometimes(job: Any, *arguments: Any) -> Any:
        graph, decisions = real(job, *arguments)

        class Broken:
            async def ainvoke(self, *_: Any, **__: Any) -> Any:
                raise ZeroDivisionError("planted")

        return (Broken() if any(toggle.name == "cache" for toggle in job.toggles) else graph), decisions

    monkeypatch.setattr(run_module, "optimized_graph", sometimes)
    code, out, _ = optiflow("bisect", "--bad", "+opt=cache", *_small(), "--lead", "1")
    assert (code, "to blame: cache\n" in out) == (0, True)
    code, _, err = optiflow("bisect", "--bad", "+opt=cache", *_small(), "--criterion", "answer", "--lead", "1")
    assert (code, "with all of cache on, nobody can tell: " in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "usage: python -m optiflow bisect"),
        (("--bad",), "usage: python -m optiflow bisect"),
        (("--bad", "+opt=all", "--criterion"), "--criterion needs a value"),
        (("--bad", "+opt=all", "--frob"), "no such option: --frob"),
        (("--bad", "+opt=all", "--lead", "0"), "--lead 0: expected a whole number from 1"),
        (("--bad", "seed=1"), "no toggle is on in the bad configuration"),
        (("--bad", "+opt=all", "--criterion", "grad"), "--criterion grad: no such criterion; did you mean 'grade'"),
    ],
)
def test_what_is_wrong_is_one_line(optiflow: Run, arguments: tuple[str, ...], message: str) -> None:
    """Exit code 2; nothing has run."""
    code, out, err = optiflow("bisect", *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_a_run_that_is_not_bad(optiflow: Run) -> None:
    """There is nothing to blame."""
    code, _, err = optiflow("bisect", "--bad", "+opt=cache", *_small(), "--criterion", "answer", "--lead", "1")
    assert (code, "with all of cache on, criterion 'answer' does not fail" in err) == (2, True)


def test_a_baseline_that_is_bad_already(optiflow: Run) -> None:
    """No toggle can be to blame, and the failing criterion is named."""
    criteria = "criteria.criteria=[{name: quick, figure: runtime_s, at_most: 0.0}]"
    code, _, err = optiflow("bisect", "--bad", "+opt=cache", *_small(), criteria, "--criterion", "quick", "--lead=1")
    assert code == 2
    assert "the run without any toggle is bad already: quick" in err


def _small() -> tuple[str, ...]:
    return ("workflow.input.packages=[idna]", "criteria=none")
