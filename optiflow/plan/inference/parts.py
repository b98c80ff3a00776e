"""A Runnable, taken apart: the application's functions in it, and why it can't be known where it can't.

Only LangChain's own classes are taken apart, by exact class: a subclass may do anything.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseLanguageModel
from langchain_core.output_parsers import BaseOutputParser
from langchain_core.retrievers import BaseRetriever
from pydantic import BaseModel

from optiflow.plan.inference.findings import UnknownCodeError
from optiflow.plan.inference.hidden import hidden_code
from optiflow.plan.inference.models import Parts, look_at_model, refuse_replaced, stored_in
from optiflow.plan.inference.operations import FIXED
from optiflow.plan.inference.vouching import attribute_of, home, name_of_class, own_code

__all__ = ["look"]


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
    handle = _KINDS.get(_kind(cls) or "")
    if isinstance(runnable, BaseRetriever):
        parts.outside = f"asks the retriever {cls.__name__}"
        parts.answer = None
    elif isinstance(runnable, BaseLanguageModel | Embeddings):
        look_at_model(runnable, parts)
    elif handle is None:
        raise UnknownCodeError(f"calls a {cls.__name__}, which is not known")
    else:
        refuse_replaced(runnable)
        handle(runnable, parts)


def _kind(cls: type) -> str | None:
    """The vouched name of a class, or of the generic class that pydantic has made it of."""
    name = name_of_class(cls)
    generic = attribute_of(cls, "__pydantic_generic_metadata__")
    if name is None and type(generic) is dict and isinstance(generic["origin"], type) and not any(own_code(cls)):
        return name_of_class(generic["origin"])
    return name


def _sequence(runnable: Any, parts: Parts) -> None:
    for step in (runnable.first, *runnable.middle, runnable.last):
        _look(step, parts)


def _parallel(runnable: Any, parts: Parts) -> None:
    for step in runnable.steps__.values():
        _look(step, parts)
    parts.answer = dict


def _assign(runnable: Any, parts: Parts) -> None:
    _look(runnable.mapper, parts)
    parts.answer = dict


def _fallbacks(runnable: Any, parts: Parts) -> None:
    for option in (runnable.runnable, *runnable.fallbacks):
        _look(option, parts)


def _branch(runnable: Any, parts: Parts) -> None:
    for condition, option in runnable.branches:
        _look(condition, parts)
        _look(option, parts)
    _look(runnable.default, parts)
    parts.answer = None


def _each(runnable: Any, parts: Parts) -> None:
    _look(runnable.bound, parts)
    parts.answer = list


def _binding(runnable: Any, parts: Parts) -> None:
    _look(runnable.bound, parts)
    for value in (*runnable.kwargs.values(), *runnable.config.values()):
        _look_at_classes(value, parts)
    callbacks = runnable.config.get("callbacks")
    if callbacks is not None:
        parts.observers += callbacks if isinstance(callbacks, list) else [callbacks]
    for factory in runnable.config_factories:
        if home(factory) != "langchain_core.runnables.base":
            raise UnknownCodeError("its configuration is made by a function that is not known")
        parts.observers.append(factory)


def _functions(runnable: Any, parts: Parts) -> None:
    for name in ("func", "afunc"):
        function = stored_in(runnable).get(name)
        if function is not None:
            _follow(function, parts)
    parts.answer = None


def _nothing(runnable: Any, parts: Parts) -> None:
    parts.answer = None


def _follow(function: Any, parts: Parts) -> None:
    if type(function) is functools.partial:
        for value in (*function.args, *function.keywords.values()):
            _look_at_classes(value, parts)
    if type(function) is FunctionType and (home(function) or "").startswith("langchain_core."):
        return
    parts.functions.append(function)


def _look_at_classes(value: Any, parts: Parts, depth: int = 0) -> None:
    """A class that an answer is made an instance of: what runs then has to be followed."""
    if isinstance(value, type) and issubclass(value, BaseModel) and name_of_class(value) is None:
        hidden = hidden_code(value)
        if hidden.refused is not None:
            raise UnknownCodeError(hidden.refused)
        parts.functions += [*hidden.after, *hidden.functions]
    elif type(value) in (list, tuple) and depth < _DEEPEST:
        for each in value:
            _look_at_classes(each, parts, depth + 1)
    elif type(value) is dict and depth < _DEEPEST:
        for each in value.values():
            _look_at_classes(each, parts, depth + 1)


_DEEPEST = 3


def _parser(runnable: Any, parts: Parts) -> None:
    stored = stored_in(runnable)
    for name in ("pydantic_object", "tools"):
        _look_at_classes(stored.get(name), parts)
    for name in ("parser", "retry_chain"):
        if stored.get(name) is not None:
            _look(stored[name], parts)
    parts.answer = str if type(runnable).__name__ == "StrOutputParser" else None


def _prompt(prompt: Any, parts: Parts) -> None:
    """A prompt, or a template of a message in one."""
    stored = stored_in(prompt)
    for value in (stored.get("partial_variables") or {}).values():
        if type(value) not in FIXED and callable(value):
            parts.functions.append(value)
        elif type(value) not in FIXED and not _is_plain(value):
            raise UnknownCodeError(f"a {type(value).__name__} is part of the prompt")
    if stored.get("template_format") == "jinja2":
        raise UnknownCodeError("a template of jinja2 may run code")
    if stored.get("example_selector") is not None:
        raise UnknownCodeError("the prompt's examples are selected by code that is not known")
    inner = [stored.get(name) for name in ("prompt", "example_prompt", "prefix", "suffix", "output_parser")]
    for each in (*inner, *(stored.get("messages") or ())):
        for part in each if type(each) is list else (each,):
            _template(part, parts)
    parts.answer = None


def _template(part: Any, parts: Parts) -> None:
    name = None if type(part) in FIXED else name_of_class(type(part))
    if type(part) in FIXED or (name is not None and name.startswith("langchain_core.messages.")):
        return
    if isinstance(part, BaseOutputParser):
        _look(part, parts)
    elif name is None or not name.startswith("langchain_core.prompts."):
        raise UnknownCodeError(f"the {type(part).__name__} is not known")
    else:
        refuse_replaced(part)
        _prompt(part, parts)


def _is_plain(value: Any, depth: int = 0) -> bool:
    if type(value) in FIXED:
        return True
    name = name_of_class(type(value))
    if name is not None and name.startswith("langchain_core.messages."):
        return True
    if type(value) is dict:
        return depth < _DEEPEST and all(_is_plain(each, depth + 1) for each in value.values())
    return depth < _DEEPEST and type(value) in (list, tuple) and all(_is_plain(each, depth + 1) for each in value)


def _named(handle: Callable[[Any, Parts], None], *names: str) -> dict[str, Callable[[Any, Parts], None]]:
    return {f"langchain_core.{name}": handle for name in names}


_KINDS: dict[str, Callable[[Any, Parts], None]] = {
    **_named(_sequence, "runnables.base.RunnableSequence"),
    **_named(_parallel, "runnables.base.RunnableParallel"),
    **_named(_assign, "runnables.passthrough.RunnableAssign"),
    **_named(_fallbacks, "runnables.fallbacks.RunnableWithFallbacks"),
    **_named(_branch, "runnables.branch.RunnableBranch"),
    **_named(_each, "runnables.base.RunnableEach"),
    **_named(_binding, "runnables.base.RunnableBinding", "runnables.retry.RunnableRetry"),
    **_named(_binding, "language_models.chat_models._ChatModelBinding"),
    **_named(_functions, "runnables.base.RunnableLambda", "runnables.passthrough.RunnablePassthrough"),
    **_named(_nothing, "runnables.passthrough.RunnablePick"),
    **_named(
        _prompt, "prompts.chat.ChatPromptTemplate", "prompts.prompt.PromptTemplate",
        "prompts.few_shot.FewShotPromptTemplate", "prompts.few_shot.FewShotChatMessagePromptTemplate",
        "prompts.few_shot_with_templates.FewShotPromptWithTemplates", "prompts.dict.DictPromptTemplate",
        "prompts.chat.HumanMessagePromptTemplate", "prompts.chat.AIMessagePromptTemplate",
        "prompts.chat.SystemMessagePromptTemplate", "prompts.chat.ChatMessagePromptTemplate",
        "prompts.structured.StructuredPrompt",
    ),
    **_named(
        _parser, "output_parsers.string.StrOutputParser", "output_parsers.json.JsonOutputParser",
        "output_parsers.pydantic.PydanticOutputParser", "output_parsers.list.CommaSeparatedListOutputParser",
        "output_parsers.list.MarkdownListOutputParser", "output_parsers.list.NumberedListOutputParser",
        "output_parsers.openai_tools.JsonOutputToolsParser", "output_parsers.openai_tools.JsonOutputKeyToolsParser",
        "output_parsers.openai_tools.PydanticToolsParser", "output_parsers.xml.XMLOutputParser",
    ),
}  # fmt: skip
"""How each of LangChain's own classes is taken apart, by its vouched name."""
