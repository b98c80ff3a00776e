"""Tests of the toggle ``async``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from optiflow.optimizations.async_ import Async, AsyncOptions
from optiflow.optimizations.base import Decision, Optimization
from optiflow.tokens import count_tokens, count_tokens_async
from optiflow.tokens.counting import Offload

AskToggle = Callable[[Optimization[Any]], Decision]
CONFIGURED = Path(__file__).parents[2] / "conf" / "opt" / "async.yaml"


def test_the_configuration_holds_every_option_with_its_default() -> None:
    """The YAML file says what the options' model says."""
    assert yaml.safe_load(CONFIGURED.read_text(encoding="utf-8")) == {"async": AsyncOptions().model_dump()}


@pytest.mark.parametrize("wrong", [{"min_characters": -1}, {"blocking_threshold_ms": 0}, {"other": 1}])
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    """Values out of range and unknown keys are errors."""
    with pytest.raises(ValidationError):
        AsyncOptions.model_validate(wrong)


def test_the_decision_is_about_the_whole_graph(decision_of: AskToggle) -> None:
    """The graph stays as it is; what the toggle does is said."""
    decision = decision_of(Async(AsyncOptions()))
    assert (decision.toggle, decision.node, decision.action) == ("async", "*", "applied")


async def test_long_counts_are_offloaded_and_blocking_is_named() -> None:
    """Statistics tell where texts were counted, and what blocked the loop at which line."""
    count_tokens("the tokenizer is built", "gpt-4o")
    with Async(AsyncOptions(min_characters=1000)).activate() as statistics:
        assert await count_tokens_async("word " * 10, "gpt-4o") == 11
        assert await count_tokens_async("word " * 1000, "gpt-4o") == 1001
        time.sleep(0)
    seen = statistics()
    assert (seen["offloaded"], seen["inline"]) == (1, 1)
    assert seen["blocking_calls"] == 1
    assert "test_long_counts_are_offloaded_and_blocking_is_named (time.sleep)" in str(seen["blocking_places"])
    assert "test_async.py:" in str(seen["blocking_places"])
    assert float(seen["longest_block_ms"]) > 0


async def test_nothing_blocks_when_nothing_blocks() -> None:
    """Counting in threads is no blocking of the loop."""
    count_tokens("the tokenizer is built", "gpt-4o")
    with Async(AsyncOptions(min_characters=1000, blocking_threshold_ms=60_000)).activate() as statistics:
        await count_tokens_async("word " * 5000, "gpt-4o")
    assert (statistics()["blocking_calls"], statistics()["blocking_places"]) == (0, "")


async def test_attached_it_only_offloads() -> None:
    """Around each run of somebody's program counting is offloaded, and the event loop is left alone."""
    run = asyncio.events.Handle._run
    with Async(AsyncOptions(min_characters=0)).attach() as offload:
        assert asyncio.events.Handle._run is run
        await count_tokens_async("hello world", "gpt-4o")
    assert isinstance(offload, Offload)
    assert offload.offloaded == 1
