"""Tests of the toggle ``cache``."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

import psutil
import pytest
import yaml
from langgraph.graph import START, StateGraph
from pydantic import ValidationError

from optiflow import api, log
from optiflow.clock import RealClock
from optiflow.models.offline import OfflineChatModel
from optiflow.optimizations.async_ import Async, AsyncOptions
from optiflow.optimizations.base import Decision, Optimization
from optiflow.optimizations.cache import Cache, CacheOptions
from optiflow.plan.graph_plan import GraphPlan
from optiflow.tokens import count_tokens, count_tokens_async, tokenizer_cache

AskToggle = Callable[[Optimization[Any]], Decision]
CONFIGURED = Path(__file__).parents[2] / "conf" / "opt" / "cache.yaml"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged."""
    stream = io.StringIO()
    log.configure("INFO", stream)
    yield stream
    log.configure()


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, "none"),
        ({"backend": "sqlite"}, "auto"),
        ({"backend": "sqlite", "responses": True}, "none"),
        ({"backend": "sqlite", "nodes": "none"}, "none"),
        ({"nodes": "auto"}, "auto"),
        ({"nodes": ("reader",)}, ("reader",)),
    ],
)
def test_a_backend_that_is_named_has_something_to_keep(options: dict[str, Any], kept: Any) -> None:
    """Naming a place is asking for it, unless something else is said."""
    assert CacheOptions(**options).kept_nodes == kept


def test_the_configuration_holds_every_option_with_its_default() -> None:
    """The YAML file says what the options' model says."""
    assert yaml.safe_load(CONFIGURED.read_text(encoding="utf-8")) == {"cache": CacheOptions().model_dump()}


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_entries": 0},
        {"max_characters": 0},
        {"size": 1},
        {"nodes": "some"},
        {"merge_calls": "maybe"},
        {"max_mb": 0},
        {"max_age_s": 0},
        {"backend": "redis"},
        {"backend": "memory", "url": "sqlite:///x"},
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    """Values out of range and unknown keys are errors."""
    with pytest.raises(ValidationError):
        CacheOptions.model_validate(wrong)


def test_the_decision_is_about_the_whole_graph(decision_of: AskToggle) -> None:
    """The graph stays as it is; what the toggle does is said."""
    decision = decision_of(Cache(CacheOptions()))
    assert (decision.toggle, decision.node, decision.action) == ("cache", "*", "applied")


def test_repeated_counts_hit_and_the_statistics_are_logged(lines: io.StringIO) -> None:
    """Statistics tell hits, misses and tokenizers; they are logged when the run ends."""
    with Cache(CacheOptions()).activate() as statistics:
        for _ in range(10):
            assert count_tokens("hello world", "gpt-4o") == 2
    seen = statistics()
    assert (seen["count_hits"], seen["count_misses"], seen["count_hit_rate"]) == (9, 1, 0.9)
    assert (seen["tokenizer_initializations"], seen["entries"], seen["evictions"]) == (1, 1, 0)
    assert seen["characters"] == len("hello world")
    assert 'event="tokenizer cache" count_hits=9' in lines.getvalue()


def test_a_failed_run_logs_them_too(lines: io.StringIO) -> None:
    """What leaves the run does not take the statistics with it."""
    with pytest.raises(ZeroDivisionError), Cache(CacheOptions()).activate():
        raise ZeroDivisionError
    assert "tokenizer cache" in lines.getvalue()


def test_each_run_begins_with_an_empty_cache() -> None:
    """Arms of a comparison don't warm each other; the tokenizer stays one."""
    for _ in range(2):
        with Cache(CacheOptions()).activate() as statistics:
            count_tokens("hello world", "gpt-4o")
        assert (statistics()["count_hits"], statistics()["count_misses"]) == (0, 1)
        assert statistics()["tokenizer_initializations"] == 1


@pytest.mark.parametrize("cache_first", [True, False])
async def test_a_hit_never_goes_to_a_thread(cache_first: bool) -> None:
    """With ``async`` beside it, in either order, a text is counted in a thread once and then known at once."""
    cache, offload = Cache(CacheOptions()), Async(AsyncOptions(min_characters=0))
    outer, inner = (cache, offload) if cache_first else (offload, cache)
    with outer.activate() as outer_statistics, inner.activate() as inner_statistics:
        await count_tokens_async("hello world", "gpt-4o")
        counts = await asyncio.gather(*(count_tokens_async("hello world", "gpt-4o") for _ in range(5)))
    seen = {**outer_statistics(), **inner_statistics()}
    assert counts == [2] * 5
    assert (seen["offloaded"], seen["inline"], seen["count_hits"]) == (1, 5, 5)


def test_attached_it_writes_no_lines(lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Around each run of somebody's program counts are remembered, and the log is left alone."""
    encoded = []
    plain = tokenizer_cache.encoded_length
    monkeypatch.setattr(tokenizer_cache, "encoded_length", lambda *args: encoded.append(args) or plain(*args))
    with Cache(CacheOptions()).attach():
        assert [count_tokens("hello world", "gpt-4o") for _ in range(3)] == [2, 2, 2]
    assert len(encoded) == 1
    assert lines.getvalue() == ""


class State(TypedDict, total=False):
    """A question and its answer."""

    question: str
    answer: str


def waits(state: State) -> dict[str, str]:
    """A node that is worth keeping."""
    time.sleep(0.001)
    return {"answer": state["question"] + "!"}


def test_statistics_are_those_of_one_run() -> None:
    """Though what is kept outlives it; nothing is told of what is off."""
    cache = Cache(CacheOptions(nodes="auto"))
    builder = StateGraph(State).add_node("waits", waits).add_edge(START, "waits")
    graph, _ = api.build(GraphPlan.of(builder), [cache])
    seen = []
    for _ in range(2):
        with cache.activate() as statistics:
            graph.invoke({"question": "q"})
        seen.append({name: figure for name, figure in statistics().items() if name.startswith("node_") and figure})
    assert seen == [{"node_misses": 1}, {"node_hits": 1}]
    assert {"node_merged", "node_uncacheable", "node_corrupt", "tokens_saved", "usd_saved", "backend_errors"} <= (
        statistics().keys()
    )
    with Cache(CacheOptions()).activate() as statistics:
        assert not [name for name in statistics() if name.startswith(("node_", "calls_", "backend_"))]


def test_model_calls_are_merged_and_kept_where_asked_to(tmp_path: Path) -> None:
    """Both are held around the run, counted beside the nodes, and apart for each arm."""
    url = f"sqlite:///{tmp_path / 'c.sqlite'}"
    options = CacheOptions(merge_calls="deterministic", responses=True, backend="sqlite", url=url)
    model = OfflineChatModel(clock=RealClock())
    builder = StateGraph(State).add_node("waits", waits).add_edge(START, "waits")
    figures = []
    for beside in ([], [], [Async(AsyncOptions())]):
        cache = Cache(options)
        (decision, *_) = api.decisions_of(builder, [cache, *beside])
        with cache.activate() as statistics:
            model.invoke("Say something.")
        figures.append((statistics()["calls_hits"], statistics()["calls_misses"], statistics()["tokens_saved"] > 0))
        assert statistics()["backend_errors"] == 0
        cache._store.backend.close()
    assert figures == [(0, 1, False), (1, 0, True), (0, 1, False)]
    assert decision.reason == (
        "token counts are remembered within the run; equal deterministic model calls in progress are one; "
        "answers of models are kept in sqlite"
    )
    (merges, *_) = api.decisions_of(builder, [Cache(CacheOptions(merge_calls="all"))])
    assert merges.reason.endswith("equal model calls in progress are one")


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_of_the_main_job_leaves_no_connection(tmp_path: Path, fails: bool) -> None:
    """However it ends; the next run in the process opens another and finds what was kept."""
    file = tmp_path / "cache.sqlite"
    cache = Cache(CacheOptions(backend="sqlite", url=f"sqlite:///{file}", nodes="auto"))

    def is_open() -> bool:
        return any(each.path == str(file) for each in psutil.Process().open_files())

    with suppress(ZeroDivisionError), cache.activate():
        cache._store.put("n", "k", b"v")
        assert is_open()
        if fails:
            raise ZeroDivisionError
    assert not is_open()
    with cache.activate():
        assert cache._store.get("n", "k") == b"v"
    assert not is_open()


def test_memory_outlives_a_run() -> None:
    """It is no connection, and belongs to one set of toggles as long as that is used."""
    cache = Cache(CacheOptions(nodes="auto"))
    with cache.activate():
        cache._store.put("n", "k", b"v")
    with cache.activate():
        assert cache._store.get("n", "k") == b"v"
