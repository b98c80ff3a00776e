"""Runnables taken apart: the application's code in prompts, parsers, bindings and models."""

# ruff: noqa: D103 - the classes here are looked at, as people write them

from __future__ import annotations

import functools
import itertools
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.embeddings import Embeddings
from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser, StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotPromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import (
    ConfigurableField,
    RunnableBinding,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_openai import ChatOpenAI
from langgraph.graph import StateGraph
from pydantic import AfterValidator, BaseModel, PastDate

from optiflow.plan.graph_plan import GraphPlan
from optiflow.plan.inference.parts import look
from optiflow.plan.inference.runnables import is_model_factory, is_trusted_model

counter = itertools.count()
seen: list[Any] = []
openai = ChatOpenAI(model="gpt-4o", api_key="none")


class State(TypedDict, total=False):
    a: Any


def note(value: Any) -> Any:
    seen.append(value)
    return value


def generated(parts: Any) -> Any:
    yield from parts


def language() -> str:
    return "English"


class Answer(BaseModel):
    text: str = ""


class NotedAnswer(BaseModel):
    text: Annotated[str, AfterValidator(note)] = ""


class OwnOpenAI(ChatOpenAI):
    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        seen.append(args)
        return super()._generate(*args, **kwargs)


class Echo(BaseChatModel):
    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("x"))])


class InvokeCounts(Echo):
    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        seen.append(args)
        return super().invoke(*args, **kwargs)


class TypeCounts(Echo):
    @property
    def _llm_type(self) -> str:
        seen.append(1)
        return "echo"


class Vectors(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [float(len(text))]


class NotedVectors(Vectors):
    def embed_query(self, text: str) -> list[float]:
        seen.append(text)
        return [1.0]


class OwnPrompt(PromptTemplate):
    pass


class OwnLambda(RunnableLambda[Any, Any]):
    pass


class OwnPassthrough(RunnablePassthrough[Any]):
    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        seen.append(args)
        return super().invoke(*args, **kwargs)


class OwnParser(StrOutputParser):
    pass


class Handler(BaseCallbackHandler):
    pass


class MadeUp(Echo):
    def __getattr__(self, name: str) -> Any:
        return note(name)


class NoFunction(Echo):
    _generate = functools.partialmethod(note)  # type: ignore[assignment]


class Timed(BaseModel):
    day: PastDate | None = None


class OwnMessages(MessagesPlaceholder):
    def __init__(self) -> None:
        super().__init__("m")


class Selector(BaseExampleSelector):
    def add_example(self, example: dict[str, str]) -> Any: ...

    def select_examples(self, input_variables: dict[str, str]) -> list[dict[str, str]]:
        return [note(input_variables)]


class OwnLimiter(InMemoryRateLimiter):
    def acquire(self, *, blocking: bool = True) -> bool:
        seen.append(1)
        return True


def replaced() -> Any:
    runnable = RunnableLambda(language)
    runnable.invoke = note  # type: ignore[method-assign]
    return runnable


def patched() -> Any:
    model = Echo()
    object.__setattr__(model, "_generate", note)
    return model


text = PromptTemplate.from_template("{k}: {x}")
chat = ChatPromptTemplate.from_messages([("system", "Be {k}"), MessagesPlaceholder("m", optional=True)])
selected = FewShotPromptTemplate(example_selector=Selector(), example_prompt=text, suffix="{x}", input_variables=["x"])
shots = FewShotPromptTemplate(examples=[{"k": "1", "x": "2"}], example_prompt=text, suffix="{x}", input_variables=["x"])

INNOCENT = {
    "text": text,
    "partial": text.partial(k="1"),
    "partial_function": text.partial(k=language),
    "chat": chat,
    "shots": shots,
    "structured": openai.with_structured_output(Answer),
    "structured_tools": openai.with_structured_output(Answer, method="function_calling"),
    "structured_json": openai.with_structured_output(Answer, method="json_mode"),
    "parser": PydanticOutputParser(pydantic_object=Answer),
    "json": JsonOutputParser(),
    "chain": chat | openai.bind(stop=["x"]).with_retry() | StrOutputParser(),
    "parallel": RunnableParallel(x=RunnablePassthrough(), y=RunnableLambda(language)),
    "parallel_of": RunnableParallel[Any](x=RunnablePassthrough()),
    "branch": RunnableBranch((bool, RunnableLambda(str)), RunnableLambda(str)),
    "each": RunnableLambda(str).map(),
    "echo": Echo(),
    "vectors": Vectors(),
    "messages": ChatPromptTemplate.from_messages([("human", "{x}"), AIMessage("y")]).partial(
        m=[AIMessage("z")], d={"a": 1}
    ),
    "itself": Echo(name="e"),
    "listened": openai.with_listeners(on_start=note),
    "limited": ChatOpenAI(model="x", api_key="none", rate_limiter=InMemoryRateLimiter()),
}

RUNNING = {
    "partial": (text.partial(k=lambda: str(next(counter))), "next"),
    "partial_object": (PromptTemplate.from_template("{k}", partial_variables={"k": object()}), "part of the prompt"),
    "partial_of_a_message": (
        ChatPromptTemplate.from_messages(
            [("system", "x"), ChatPromptTemplate.from_messages([("human", "{k}")]).partial(k=lambda: note("1"))]
        ),
        "did not make",
    ),
    "own_prompt": (OwnPrompt.from_template("{x}"), "OwnPrompt"),
    "jinja2": (PromptTemplate.model_construct(template="{{x.y}}", template_format="jinja2"), "jinja2"),
    "structured": (openai.with_structured_output(NotedAnswer), "did not make"),
    "structured_tools": (openai.with_structured_output(NotedAnswer, method="function_calling"), "did not make"),
    "structured_raw": (openai.with_structured_output(NotedAnswer, include_raw=True), "did not make"),
    "parser": (PydanticOutputParser(pydantic_object=NotedAnswer), "did not make"),
    "own_parser": (OwnParser(), "OwnParser"),
    "own_lambda": (OwnLambda(language), "OwnLambda"),
    "own_passthrough": (OwnPassthrough(), "OwnPassthrough"),
    "in_a_chain": (text | OwnPassthrough(), "OwnPassthrough"),
    "generator": (RunnableGenerator(generated), "RunnableGenerator"),
    "configurable": (
        openai.configurable_alternatives(ConfigurableField(id="llm"), other=Echo()),
        "RunnableConfigurableAlternatives",
    ),
    "branch": (RunnableBranch((note, RunnableLambda(str)), RunnableLambda(str)), "did not make"),
    "replaced": (text | replaced(), ".invoke() of its own"),
    "patched": (patched(), "._generate() of its own"),
    "own_openai": (OwnOpenAI(model="x", api_key="none"), "did not make"),
    "invoke_counts": (InvokeCounts(), "did not make"),
    "type_counts": (TypeCounts(), "did not make"),
    "fake": (FakeListChatModel(responses=["x"]), "list of answers"),
    "tokens": (ChatOpenAI(model="x", api_key="none", custom_get_token_ids=note), "did not make"),
    "limiter": (ChatOpenAI(model="x", api_key="none", rate_limiter=OwnLimiter()), "OwnLimiter"),
    "vectors": (NotedVectors(), "did not make"),
    "configured": (
        RunnableBinding(bound=openai, config_factories=[lambda config: note(config)]),
        "made by a function that is not known",
    ),
    "cached": (ChatOpenAI(model="x", api_key="none", cache=InMemoryCache()), "keeps its answers in a cache"),
    "made_up": (MadeUp(), "__getattr__"),
    "no_function": (NoFunction(), "did not make"),
    "incomplete": (PydanticOutputParser.model_construct(pydantic_object=Timed), "compared with the clock"),
    "selected": (selected, "selected by code"),
    "template": (ChatPromptTemplate.model_construct(messages=[OwnMessages()], input_variables=[]), "OwnMessages"),
    "passthrough": (RunnablePassthrough(note), "did not make"),
}


def effects_of(runnable: Any) -> Any:
    """The effects of a node that asks a Runnable in a way that all have."""
    if isinstance(runnable, Embeddings):

        def embeds(state: State) -> Any:
            return {"a": runnable.embed_documents(["x"])}

        return GraphPlan.of(StateGraph(State).add_node("node", embeds)).nodes["node"].effects

    def asks(state: State) -> Any:
        return {"a": runnable.invoke({"x": "1"})}

    return GraphPlan.of(StateGraph(State).add_node("node", asks)).nodes["node"].effects


@pytest.mark.parametrize("name", INNOCENT)
def test_what_only_computes_or_asks(name: str) -> None:
    """LangChain's own classes, and functions of the application's that can be followed."""
    found = effects_of(INNOCENT[name])
    assert found.known, found.reason


@pytest.mark.parametrize("name", RUNNING)
def test_what_runs_code(name: str) -> None:
    """A subclass, a function that changes something, a validator of the answer."""
    runnable, reason = RUNNING[name]
    found = effects_of(runnable)
    assert not found.known
    assert reason in found.reason


def test_an_answer_is_made_an_instance_in_the_node() -> None:
    """The class is handed over in the node's own code."""

    def noted(state: State) -> Any:
        return {"a": openai.with_structured_output(NotedAnswer).invoke("x")}

    def plain(state: State) -> Any:
        return {"a": openai.with_structured_output(Answer).invoke("x")}

    effects = [GraphPlan.of(StateGraph(State).add_node("node", node)).nodes["node"].effects for node in (noted, plain)]
    assert [each.known for each in effects] == [False, True]


class Binding(Echo):
    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return note(self)


def test_a_model_that_shapes_itself_in_its_own_way() -> None:
    """Only who asks it to do so runs that code."""
    binding = Binding()

    def binds(state: State) -> Any:
        return {"a": binding.bind_tools([]).invoke("x")}

    assert effects_of(binding).known
    assert not GraphPlan.of(StateGraph(State).add_node("node", binds)).nodes["node"].effects.known


def test_who_is_told_is_named() -> None:
    """Handlers and listeners are the affair of whoever holds back what they are told."""
    handler = Handler()
    assert look(ChatOpenAI(model="x", api_key="none", callbacks=[handler])).observers == [handler]
    assert look(openai.with_config(callbacks=[handler])).observers == [handler]
    assert len(look(openai.with_listeners(on_start=note)).observers) == 1


def test_trusted_models() -> None:
    """By what the class really is, not by what it is called."""
    impostor = type("ChatOpenAI", (ChatOpenAI,), {"__module__": "langchain_openai.chat_models.base"})
    assert is_trusted_model(ChatOpenAI)
    assert not is_trusted_model(OwnOpenAI)
    assert not is_trusted_model(impostor)
    assert not is_trusted_model(int)


def test_factories_of_models() -> None:
    """LangChain's own, and none that is called like it."""
    from langchain.chat_models import init_chat_model

    def other() -> Any:
        return None

    other.__module__, other.__qualname__ = init_chat_model.__module__, init_chat_model.__qualname__
    assert is_model_factory(init_chat_model)
    assert not is_model_factory(other)
