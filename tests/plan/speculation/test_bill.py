"""What the calls of one piece of work cost, as reported or estimated."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from optiflow.plan.speculation.bill import Bill
from optiflow.plan.speculation.tally import Tally, current_tally, tallied


def ended(text: str, reported: int = 0) -> LLMResult:
    """An answer; with the tokens of its call, where the provider reports them."""
    usage: Any = {"input_tokens": reported, "output_tokens": 0, "total_tokens": reported} if reported else None
    return LLMResult(generations=[[ChatGeneration(message=AIMessage(text, usage_metadata=usage))]])


def test_reported_tokens_count() -> None:
    """Whatever the texts are."""
    bill, call = Bill(), uuid4()
    bill.on_chat_model_start(None, [[HumanMessage("a question")]], run_id=call)
    bill.on_llm_end(ended("an answer", 11), run_id=call)
    assert (bill.tokens, bill.calls, bill.cut) == (11, 1, 0)


def test_a_call_that_was_cut_is_estimated() -> None:
    """From what was sent and what had come by then."""
    bill, call = Bill(), uuid4()
    bill.on_llm_start(None, ["a question of some length"], run_id=call)
    asked = bill.tokens
    assert asked == count_tokens_approximately(["a question of some length"])
    bill.on_llm_new_token(" and the beginning of an answer", run_id=call)
    bill.on_llm_new_token([{"type": "image"}], run_id=call)
    assert bill.tokens > asked
    assert (bill.calls, bill.cut) == (1, 1)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_provider_that_reports_nothing(streamed: bool) -> None:
    """The answer counts once, streamed or not."""
    bill, call = Bill(), uuid4()
    bill.on_llm_start(None, ["question"], run_id=call)
    if streamed:
        bill.on_llm_new_token("the answer", run_id=call)
    bill.on_llm_end(LLMResult(generations=[[Generation(text="the answer")]]), run_id=call)
    assert bill.tokens == count_tokens_approximately(["questionthe answer"])
    assert bill.cut == 0


def test_other_events_cost_nothing() -> None:
    """Only calls of models are billed."""
    bill = Bill()
    bill.told(("on_chain_start", "ignore_chain", {}, {}), {"run_id": uuid4()})
    assert (bill.tokens, bill.calls) == (0, 0)


def test_what_was_not_used_is_wasted() -> None:
    """Dropped work counts at once, what nobody fetched once the run is over, and what was used never."""
    bills = [Bill() for _ in range(3)]
    tally = Tally()
    for bill in bills:
        call = uuid4()
        bill.on_llm_start(None, ["question"], run_id=call)
        bill.on_llm_end(ended("answer", 5), run_id=call)
        tally.started(bill)
    used, dropped, _ = bills
    tally.used(used)
    tally.dropped(dropped)
    tally.missed()
    assert tally.wasted() == 5
    assert tally.statistics() == {
        "started": 3, "right": 1, "wrong": 1, "redone": 1, "tokens_wasted": 10, "calls_wasted": 2, "calls_cut": 0,
    }  # fmt: skip


def test_one_tally_a_run() -> None:
    """The graphs of a run share it; without one, each keeps its own."""
    with tallied() as tally:
        assert current_tally() is tally
    assert current_tally() is not current_tally()
