"""Tests of asking many prompts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optiflow.batching import BatchOptimizer, activate, process_prompts, process_prompts_parallel
from optiflow.clock.base import use_clock
from optiflow.errors import ConfigurationError


class Model:
    """Answers prompts in upper case, when it is let, and notes what it was asked."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.asked: list[str] = []
        self.in_flight = 0
        self.peak = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def ask(self, prompt: str) -> str:
        """Answer one prompt."""
        self.asked.append(prompt)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
            if prompt in self.failing:
                raise ValueError(f"no answer to {prompt}")
            return prompt.upper()
        finally:
            self.in_flight -= 1


async def turns(number: int = 10) -> None:
    """Let every task that can run do so."""
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.fixture(params=["sequential", "one at a time", "concurrent"])
def processing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every way of processing prompts."""
    if request.param == "sequential":
        yield
    else:
        with activate(1 if request.param == "one at a time" else 4):
            yield


@pytest.mark.usefixtures("processing")
async def test_order_is_kept_and_failures_stay_apart() -> None:
    """Outcomes come in the order of prompts; one that fails loses no other."""
    model = Model("c")
    outcomes = await process_prompts(list("abcde"), model.ask)
    assert [outcome.prompt for outcome in outcomes] == list("abcde")
    assert [outcome.value for outcome in outcomes] == ["A", "B", None, "D", "E"]
    assert outcomes[0].result() == "A"
    with pytest.raises(ValueError, match="no answer to c"):
        outcomes[2].result()
    assert not any(outcome.merged for outcome in outcomes)


@pytest.mark.usefixtures("processing")
async def test_no_prompts_no_outcomes() -> None:
    """An empty batch is empty."""
    assert await process_prompts([], Model().ask) == []


@pytest.mark.usefixtures("processing")
async def test_none_is_a_value() -> None:
    """An ask may well return None."""

    async def ask(prompt: str) -> None: ...

    (outcome,) = await process_prompts(["a"], ask)
    outcome.result()
    assert outcome.value is None
    assert outcome.error is None


@pytest.mark.usefixtures("processing")
async def test_prompts_within_prompts_end() -> None:
    """An ask may process prompts in turn, equal ones too, whatever the limit: nothing waits in a circle."""
    model = Model()

    async def ask(prompt: str) -> str:
        if len(prompt) < 3:
            inner = await process_prompts([f"{prompt}x", f"{prompt}x", "a"], ask, identity="m")
            return "+".join(outcome.result() for outcome in inner)
        return await model.ask(prompt)

    async def a_or_nested(prompt: str) -> str:
        if prompt == "a":
            inner = await process_prompts(["a", "b"], model.ask, identity="m")
            return "+".join(outcome.result() for outcome in inner)
        return await model.ask(prompt)

    async with asyncio.timeout(5):
        outcomes = await process_prompts(["a", "a"], a_or_nested, identity="m")
    assert [outcome.result() for outcome in outcomes] == ["A+B", "A+B"]


async def test_two_asks_that_need_each_others_prompt_end() -> None:
    """Two prompts in flight that ask for each other within don't wait for each other."""
    model = Model()

    async def ask(prompt: str) -> str:
        other = "b" if prompt == "a" else "a"
        (inner,) = await process_prompts([other], model.ask, identity="m")
        return prompt + inner.result()

    with activate(2):
        async with asyncio.timeout(5):
            outcomes = await process_prompts(["a", "b"], ask, identity="m")
    assert [outcome.result() for outcome in outcomes] == ["aB", "bA"]


async def test_prompts_within_a_prompt_use_its_slot() -> None:
    """Nested prompts go one at a time within the slot of their prompt, so the limit holds for the model."""
    model = Model()

    async def ask(prompt: str) -> list[str]:
        inner = await process_prompts([f"{prompt}{number}" for number in range(4)], model.ask)
        return [outcome.result() for outcome in inner]

    with activate(2) as statistics:
        outcomes = await process_prompts(["a", "b", "c"], ask)
    assert outcomes[2].result() == ["C0", "C1", "C2", "C3"]
    assert model.peak == 2
    assert statistics()["prompts"] == 15


async def test_by_default_one_strictly_after_another() -> None:
    """Without the toggle nothing overlaps and nothing is merged."""
    model = Model()
    outcomes = await process_prompts(["a", "a", "b"], model.ask, identity="m")
    assert model.peak == 1
    assert model.asked == ["a", "a", "b"]
    assert not any(outcome.merged for outcome in outcomes)


async def test_the_limit_is_shared_by_the_run() -> None:
    """Several batches at once stay within one limit, and use it."""
    model = Model()
    with activate(3) as statistics:
        await asyncio.gather(*(process_prompts([f"{n}{i}" for i in range(5)], model.ask) for n in range(4)))
    assert model.peak == 3
    seen = statistics()
    assert (seen["batches"], seen["prompts"], seen["peak_in_flight"]) == (4, 20, 3)


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_limit_below_one_is_refused(limit: int) -> None:
    """A limit that lets nothing through is a configuration error."""
    with pytest.raises(ConfigurationError, match=f"max_concurrency is {limit}; it has to be 1 or more"):
        await process_prompts_parallel(["a"], Model().ask, max_concurrency=limit)
    with pytest.raises(ConfigurationError), activate(limit):
        pytest.fail("not reached")


async def test_identical_prompts_in_flight_are_asked_once() -> None:
    """Across batches of the run, identical prompts of one identity share one outcome; others don't."""
    model = Model()
    model.gate.clear()
    with activate(10) as statistics:
        batches = [
            asyncio.create_task(process_prompts(["a", "a", "b"], model.ask, identity="m")),
            asyncio.create_task(process_prompts(["b"], model.ask, identity="m")),
            asyncio.create_task(process_prompts(["a"], model.ask, identity="other")),
            asyncio.create_task(process_prompts(["a", "a"], model.ask)),
        ]
        await turns()
        model.gate.set()
        outcomes = await asyncio.gather(*batches)
    assert sorted(model.asked) == ["a", "a", "a", "a", "b"]
    assert [[outcome.result() for outcome in batch] for batch in outcomes] == [
        ["A", "A", "B"],
        ["B"],
        ["A"],
        ["A", "A"],
    ]
    assert [outcome.merged for batch in outcomes for outcome in batch] == [
        *(False, True, False),
        True,
        False,
        *(False, False),
    ]
    assert statistics()["merged"] == 2


async def test_a_prompt_asked_again_later_is_asked_again() -> None:
    """Only prompts in flight are shared: this is no cache of answers."""
    model = Model()
    with activate(4):
        for _ in range(2):
            await process_prompts(["a"], model.ask, identity="m")
    assert model.asked == ["a", "a"]


async def test_followers_share_the_leaders_failure() -> None:
    """If the one that was asked fails, each of those who waited has the error as its own outcome."""
    model = Model("a")
    outcomes = await process_prompts_parallel(["a", "a", "b"], model.ask, max_concurrency=3, identity="m")
    assert model.asked == ["a", "b"]
    assert outcomes[0].error is outcomes[1].error is not None
    assert outcomes[1].merged
    assert outcomes[2].result() == "B"


async def test_followers_of_a_cancelled_leader_ask_themselves() -> None:
    """Cancelling the batch of the one that was asked cancels nobody else; one of the others asks again."""
    model = Model()
    model.gate.clear()
    with activate(4) as statistics:
        leader = asyncio.create_task(process_prompts(["a"], model.ask, identity="m"))
        await turns()
        followers = [asyncio.create_task(process_prompts(["a"], model.ask, identity="m")) for _ in range(2)]
        await turns()
        assert model.asked == ["a"]
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        await turns()
        model.gate.set()
        first, second = await asyncio.gather(*followers)
    assert model.asked == ["a", "a"]
    assert (first[0].result(), second[0].result()) == ("A", "A")
    assert [first[0].merged, second[0].merged].count(True) == 1
    assert statistics()["failed"] == 0


async def test_a_cancelled_follower_leaves_the_leader_alone() -> None:
    """Cancelling one that waits does not cancel what it waits for."""
    model = Model()
    model.gate.clear()
    with activate(4):
        leader = asyncio.create_task(process_prompts(["a"], model.ask, identity="m"))
        await turns()
        follower = asyncio.create_task(process_prompts(["a"], model.ask, identity="m"))
        await turns()
        follower.cancel()
        with pytest.raises(asyncio.CancelledError):
            await follower
        model.gate.set()
        (outcome,) = await leader
    assert outcome.result() == "A"


async def test_cancelling_a_batch_cancels_its_prompts() -> None:
    """Whoever cancels a batch leaves nothing running and no slot taken."""
    model = Model()
    model.gate.clear()
    with activate(2):
        batch = asyncio.create_task(process_prompts(list("abcd"), model.ask, identity="m"))
        await turns()
        assert model.in_flight == 2
        batch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await batch
        assert model.in_flight == 0
        model.gate.set()
        assert len(await process_prompts(list("abcd"), model.ask, identity="m")) == 4


@pytest.mark.usefixtures("processing")
async def test_an_ask_cancelled_from_within_cancels_its_caller() -> None:
    """A cancellation that an ask raises itself reaches the caller, as it would without batches."""

    async def ask(prompt: str) -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await process_prompts(["a"], ask)


async def test_waiting_and_asking_are_measured_on_the_runs_clock() -> None:
    """Times are summed over prompts, in the time of the run."""

    class Clock:
        now = 0.0

        def time(self) -> float:
            return self.now

    clock = Clock()

    async def ask(prompt: str) -> str:
        await asyncio.sleep(0)
        clock.now += 2
        return prompt

    with use_clock(clock), activate(1) as statistics:  # type: ignore[arg-type]
        await process_prompts(["a", "b", "c"], ask)
    assert statistics() == {
        "batches": 1,
        "prompts": 3,
        "merged": 0,
        "failed": 0,
        "peak_in_flight": 1,
        "waited_s": 6.0,
        "asked_s": 6.0,
    }


def test_event_loops_do_not_meet() -> None:
    """Nodes on loops of their own, in threads, share the account and not futures or semaphores."""
    optimizer = BatchOptimizer(1)

    def node() -> None:
        async def batch() -> None:
            model = Model()
            outcomes = await optimizer.process(["a", "a", "b"], model.ask, identity="m")
            assert [outcome.result() for outcome in outcomes] == ["A", "A", "B"]

        asyncio.run(batch())

    threads = [threading.Thread(target=node) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (optimizer.statistics()["prompts"], optimizer.statistics()["merged"]) == (12, 4)


@settings(deadline=None, max_examples=60)
@given(
    batches=st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), max_size=4),
    failing=st.sets(st.sampled_from("abcdef")),
    limit=st.integers(1, 4),
    identity=st.sampled_from([None, "m"]),
)
def test_concurrent_outcomes_equal_sequential_ones(
    batches: list[list[str]], failing: set[str], limit: int, identity: str | None
) -> None:
    """Whatever the batches, failures and limit: the same values and errors, within the limit."""

    async def run(concurrent: bool) -> list[list[tuple[str, str | None, str]]]:
        model = Model(*failing)
        if concurrent:
            with activate(limit):
                done = await asyncio.gather(
                    *(process_prompts(batch, model.ask, identity=identity) for batch in batches)
                )
            assert model.peak <= limit
        else:
            done = [await process_prompts(batch, model.ask, identity=identity) for batch in batches]
        return [[(outcome.prompt, outcome.value, repr(outcome.error)) for outcome in batch] for batch in done]

    assert asyncio.run(run(concurrent=True)) == asyncio.run(run(concurrent=False))
