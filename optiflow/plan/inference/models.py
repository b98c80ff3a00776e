"""Language models and embedding models: the application's code that runs when one is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.language_models import BaseChatModel

from optiflow.plan.inference.findings import UnknownCodeError
from optiflow.plan.inference.runnables import MESSAGE, is_trusted_model
from optiflow.plan.inference.vouching import attribute_of, home, is_users, name_of_class

__all__ = ["Parts", "look_at_model", "refuse_replaced", "stored_in"]


@dataclass
class Parts:
    """What a Runnable is made of."""

    functions: list[Any] = field(default_factory=list)
    """The user's callables in it, which have to be followed."""

    answer: Any = None
    """The type of what it gives, where known."""

    outside: str | None = None
    """What it touches."""

    observers: list[Any] = field(default_factory=list)
    """Callback handlers, and what makes listeners: they are told of its work."""


def stored_in(obj: Any) -> dict[str, Any]:
    """What an object stores, without any code of its class."""
    stored: dict[str, Any] = object.__getattribute__(obj, "__dict__")
    return stored


def refuse_replaced(runnable: Any) -> None:
    """An instance may have a function of its own instead of its class's."""
    for name, value in stored_in(runnable).items():
        inherited = attribute_of(type(runnable), name)
        if isinstance(inherited, FunctionType | classmethod | staticmethod) and value is not None:
            raise UnknownCodeError(f"the {type(runnable).__name__} has a .{name}() of its own")


_GENERATING = (
    "_generate", "_agenerate", "_stream", "_astream", "_call", "_acall", "invoke", "ainvoke", "stream", "astream",
    "batch", "abatch", "generate", "agenerate", "generate_prompt", "agenerate_prompt", "embed_documents",
    "embed_query", "aembed_documents", "aembed_query", "_convert_input", "_get_invocation_params", "_get_ls_params",
    "_llm_type", "_identifying_params", "_combine_llm_outputs", "_should_stream", "get_num_tokens", "get_token_ids",
    "get_num_tokens_from_messages", "_get_llm_string",
    "_create_chat_result", "_get_request_payload", "_create_message_dicts", "_convert_chunk_to_generation_chunk",
)  # fmt: skip
"""Methods and properties that run when a model is asked."""

_BASES = frozenset(
    {
        "langchain_core.language_models.base.BaseLanguageModel", "langchain_core.language_models.llms.BaseLLM",
        "langchain_core.language_models.chat_models.BaseChatModel", "langchain_core.language_models.llms.LLM",
        "langchain_core.language_models.chat_models.SimpleChatModel", "langchain_core.embeddings.embeddings.Embeddings",
    }
)  # fmt: skip


def look_at_model(llm: Any, parts: Parts) -> None:
    """Find out what runs when a model is asked.

    Raises:
        UnknownCodeError: It keeps something between two requests, or nobody knows.
    """
    cls = type(llm)
    stored = stored_in(llm)
    parts.answer = MESSAGE if isinstance(llm, BaseChatModel) else str
    refuse_replaced(llm)
    if isinstance(stored.get("cache"), BaseCache):
        parts.outside = f"the {cls.__name__} keeps its answers in a cache"
    if (counting := stored.get("custom_get_token_ids")) is not None:
        parts.functions.append(counting)
    callbacks = stored.get("callbacks")
    if callbacks is not None:
        parts.observers += callbacks if isinstance(callbacks, list) else [callbacks]
    limiter = stored.get("rate_limiter")
    if limiter is not None and name_of_class(type(limiter)) is None:
        raise UnknownCodeError(f"the model {cls.__name__} is slowed down by a {type(limiter).__name__}")
    if is_trusted_model(cls):
        return
    if is_users(attribute_of(cls, "__getattr__")):
        raise UnknownCodeError(f"{cls.__name__}.__getattr__ is the application's own")
    for name in _GENERATING:
        owner = next((base for base in cls.__mro__ if name in vars(base)), None)
        if owner is None or name_of_class(owner) in _BASES or is_trusted_model(owner):
            continue
        value = vars(owner)[name]
        function = value.fget if type(value) is property else getattr(value, "func", value)
        if is_users(function):
            parts.functions.append(function if type(value) is not FunctionType else MethodType(value, llm))
        elif (home(function) if isinstance(function, FunctionType) else "") in _NOT_STATEFUL:
            continue
        elif owner.__module__.startswith("langchain_core.language_models"):
            raise UnknownCodeError(f"the model {cls.__name__} keeps its place in a list of answers")
        else:
            raise UnknownCodeError(f"the model {cls.__name__} is not known")


_NOT_STATEFUL = frozenset({"langchain_core.load.serializable", "langchain_core.runnables.base", "pydantic.main"})
