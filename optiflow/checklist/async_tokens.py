"""Phase 1: token counts of concurrent agents, on the event loop and off it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterable, Sequence

from optiflow.checklist.lines import Line, paired, reduction_line
from optiflow.checklist.phases import Context
from optiflow.tokens import count_tokens, count_tokens_async

__all__ = ["check"]

_AGENTS = 16
_CHARACTERS = 120_000
"""What one agent counts at once: the context of a long conversation."""


def check(context: Context) -> Iterable[Line]:
    """Sixteen agents count a long text each, all at the same time."""
    if not context.is_on("async"):
        yield Line("Async token operations rolled back", True, "the toggle is off; counting stays on the event loop")
        return
    model = context.config.model.tokenizer
    texts = _long_texts(context.texts)
    toggle = context.toggle("async")

    async def agents() -> list[int]:
        return list(await asyncio.gather(*(count_tokens_async(text, model) for text in texts)))

    def without() -> None:
        # A context of its own, in which no toggle is active.
        contextvars.Context().run(asyncio.run, agents())

    with toggle.activate() as statistics:
        counts = asyncio.run(agents())
        seen = statistics()
        measured = paired(without, lambda: asyncio.run(agents()), context.repetitions)
    right = counts == [count_tokens(text, model) for text in texts]
    yield Line("Async token operations working", right, f"{len(counts)} counts equal the synchronous ones")
    blocking = int(seen["blocking_calls"])
    shown = f"{blocking} blocking calls, the loop held for {float(seen['longest_block_ms']):.1f} ms at most"
    yield Line("No blocking detected", blocking == 0, shown if not blocking else f"{shown}: {seen['blocking_places']}")
    yield reduction_line("Performance improvement: >20%", measured, 0.20)


def _long_texts(texts: Sequence[str]) -> list[str]:
    """One text an agent, cut from the input so that no two are the same."""
    material = "\n".join(texts)
    while len(material) < _AGENTS * _CHARACTERS:
        material += "\n" + material
    return [material[i * _CHARACTERS : (i + 1) * _CHARACTERS] for i in range(_AGENTS)]
