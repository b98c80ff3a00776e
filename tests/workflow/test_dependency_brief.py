"""The reference workflow on its default input, with the offline model: calibration, and what costs quality."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver

from optiflow.clock import VirtualClock, use_clock
from optiflow.config.compose import compose
from optiflow.config.workflow import DeclaredWorkflowConfig
from optiflow.log import level_filter
from optiflow.models import load_chat_model
from optiflow.models.latency import call_latency
from optiflow.models.offline import OfflineChatModel
from optiflow.quality import Quality, grade_position, measure
from optiflow.tokens.counting import NaiveCounter, use_counter
from optiflow.workflow import Workflow, load_workflow


class TallyCounter(NaiveCounter):
    """The naive counter, which also notes what it counted."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def count(self, text: str, model: str) -> int:
        self.counted[text] += 1
        return super().count(text, model)


class CallNotes(BaseCallbackHandler):
    """Notes every model call."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.usage: list[tuple[int, int]] = []

    def on_chat_model_start(self, serialized: Any, messages: list[list[Any]], **rest: Any) -> None:
        self.prompts.append(messages[0][0].content)

    def on_llm_end(self, response: Any, **rest: Any) -> None:
        usage = response.generations[0][0].message.usage_metadata
        self.usage.append((usage["input_tokens"], usage["output_tokens"]))


@dataclass
class Outcome:
    """What a run left behind."""

    workflow: Workflow
    state: Mapping[str, Any]
    notes: CallNotes
    counted: Counter[str]
    runtime_s: float

    @property
    def quality(self) -> Quality:
        """The quality of the brief against the truth."""
        quality = measure(self.state["brief"], truth=self.workflow.truth, reference=None)
        assert quality is not None
        return quality


def run(*overrides: str, input_change: Callable[[dict[str, Any]], dict[str, Any]] = dict, **settings: Any) -> Outcome:
    """Run the workflow, naively, on a virtual clock; settings change the model."""
    config = compose(overrides)
    clock, counter, notes = VirtualClock(), TallyCounter(), CallNotes()
    model = load_chat_model(config.model, clock)
    assert isinstance(model, OfflineChatModel)
    if settings:
        model = settings.pop("model")(**dict(model))
    workflow = load_workflow(config.workflow, model, config.model)
    documents = input_change(dict(workflow.input["documents"]))
    graph = workflow.builder.compile(checkpointer=InMemorySaver())
    run_config: Any = {"callbacks": [notes], "configurable": {"thread_id": "1"}, "recursion_limit": 1000}
    with use_clock(clock), use_counter(counter), level_filter("ERROR"):
        start = clock.time()
        state = clock.run(graph.ainvoke({"documents": documents}, run_config))
        return Outcome(workflow, state, notes, counter.counted, clock.time() - start)


@pytest.fixture(scope="module")
def full() -> Outcome:
    """The untouched baseline on the default input."""
    return run()


def test_the_baseline_is_calibrated(full: Outcome) -> None:
    """215 s within 1 % and 41,097 tokens within 2 %, by budgets and rates alone.

    Of the runtime only the provider's part is judged here: own CPU time, half a second, depends on the machine's load.
    """
    law = compose().model.latency
    calls = zip(full.notes.prompts, full.notes.usage, strict=True)
    provider_s = sum(call_latency(law, prompt, *usage).total_s for prompt, usage in calls)
    assert 215 * 0.99 + 0.3 < provider_s < 215 * 1.01 - 1.7
    assert full.runtime_s > provider_s
    assert sum(map(sum, full.notes.usage)) == pytest.approx(41_097, rel=0.02)


def test_the_baseline_has_the_shape_of_real_ones(full: Outcome) -> None:
    """Twelve analysts, at least five synthesizers, checker, editor, grader; over 30 calls, some the same."""
    nodes = Counter(name.partition("_")[0] for name in full.workflow.builder.nodes)
    assert nodes["analyst"] == 12
    assert nodes["synthesizer"] >= 5
    assert {"fact", "editor", "grader", "revision"} <= set(nodes)
    assert len(full.notes.prompts) >= 30
    assert len(full.notes.prompts) - len(set(full.notes.prompts)) == nodes["synthesizer"] - 1
    assert "Verdict: accept" in full.state["remarks"]


def test_most_counts_are_repeats(full: Outcome) -> None:
    """Each consumer counts the same pieces again."""
    assert len(full.counted) / full.counted.total() < 0.15


def test_a_full_run_has_every_fact_right(full: Outcome) -> None:
    """The best grade is earned by extraction."""
    assert (full.quality.grade, full.quality.right, full.quality.faults) == ("A+", 72, ())


def test_the_brief_is_a_readable_document(full: Outcome) -> None:
    """One title, a section a theme, a row of each table for every package, and no trace of prompts."""
    brief = full.state["brief"]
    headings = re.findall(r"^#+ .*$", brief, re.MULTILINE)
    assert headings == [
        "# Dependency brief",
        "## Licences and obligations",
        "## Maintenance",
        "## Interfaces",
        "## Footprint",
        "## Python support",
        "## Fact check",
    ]
    for package in full.workflow.input["documents"]:
        assert brief.count(f"| {package} |") == 6
    assert "72 of 72 compared fields agree." in brief
    assert not re.search(r"</?\w+ name=|\{\w+\}", brief)


def test_it_runs_the_same_again(full: Outcome) -> None:
    """Same input, same state, same calls."""
    again = run()
    assert again.state == full.state
    assert again.notes.prompts == full.notes.prompts


def loses_a_grade(outcome: Outcome, full: Outcome) -> bool:
    """Whether a run is at least one grade below the full one."""
    return grade_position(outcome.quality.grade) > grade_position(full.quality.grade)


@pytest.mark.parametrize("package", ["annotated-types", "rich", "websockets"])
def test_dropping_a_package_costs_a_grade(full: Outcome, package: str) -> None:
    """A brief that forgets a package has that package's facts missing."""
    assert full.workflow.truth is not None
    others = [name for name in full.workflow.truth if name != package]
    outcome = run(f"workflow.input.packages=[{','.join(others)}]")
    outcome.workflow = replace(outcome.workflow, truth=full.workflow.truth)
    assert outcome.quality.missing == 6
    assert loses_a_grade(outcome, full)


def test_mixing_two_packages_up_costs_a_grade(full: Outcome) -> None:
    """Facts of one package told of another are wrong."""

    def swap(documents: dict[str, Any]) -> dict[str, Any]:
        return documents | {"rich": documents["idna"], "idna": documents["rich"]}

    outcome = run(input_change=swap)
    assert outcome.quality.wrong is not None
    assert outcome.quality.wrong >= 10
    assert loses_a_grade(outcome, full)


class ForgetfulModel(OfflineChatModel):
    """A model that loses the last third of every context."""

    def _reply(self, messages: list[Any], stop: list[str] | None) -> Any:
        texts = [message.text for message in messages]
        kept = [text[: math.ceil(len(text) * 2 / 3)] for text in texts]
        cut = [message.model_copy(update={"content": text}) for message, text in zip(messages, kept, strict=True)]
        return super()._reply(cut, stop)


def test_losing_the_last_third_of_every_context_costs_a_grade(full: Outcome) -> None:
    """And the grader notices, sends the brief back once, and then lets it go."""
    outcome = run(model=ForgetfulModel)
    assert outcome.quality.missing is not None
    assert outcome.quality.missing > 10
    assert loses_a_grade(outcome, full)
    assert outcome.state["revision_count"] == 1


@pytest.mark.parametrize("packages", [["rich"], ["antlr4-python3-runtime", "pyyaml", "mdurl"]])
def test_other_packages_are_as_right(packages: list[str]) -> None:
    """One package, or a few with hardly any description."""
    assert run(f"workflow.input.packages=[{','.join(packages)}]").quality.grade == "A+"


def test_forty_packages_are_as_right() -> None:
    """Budgets are for each package, so that a long list loses nothing."""
    from importlib.metadata import distributions

    from optiflow.config.workflow import canonical_name

    names = sorted({canonical_name(found.metadata["Name"]) for found in distributions()} - {"optiflow"})[:40]
    outcome = run(f"workflow.input.packages=[{','.join(names)}]")
    assert outcome.quality.grade == "A+"


def test_the_default_input_comes_with_a_plain_installation() -> None:
    """Each of the twelve is required by OptiFlow itself, directly or not, without any extra."""
    from importlib.metadata import distribution

    from packaging.requirements import Requirement

    from optiflow.config.workflow import canonical_name

    found: set[str] = set()
    waiting = ["optiflow"]
    while waiting:
        name = waiting.pop()
        for line in distribution(name).requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                needed = canonical_name(requirement.name)
                if needed not in found:
                    found.add(needed)
                    waiting.append(needed)
    config = compose().workflow
    assert isinstance(config, DeclaredWorkflowConfig)
    assert set(config.input.packages) <= found  # type: ignore[union-attr]
