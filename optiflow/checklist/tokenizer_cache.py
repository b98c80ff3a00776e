"""Phase 2: one tokenizer for all agents, and repeated counts remembered."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from optiflow.checklist.lines import Line, paired, reduction_line
from optiflow.checklist.phases import Context
from optiflow.tokens import TokenizerCache, count_tokens
from optiflow.tokens.encodings import encoding_name

__all__ = ["check"]

_AGENTS = 12
_ROUNDS = 20


def check(context: Context) -> Iterable[Line]:
    """Twelve agents on threads count the same prompts again and again."""
    if not context.is_on("cache"):
        yield Line("Tokenizer cache rolled back", True, "the toggle is off; every count looks its tokenizer up")
        return
    model = context.config.model.tokenizer
    prompts = [text[:4000] for text in context.texts[:_AGENTS]]

    def agent(_index: int) -> int:
        return sum(count_tokens(prompt, model) for prompt in prompts)

    def agents_with_cache() -> dict[str, float | int | str]:
        toggle = context.toggle("cache")
        with toggle.activate() as statistics:
            with ThreadPoolExecutor(_AGENTS) as pool:
                contexts = [copy_context() for _ in range(_AGENTS * _ROUNDS)]
                totals = set(pool.map(lambda one: one.run(agent, 0), contexts))
            assert len(totals) == 1, "equal prompts have equal counts"
            return dict(statistics())

    def agents_without() -> None:
        with ThreadPoolExecutor(_AGENTS) as pool:
            list(pool.map(agent, range(_AGENTS * _ROUNDS)))

    with ThreadPoolExecutor(_AGENTS) as pool:
        encoding = encoding_name(model)
        instances = {id(found) for found, _ in pool.map(lambda _: TokenizerCache().lookup(encoding), range(1000))}
    seen = agents_with_cache()
    initializations = TokenizerCache().initializations[encoding]
    yield Line(
        "Tokenizer cache singleton verified",
        len(instances) == 1,
        f"{len(instances)} instance in 1,000 look-ups on {_AGENTS} threads",
    )
    hit_rate = float(seen["count_hit_rate"])
    yield Line("Cache hits: >90%", hit_rate > 0.90, f"{hit_rate:.1%} of {_AGENTS * _ROUNDS * len(prompts):,} counts")
    yield Line("Initialization count: 1", initializations == 1, f"built {initializations} time(s) in this process")
    yield reduction_line("Repeated counts faster", paired(agents_without, agents_with_cache, context.repetitions), 0.0)
