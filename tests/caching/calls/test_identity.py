"""When two requests are the same."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_anthropic import ChatAnthropic
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_openai import ChatOpenAI
from openai import OpenAI
from pydantic import BaseModel, Field, PrivateAttr

from optiflow.caching.calls.identity import request_key
from optiflow.caching.encoding import UncacheableError
from optiflow.clock import VirtualClock
from optiflow.models.offline import OfflineChatModel


class Answer(BaseModel):
    """A schema of an answer."""

    text: str


def openai(**settings: Any) -> ChatOpenAI:
    """A deterministic model of OpenAI."""
    return ChatOpenAI(**{"model": "gpt-4o-mini", "api_key": "k", "temperature": 0, **settings})


def anthropic(**settings: Any) -> ChatAnthropic:
    """A deterministic model of Anthropic."""
    return ChatAnthropic(**{"model": "claude-haiku-4-5", "api_key": "k", "temperature": 0, **settings})


def key(
    model: BaseChatModel,
    messages: list[BaseMessage] | None = None,
    *,
    form: str = "result",
    stop: list[str] | None = None,
    lasting: bool = False,
    **request: Any,
) -> str:
    """The key of a request."""
    return request_key(model, form, messages or [HumanMessage("a")], stop, request, lasting=lasting)


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("make", [openai, anthropic])
def test_equal_models_are_equal(make: Any, lasting: bool) -> None:
    """Two instances with the same settings ask the same, whoever watches them and at whatever rate."""
    watched = make(
        rate_limiter=InMemoryRateLimiter(), callbacks=[BaseCallbackHandler()], tags=["a"], verbose=True, cache=False
    )
    assert key(make(), lasting=lasting) == key(watched, lasting=lasting)


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize(
    "other",
    [
        {"model": "gpt-4o"},
        {"api_key": "another"},
        {"base_url": "http://127.0.0.1:1/v1"},
        {"organization": "another"},
        {"default_headers": {"x-account": "another"}},
        {"max_tokens": 5},
        {"model_kwargs": {"user": "another"}},
        {"extra_body": {"store": "another"}},
        {"output_version": "v1"},
        {"use_responses_api": True},
    ],
)
def test_settings_and_account_count(other: dict[str, Any], lasting: bool) -> None:
    """Another model, account, place or setting is another request."""
    assert key(openai(), lasting=lasting) != key(openai(**other), lasting=lasting)


def test_anthropic_account_counts() -> None:
    """So it is with Anthropic."""
    keys = {key(anthropic(**other)) for other in ({}, {"api_key": "b"}, {"base_url": "http://127.0.0.1:1"})}
    assert len(keys) == 3


def test_client_of_ones_own_counts() -> None:
    """A client with another account, or its own way to the network, is another place to ask."""
    mine, yours = httpx2.Client(), httpx2.Client()
    with mine, yours:
        models = [
            openai(),
            openai(http_client=mine),
            openai(http_client=yours),
            openai(root_client=OpenAI(api_key="k", project="p"), client=object()),
        ]
        keys = [key(model) for model in models]
        assert len(set(keys)) == len(models)
        assert key(openai(http_client=mine)) == keys[1]
        with pytest.raises(UncacheableError):
            key(openai(http_client=mine), lasting=True)


def test_classes_count() -> None:
    """Classes differ even where all else is equal."""

    class Another(ChatOpenAI):
        pass

    assert key(openai()) != key(Another(model="gpt-4o-mini", api_key="k", temperature=0))


@pytest.mark.parametrize(
    "other",
    [
        {"form": "chunks"},
        {"stop": ["x"]},
        {"stop": []},
        {"tools": [{"name": "a"}]},
        {"response_format": Answer},
        {"temperature": 0},
        {"pair": ("a", "b")},
    ],
)
def test_request_counts(other: dict[str, Any]) -> None:
    """Every argument is part of the request."""
    model = openai()
    assert key(model) != key(model, **other)
    assert key(model, **other) == key(openai(), **other)


def test_schemas() -> None:
    """A class that describes the answer counts by what it says, across processes, and as itself within one."""

    def another() -> type[BaseModel]:
        class Made(BaseModel):
            text: str

        return Made

    one, two = another(), another()
    assert key(openai(), schema=one) != key(openai(), schema=two)
    assert key(openai(), schema=one, lasting=True) == key(openai(), schema=two, lasting=True)
    assert key(openai(), schema=one, lasting=True) != key(openai(), schema=Answer, lasting=True)


def test_what_can_not_be_compared_is_refused() -> None:
    """An object among the arguments may change while the request is under way."""
    with pytest.raises(UncacheableError):
        key(openai(), tools=[iter(())])


MESSAGES: list[list[BaseMessage]] = [
    [HumanMessage("a")],
    [SystemMessage("a")],
    [HumanMessage("b")],
    [HumanMessage("a", name="n")],
    [HumanMessage([{"type": "text", "text": "a"}])],
    [HumanMessage("a"), HumanMessage("a")],
    [AIMessage("a")],
    [AIMessage("a", tool_calls=[{"name": "t", "args": {}, "id": "1"}])],
    [AIMessage("a", tool_calls=[{"name": "t", "args": {}, "id": "2"}])],
    [AIMessage("a", additional_kwargs={"reasoning": "r"})],
    [ToolMessage("a", tool_call_id="1")],
    [HumanMessage("a", id="chosen")],
    [AIMessage("a", id="msg_1")],
]


def test_messages_count() -> None:
    """All that a provider may be sent of a message counts."""
    keys = {key(openai(), messages) for messages in MESSAGES}
    assert len(keys) == len(MESSAGES)


@pytest.mark.parametrize(
    "generated", ["lc_run--019a-0", "run-x", "chatcmpl-abc", "01234567-89ab-cdef-0123-456789abcdef"]
)
def test_generated_ids_do_not_count(generated: str) -> None:
    """Ids that were given on this side of the network are not part of the request."""
    assert key(openai(), [HumanMessage("a", id=generated)]) == key(openai(), [HumanMessage("a")])


@given(
    st.dictionaries(
        st.text(max_size=4),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=4), lambda s: st.lists(s, max_size=3)
        ),
        max_size=5,
    ).flatmap(lambda d: st.tuples(st.just(d), st.permutations(list(d.items()))))
)
def test_order_of_dicts_does_not_count(pair: tuple[dict[str, Any], list[tuple[str, Any]]]) -> None:
    """Dicts with the same entries are the same, in whatever order."""
    plain, reordered = pair
    model = FakeListChatModel(responses=["a"])
    messages: list[BaseMessage] = [HumanMessage("a", additional_kwargs=plain)]
    others: list[BaseMessage] = [HumanMessage("a", additional_kwargs=dict(reordered))]
    assert key(model, messages, tool=plain) == key(model, others, tool=dict(reordered))


class Holding(FakeListChatModel):
    """A model that holds objects."""

    responses: list[str] = Field(default_factory=list)
    tool: Any = None
    _connection: Any = PrivateAttr(default_factory=lambda: iter(()))


def test_objects_that_a_model_holds() -> None:
    """They count as themselves in flight; for good they can't, unless other fields say what they say."""
    clock = VirtualClock()
    one, same, other = (OfflineChatModel(clock=each) for each in (clock, clock, VirtualClock()))
    assert key(one) == key(same)
    assert key(one) != key(other)
    assert key(one, lasting=True) == key(other, lasting=True)
    holding = Holding()
    assert key(holding) == key(holding)
    assert key(holding) != key(Holding())
    assert key(holding, lasting=True) == key(Holding(), lasting=True)
    with pytest.raises(UncacheableError):
        key(Holding(tool=iter(())), lasting=True)
