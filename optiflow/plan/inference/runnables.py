"""LangChain's Runnables, models and loggers: which only compute or ask a model."""

from __future__ import annotations

import logging
from types import FunctionType, GenericAlias
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langgraph.types import Command, Send, interrupt

from optiflow.plan.inference.values import Value, data, fresh, model
from optiflow.plan.inference.vouching import name_of_class, vouched_name

__all__ = [
    "MESSAGE",
    "asked",
    "is_logger",
    "is_model_factory",
    "is_other_logger",
    "is_runnable",
    "is_trusted_model",
    "method_of_model",
    "shapes",
    "special",
]

MESSAGE = AIMessage
"""Type of a chat model's answer."""

_PROVIDERS = frozenset({
    "langchain_anthropic", "langchain_aws", "langchain_cerebras", "langchain_cohere", "langchain_deepseek",
    "langchain_fireworks", "langchain_google_genai", "langchain_google_vertexai", "langchain_groq",
    "langchain_huggingface", "langchain_ibm", "langchain_mistralai", "langchain_nvidia_ai_endpoints",
    "langchain_ollama", "langchain_openai", "langchain_openrouter", "langchain_perplexity", "langchain_together",
    "langchain_xai",
})  # fmt: skip
_PARTS_OF_PACKAGES = (
    "langchain_community.chat_models.", "langchain_community.embeddings.", "langchain.chat_models.",
    "langchain.embeddings.",
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
    """Whether instances are models of a provider's package, with no code but the provider's."""
    if not issubclass(cls, BaseLanguageModel | Embeddings):
        return False
    package = (name_of_class(cls) or "").partition(".")[0]
    return package in _PROVIDERS or (name_of_class(cls) or "").startswith(_PARTS_OF_PACKAGES)


def is_model_factory(obj: Any) -> bool:
    """Whether a function makes models, such as ``init_chat_model``."""
    return type(obj) is FunctionType and vouched_name(obj) in _FACTORIES


_FACTORIES = frozenset({"langchain.chat_models.base.init_chat_model", "langchain.embeddings.base.init_embeddings"})


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


def shapes(name: str) -> bool:
    """Whether a method of a Runnable makes another one of it, which the application's own does in its own way."""
    return name in _SHAPING


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
