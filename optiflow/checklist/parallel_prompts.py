"""Phase 3: the prompts of a batch together instead of one after another."""

from __future__ import annotations

from collections.abc import Iterable

from optiflow.batching import PromptOutcome, process_prompts
from optiflow.checklist.lines import Line, paired, reduction_line
from optiflow.checklist.phases import Context
from optiflow.clock import RealClock, VirtualClock
from optiflow.models.load import load_chat_model

__all__ = ["check"]

_PROMPTS = 12


def check(context: Context) -> Iterable[Line]:
    """Twelve prompts over the input's own texts go to the configured model."""
    if not context.is_on("parallel"):
        yield Line("Parallel processing rolled back", True, "the toggle is off; prompts go one after another")
        return
    clock = VirtualClock() if context.config.clock.kind == "virtual" else RealClock()
    model = load_chat_model(context.config.model, clock)
    prompts = [
        f"Describe in at most 60 words what this text is about.\n<text>\n{text[:1500]}\n</text>"
        for text in context.texts[:_PROMPTS]
    ]

    async def ask(prompt: str) -> str:
        return str((await model.ainvoke(prompt)).content)

    async def batch() -> list[PromptOutcome[str]]:
        return await process_prompts(prompts, ask)

    def one_after_another() -> list[PromptOutcome[str]]:
        return clock.run(batch())

    def together() -> list[PromptOutcome[str]]:
        toggle = context.toggle("parallel")
        with toggle.activate() as statistics:
            outcomes = clock.run(batch())
            peaks.append(int(statistics()["peak_in_flight"]))
        return outcomes

    peaks: list[int] = []
    sequential, parallel = one_after_another(), together()
    measured = paired(one_after_another, together, context.repetitions, clock.time)
    yield Line("Parallel processing enabled", peaks[0] > 1, f"{peaks[0]} prompts in flight at once")
    line = reduction_line("Processing time reduced by >40%", measured, 0.40)
    yield Line(line.text, line.passed, f"{line.measured}, {clock.kind} clock")
    answers = [outcome.result() for outcome in parallel]
    right = answers == [outcome.result() for outcome in sequential]
    yield Line("All prompts processed correctly", right, f"{len(answers)} answers, same order and text")
