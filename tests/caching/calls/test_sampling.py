"""Which requests are meant to have one answer."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import FakeListChatModel
from langchain_openai import ChatOpenAI

from optiflow.caching.calls.sampling import is_deterministic
from optiflow.clock import VirtualClock
from optiflow.models.offline import OfflineChatModel


def openai(**settings: Any) -> ChatOpenAI:
    """A model of OpenAI."""
    return ChatOpenAI(**{"model": "gpt-4o-mini", "api_key": "k", **settings})


def anthropic(**settings: Any) -> ChatAnthropic:
    """A model of Anthropic."""
    return ChatAnthropic(**{"model": "claude-haiku-4-5", "api_key": "k", **settings})


@pytest.mark.parametrize(
    ("settings", "request_", "expected"),
    [
        ({}, {}, False),
        ({"temperature": 0}, {}, True),
        ({"temperature": 0.7}, {}, False),
        ({"temperature": 0.7, "seed": 1}, {}, True),
        ({"temperature": 0}, {"temperature": 1}, False),
        ({"temperature": 0}, {"temperature": None}, False),
        ({"temperature": 1}, {"temperature": 0}, True),
        ({}, {"seed": 0}, True),
        ({"temperature": 0, "extra_body": {"temperature": 0.5}}, {}, False),
        ({"extra_body": {"seed": 3}}, {}, True),
        ({"extra_body": {"seed": 3}}, {"extra_body": {}}, False),
        ({"temperature": 0}, {"extra_body": {"temperature": 1}}, False),
        ({"model": "gpt-5", "temperature": 0}, {}, False),
        ({"model": "gpt-5", "use_responses_api": True}, {"temperature": 0}, False),
    ],
)
def test_openai(settings: dict[str, Any], request_: dict[str, Any], expected: bool) -> None:
    """OpenAI's settings count as they are sent: arguments over attributes, the extra body over all."""
    assert is_deterministic(openai(**settings), request_) is expected


@pytest.mark.parametrize(
    ("settings", "request_", "expected"),
    [
        ({}, {}, False),
        ({"temperature": 0}, {}, True),
        ({"temperature": 0}, {"temperature": 0.1}, False),
        ({"model_kwargs": {"extra_body": {"temperature": 0}}}, {}, True),
        ({"temperature": 0, "model_kwargs": {"extra_body": {"temperature": 1}}}, {}, False),
    ],
)
def test_anthropic(settings: dict[str, Any], request_: dict[str, Any], expected: bool) -> None:
    """Anthropic's settings count as they are sent."""
    assert is_deterministic(anthropic(**settings), request_) is expected


def test_refused_request_is_left_alone() -> None:
    """A request that can't even be made is for its own caller to fail with."""
    model = anthropic(model="claude-sonnet-5-5", temperature=0)
    with pytest.raises(ValueError, match="not supported"):
        model._get_request_payload([], stop=None)
    assert not is_deterministic(model, {})


def test_offline_model() -> None:
    """OptiFlow's own model does not sample."""
    assert is_deterministic(OfflineChatModel(clock=VirtualClock()), {})


@pytest.mark.parametrize(
    ("parameters", "request_", "expected"),
    [
        ({}, {}, False),
        ({"temperature": 0}, {}, True),
        ({"seed": 7}, {}, True),
        ({"temperature": 0}, {"options": {"num_ctx": 10}}, False),
        ({"temperature": 1}, {"options": {"temperature": 0}}, True),
        ({"temperature": 0}, {"generation_config": None}, False),
    ],
)
def test_class_without_settings_of_its_own(
    parameters: dict[str, Any], request_: dict[str, Any], expected: bool
) -> None:
    """Identifying parameters of a library's class tell, unless the request replaces them; else it is not known."""

    def _identifying_params(self: Any) -> dict[str, Any]:
        return parameters

    file = str(Path(sysconfig.get_path("purelib")) / "library" / "models.py")
    _identifying_params.__code__ = _identifying_params.__code__.replace(co_filename=file)
    library = type("Library", (FakeListChatModel,), {"_identifying_params": property(_identifying_params)})
    assert is_deterministic(library(responses=["a"]), request_) is expected


def test_code_of_the_application_s_is_not_run_more_often_than_plainly() -> None:
    """A property of its class may count, so what it would say is not known."""
    asked: list[str] = []

    class Counting(FakeListChatModel):
        @property
        def _llm_type(self) -> str:
            asked.append("type")
            return "counting"

        @property
        def _identifying_params(self) -> dict[str, Any]:
            asked.append("parameters")
            return {"temperature": 0}

    model = Counting(responses=["a"])
    asked.clear()
    assert not is_deterministic(model, {})
    assert not asked
