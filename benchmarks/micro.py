"""What the small parts cost and gain; ``python benchmarks/micro.py [--json FILE] [--repetitions N]``.

Every figure is a ratio or a difference of arms that ran interleaved in one process.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextvars import copy_context
from functools import partial
from importlib.metadata import metadata

import tiktoken
from measure import Interval, interleave, median_interval, ratio_interval
from results import Figure, options_parser, publish

from optiflow import log
from optiflow.monitor.performance_monitor import collect, performance_monitor
from optiflow.tokens.counting import count_tokens, count_tokens_async, use_counter, use_offload
from optiflow.tokens.encodings import use_shipped_rank_files
from optiflow.tokens.tokenizer_cache import CountCache

MODEL = "gpt-4o"
SOURCES = ("rich", "pydantic", "tiktoken", "structlog", "sqlalchemy")
"""Distributions whose descriptions are the text that is counted."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the figures."""
    options = options_parser(__doc__, repetitions=31).parse_args(argv)
    use_shipped_rank_files()
    figures = [
        *cached_counts(options.repetitions),
        *monitored_calls(options.repetitions),
        *filtered_logs(options.repetitions),
        *concurrent_counts(options.repetitions),
    ]
    publish(figures, options)


def cached_counts(repetitions: int) -> Iterator[Figure]:
    """A repeated prompt of 1,000 tokens: encoded each time, remembered, and remembered for an equal copy."""
    encoding = tiktoken.encoding_for_model(MODEL)
    prompt = encoding.decode(encoding.encode_ordinary(_text())[:1000])
    # The hash of a string object is computed once: an equal copy shows what a prompt built anew costs.
    copies = ["".join((prompt[:1], prompt[1:])) for _ in range(200 * (repetitions + 1))]

    def uncached() -> None:
        for _ in range(20):
            len(tiktoken.encoding_for_model(MODEL).encode(prompt))

    def remembered() -> None:
        for _ in range(2000):
            count_tokens(prompt, MODEL)

    def copied() -> None:
        for _ in range(200):
            count_tokens(copies.pop(), MODEL)

    with use_counter(CountCache(max_entries=1024, max_characters=10**6)):
        samples = interleave({"uncached": uncached, "remembered": remembered, "copied": copied}, repetitions)
    uncached_s, remembered_s, copied_s = (
        [sample / calls for sample in samples[arm]]
        for arm, calls in (("uncached", 20), ("remembered", 2000), ("copied", 200))
    )
    yield Figure(
        "count of a repeated prompt, uncached / cached",
        "x",
        ratio_interval(uncached_s, remembered_s),
        ">= 100",
    )
    yield Figure("the same, an equal copy of the prompt each time", "x", ratio_interval(uncached_s, copied_s))
    yield Figure("cached count", "us", _micro(remembered_s))


def monitored_calls(repetitions: int) -> Iterator[Figure]:
    """An empty function: plain, decorated without a monitor, decorated with one."""

    def plain() -> None:
        pass

    decorated = performance_monitor("benchmark")(plain)
    calls = 5000

    def active() -> None:
        with collect():
            _repeat(decorated, calls)

    samples = interleave(
        {
            "plain": partial(_repeat, plain, calls),
            "inactive": partial(_repeat, decorated, calls),
            "active": active,
        },
        repetitions,
    )
    yield Figure("@performance_monitor, active", "us", _added(samples["active"], samples["plain"], calls), "< 2")
    yield Figure("@performance_monitor, inactive", "us", _added(samples["inactive"], samples["plain"], calls))


def filtered_logs(repetitions: int) -> Iterator[Figure]:
    """A line with two fields: dropped, and written to memory."""
    logger = log.get_logger("benchmark")
    calls = 2000

    def write() -> None:
        for number in range(calls):
            logger.info("counted", number=number, model=MODEL)

    def filtered() -> None:
        with log.level_filter("WARNING"):
            write()

    def written() -> None:
        log.configure("INFO", io.StringIO())
        write()

    try:
        samples = interleave({"filtered": filtered, "written": written}, repetitions)
    finally:
        log.configure()
    yield Figure("filtered log call", "us", _micro([sample / calls for sample in samples["filtered"]]), "< 0.3")
    yield Figure("written log call", "us", _micro([sample / calls for sample in samples["written"]]))


def concurrent_counts(repetitions: int) -> Iterator[Figure]:
    """Two dozen texts counted concurrently on one event loop: inline, and in threads."""
    text = _text() * 4
    with asyncio.Runner() as runner:
        for characters in (4096, 8192, 16_384, 65_536):
            texts = [text[i * characters // 3 :][:characters] for i in range(24)]

            async def count(texts: list[str] = texts) -> None:
                await asyncio.gather(*(count_tokens_async(text, MODEL) for text in texts))

            def inline(count: Callable[[], Coroutine[None, None, None]] = count) -> None:
                runner.run(count(), context=copy_context())

            def threads(inline: Callable[[], None] = inline) -> None:
                with use_offload(0):
                    inline()

            samples = interleave({"inline": inline, "threads": threads}, repetitions)
            yield Figure(
                f"24 concurrent counts of {characters} characters, inline / threads",
                "x",
                ratio_interval(samples["inline"], samples["threads"]),
                "> 1.2" if characters > 8192 else "",
            )


def _text() -> str:
    return "\n".join(str(metadata(name).json["description"]) for name in SOURCES)


def _repeat(function: Callable[[], None], calls: int) -> None:
    for _ in range(calls):
        function()


def _micro(samples: Sequence[float]) -> Interval:
    return median_interval([sample * 1e6 for sample in samples])


def _added(samples: Sequence[float], plain: Sequence[float], calls: int) -> Interval:
    return _micro([(sample - without) / calls for sample, without in zip(samples, plain, strict=True)])


if __name__ == "__main__":
    main()
