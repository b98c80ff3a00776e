"""LangChain's Runnables, models and loggers: which only compute or ask a model."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from types import FunctionType, GenericAlias
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel, BaseLanguageModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseOutputParser, StrOutputParser
from langchain_core.prompts import BasePromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    Runnable,
    RunnableAssign,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
)
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.fallbacks import RunnableWithFallbacks
from langgraph.types import Command, Send, interrupt

from optiflow.plan.inference.findings import UnknownCodeError
from optiflow.plan.inference.values import Value, data, fresh, model

__all__ = [
    "MESSAGE",
    "Parts",
    "asked",
    "is_logger",
    "is_model_factory",
    "is_other_logger",
    "is_runnable",
    "is_trusted_model",
    "look",
    "method_of_model",
    "special",
]

MESSAGE = AIMessage
"""Type of a chat model's answer."""

_PROVIDERS = (
    "langchain_anthropic", "langchain_aws", "langchain_cerebras", "langchain_cohere", "langchain_deepseek",
    "langchain_fireworks", "langchain_google_genai", "langchain_google_vertexai", "langchain_groq",
    "langchain_huggingface", "langchain_ibm", "langchain_mistralai", "langchain_nvidia_ai_endpoints",
    "langchain_ollama", "langchain_openai", "langchain_openrouter", "langchain_perplexity", "langchain_together",
    "langchain_xai", "langchain_community.chat_models", "langchain_community.embeddings",
    "langchain.chat_models", "langchain.embeddings",
)  # fmt: skip
"""Packages whose models keep nothing between two requests. A model of another package is followed like any code."""

_ASKING = frozenset(
    {"invoke", "ainvoke", "stream", "astream", "batch", "abatch", "generate", "agenerate", "predict", "apredict"}
    | {"format", "aformat", "format_messages", "aformat_messages", "format_prompt", "aformat_prompt", "parse", "aparse"}
    | {"embed_query", "aembed_query", "embed_documents", "aembed_documents", "get_num_tokens", "__call__"}
    | {"get_num_tokens_from_messages", "get_format_instructions"}
)
_SHAPING = frozenset(
    {
        "bind",
        "bind_tools",
        "with_config",
        "with_retry",
        "with_structured_output",
        "with_fallbacks",
        "with_types",
        "pipe",
    }
    | {"partial", "assign", "pick", "configurable_fields", "configurable_alternatives"}
)
_GENERATING = ("_generate", "_agenerate", "_stream", "_astream", "_call", "_acall", "invoke", "ainvoke")


@dataclass
class Parts:
    """What a Runnable is made of."""

    functions: list[Any] = field(default_factory=list)
    """The user's callables in it, which have to be followed."""

    answer: Any = None
    """The type of what it gives, where known."""

    outside: str | None = None
    """What it touches."""


def is_runnable(obj: Any) -> bool:
    """Whether an object is a LangChain Runnable or embedding model."""
    return isinstance(obj, Runnable | Embeddings)


def is_logger(obj: Any) -> bool:
    """Whether an object only makes log records, which can be held back."""
    return isinstance(obj, logging.Logger) or type(obj) is logging.LoggerAdapter


def is_other_logger(obj: Any) -> bool:
    """Whether an object writes logs by itself."""
    return type(obj).__module__.split(".")[0] in ("structlog", "loguru")


def is_trusted_model(cls: type) -> bool:
    """Whether instances are models of a provider's package."""
    return issubclass(cls, BaseLanguageModel | Embeddings) and cls.__module__.startswith(_PROVIDERS)


def is_model_factory(obj: Any) -> bool:
    """Whether a function makes models, such as ``init_chat_model``."""
    return (
        isinstance(obj, FunctionType)
        and obj.__name__ in ("init_chat_model", "init_embeddings")
        and obj.__module__.startswith("langchain")
    )


def special(obj: Any) -> str | None:
    """Why calling one of LangGraph's own functions keeps the node in its place, if it does."""
    if obj is interrupt:
        return "interrupts the run"
    if obj in _COMMANDS:
        return f"makes a {obj.__name__}"
    return None


_COMMANDS = (Command, Send)


def asked(owner: Any, name: str) -> bool:
    """Whether calling this method of the object is asking, or shaping, a Runnable."""
    return is_runnable(owner) and name in _ASKING | _SHAPING


def method_of_model(owner: Value, name: str) -> Value:
    """What a method of a model, or of a chain of prompts and models, gives."""
    if name in ("with_structured_output", "pipe"):
        return model()
    if name in _SHAPING:
        return model(owner.typ)
    if name in ("batch", "abatch"):
        return data(GenericAlias(list, (owner.typ,)) if owner.typ is not None else list)
    if name in ("get_format_instructions", "format", "aformat"):
        return fresh(str)
    return data(owner.typ)


def look(runnable: Any) -> Parts:
    """Take a Runnable apart.

    Raises:
        UnknownCodeError: A part is of a kind that is not known.
    """
    parts = Parts()
    _look(runnable, parts)
    return parts


def _look(runnable: Any, parts: Parts) -> None:
    cls = type(runnable)
    if isinstance(runnable, RunnableSequence):
        for step in runnable.steps:
            _look(step, parts)
    elif isinstance(runnable, RunnableParallel):
        for step in runnable.steps__.values():
            _look(step, parts)
        parts.answer = dict
    elif isinstance(runnable, RunnableAssign):
        _look(runnable.mapper, parts)
        parts.answer = dict
    elif isinstance(runnable, RunnableWithFallbacks):
        for option in (runnable.runnable, *runnable.fallbacks):
            _look(option, parts)
    elif isinstance(runnable, RunnableBindingBase) and cls.__module__.startswith("langchain_core."):
        _look(runnable.bound, parts)
    elif isinstance(runnable, RunnableLambda | RunnablePassthrough | RunnablePick):
        parts.functions += [
            f for f in (getattr(runnable, "func", None), getattr(runnable, "afunc", None)) if f is not None
        ]
        parts.answer = None
    elif isinstance(runnable, BasePromptTemplate | BaseOutputParser):
        if not cls.__module__.startswith("langchain"):
            raise UnknownCodeError(f"the {cls.__name__} is not known")
        parts.answer = str if isinstance(runnable, StrOutputParser) else None
    elif isinstance(runnable, BaseRetriever):
        parts.outside = f"asks the retriever {cls.__name__}"
        parts.answer = None
    elif isinstance(runnable, BaseLanguageModel | Embeddings):
        _look_at_model(runnable, parts)
    else:
        raise UnknownCodeError(f"calls a {cls.__name__}, which is not known")


def _look_at_model(llm: Any, parts: Parts) -> None:
    cls = type(llm)
    parts.answer = MESSAGE if isinstance(llm, BaseChatModel) else str
    if isinstance(getattr(llm, "cache", None), BaseCache):
        parts.outside = f"the {cls.__name__} keeps its answers in a cache"
    if is_trusted_model(cls):
        return
    for name in _GENERATING:
        owner = next((base for base in cls.__mro__ if name in vars(base)), None)
        if owner is not None and owner.__module__.startswith("langchain_core.language_models"):
            if owner.__name__ in ("BaseChatModel", "BaseLLM", "LLM", "SimpleChatModel", "BaseLanguageModel"):
                continue
            raise UnknownCodeError(f"the model {cls.__name__} keeps its place in a list of answers")
        if owner is not None:
            parts.functions.append(getattr(llm, name))
