"""Places in LangChain's objects: prompts, parsers, models, tools, retrievers, histories."""

# ruff: noqa: D103, N806 - what a place is, its name says

from __future__ import annotations

import itertools
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.example_selectors.base import BaseExampleSelector
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import BaseOutputParser, PydanticOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, FewShotPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    ConfigurableField,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.stores import InMemoryStore
from langchain_core.tools import StructuredTool, tool
from pydantic import BaseModel, Field, PrivateAttr, field_validator

from hiding.models import LLM, Echo, answered
from hiding.scene import Shared, place


def ticker() -> Any:
    """Counts its calls, out of sight."""
    return itertools.count(1).__next__


def numbered() -> Any:
    """A function that gives a text with another number each time."""
    tick = ticker()
    return lambda: f"#{tick()}"


@place
def partial_of_a_prompt() -> Shared:
    prompt = PromptTemplate.from_template("{now}: {q}", partial_variables={"now": numbered()})
    return Shared(lambda held: prompt.format(q="a"))


@place
def partial_of_a_prompt_made_later() -> Shared:
    prompt = PromptTemplate.from_template("{now}: {q}").partial(now=numbered())
    return Shared(lambda held: prompt.invoke({"q": "a"}).to_string())


@place
def partial_of_a_chat_prompt() -> Shared:
    prompt = ChatPromptTemplate.from_messages([("system", "{now}"), ("human", "{q}")]).partial(now=numbered())
    return Shared(lambda held: prompt.format_messages(q="a")[0].content)


@place
def partial_in_a_chain() -> Shared:
    prompt = PromptTemplate.from_template("{now}: {q}", partial_variables={"now": numbered()})
    CHAIN = prompt | LLM | StrOutputParser()
    return Shared(lambda held: CHAIN.invoke({"q": "a"}))


@place
def a_prompt_that_is_changed() -> Shared:
    prompt = PromptTemplate.from_template("old {q}")

    def move() -> None:
        prompt.template = f"new {prompt.template}"

    return Shared(lambda held: prompt.format(q="a"), move)


@place
def a_partial_that_is_changed() -> Shared:
    prompt = PromptTemplate.from_template("{n} {q}", partial_variables={"n": "0"})

    def move() -> None:
        prompt.partial_variables["n"] += "0"  # type: ignore[operator]

    return Shared(lambda held: prompt.format(q="a"), move)


@place
def a_chat_prompt_that_is_extended() -> Shared:
    prompt = ChatPromptTemplate.from_messages([("human", "{q}")])
    return Shared(lambda held: len(prompt.format_messages(q="a")), lambda: prompt.append(("human", "more")))


@place
def a_history_in_a_prompt() -> Shared:
    HISTORY: list[Any] = []
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{q}")])
    return Shared(
        lambda held: len(prompt.format_messages(q="a", history=HISTORY)),
        lambda: HISTORY.append(HumanMessage("more")),
    )


@place
def a_prompt_subclass() -> Shared:
    tick = ticker()

    class Odd(PromptTemplate):
        def format(self, **named: Any) -> str:
            return f"#{tick()}"

    prompt = Odd.from_template("{q}")
    return Shared(lambda held: prompt.format(q="a"))


@place
def a_selector_of_examples() -> Shared:
    tick = ticker()

    class Selector(BaseExampleSelector):
        def add_example(self, example: Any) -> Any:
            pass

        def select_examples(self, given: Any) -> list[dict[str, str]]:
            return [{"e": f"#{tick()}"}]

    prompt = FewShotPromptTemplate(
        example_selector=Selector(),
        example_prompt=PromptTemplate.from_template("{e}"),
        suffix="{q}",
        input_variables=["q"],
    )
    return Shared(lambda held: prompt.format(q="a"))


@place
def a_parser_subclass() -> Shared:
    tick = ticker()

    class Parser(BaseOutputParser[str]):
        def parse(self, text: str) -> str:
            return f"{text}{tick()}"

    parser = Parser()
    return Shared(lambda held: parser.invoke("a"))


@place
def a_subclass_of_the_plain_parser() -> Shared:
    tick = ticker()

    class Parser(StrOutputParser):
        def parse(self, text: str) -> str:
            return f"{text}{tick()}"

    CHAIN = LLM | Parser()
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def a_parser_that_validates() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str
        number: int = Field(default_factory=lambda: tick())

    parser = PydanticOutputParser(pydantic_object=Item)
    return Shared(lambda held: parser.parse('{"name": "a"}').number)


@place
def a_parser_with_a_validator() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def checked(cls, value: str) -> str:
            return f"{value}{tick()}"

    parser = PydanticOutputParser(pydantic_object=Item)
    return Shared(lambda held: parser.invoke('{"name": "a"}').name)


@place
def a_model_that_counts() -> Shared:
    class Counting(Echo):
        _calls: int = PrivateAttr(default=0)

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            self._calls += 1
            return answered(f"#{self._calls}")

    llm = Counting()
    return Shared(lambda held: llm.invoke("a").content)


@place
def a_model_that_counts_in_its_class() -> Shared:
    class Counting(Echo):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            Counting.calls += 1  # type: ignore[attr-defined]
            return answered(f"#{Counting.calls}")  # type: ignore[attr-defined]

    Counting.calls = 0  # type: ignore[attr-defined]
    llm = Counting()
    return Shared(lambda held: llm.invoke("a").content)


@place
def a_model_that_counts_out_of_sight() -> Shared:
    tick = ticker()

    class Counting(Echo):
        def _call_out(self) -> str:
            return f"#{tick()}"

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            return answered(self._call_out())

    llm = Counting()
    return Shared(lambda held: llm.invoke("a").content)


@place
def a_model_that_is_changed() -> Shared:
    class Suffixed(Echo):
        suffix: str = ""

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            return answered(f"{messages[-1].content}{self.suffix}")

    llm = Suffixed()

    def move() -> None:
        llm.suffix += "!"

    return Shared(lambda held: llm.invoke("a").content, move)


@place
def a_binding_that_is_changed() -> Shared:
    class Bound(Echo):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **named: Any) -> Any:
            return answered(str(named.get("n")))

    llm = Bound().bind(n=0)

    def move() -> None:
        llm.kwargs["n"] += 1  # type: ignore[index]

    return Shared(lambda held: llm.invoke("a").content, move)


@place
def the_parameters_of_a_model() -> Shared:
    tick = ticker()
    seen: list[int] = []

    class Telling(Echo):
        @property
        def _identifying_params(self) -> dict[str, Any]:
            seen.append(tick())
            return {"n": len(seen)}

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            return answered(str(self._identifying_params["n"]))

    llm = Telling()
    return Shared(lambda held: llm.invoke("a").content)


@place
def a_list_of_answers() -> Shared:
    llm = FakeListChatModel(responses=[f"answer {number}" for number in range(9)])
    return Shared(lambda held: llm.invoke("a").content)


@place
def an_iterator_of_answers() -> Shared:
    llm = GenericFakeChatModel(messages=iter(AIMessage(str(number)) for number in range(99)))
    return Shared(lambda held: llm.invoke("a").content)


@place
def a_list_of_answers_behind_a_chain() -> Shared:
    llm = FakeListChatModel(responses=[f"answer {number}" for number in range(9)])
    CHAIN = RunnableLambda(lambda text: text) | llm.with_retry() | StrOutputParser()
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def a_model_with_a_handler_that_is_read() -> Shared:
    class Calls(BaseCallbackHandler):
        number = 0

        def on_llm_end(self, response: Any, **_: Any) -> None:
            self.number += 1

    calls = Calls()
    llm = Echo(callbacks=[calls], pause=0.001)
    return Shared(lambda held: [calls.number, llm.invoke("a").content, calls.number])


@place
def the_handler_of_usage() -> Shared:
    class Priced(Echo):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            made = answered("a")
            message: Any = made.generations[0].message
            message.usage_metadata = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
            message.response_metadata = {"model_name": "priced"}
            return made

    usage = UsageMetadataCallbackHandler()
    llm = Priced()

    def move() -> None:
        llm.invoke("a", {"callbacks": [usage]})

    return Shared(lambda held: usage.usage_metadata.get("priced", {}).get("total_tokens", 0), move)


@place
def listeners_of_a_chain_that_count() -> Shared:
    runs: list[str] = []
    CHAIN = RunnableLambda(lambda text: f"{text}{len(runs)}").with_listeners(on_end=lambda run: runs.append("end"))
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def a_retry_that_counts() -> Shared:
    tick = ticker()

    def flaky(text: str) -> str:
        number = tick()
        if number % 2:
            raise ConnectionError("again")
        return f"{text}{number}"

    CHAIN = RunnableLambda(flaky).with_retry(wait_exponential_jitter=False, stop_after_attempt=3)
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def a_fallback_that_counts() -> Shared:
    tick = ticker()

    def failing(text: str) -> str:
        raise ConnectionError(str(tick()))

    CHAIN = RunnableLambda(failing).with_fallbacks([RunnableLambda(lambda text: f"{text}{tick()}")])
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def a_branch_that_counts() -> Shared:
    tick = ticker()
    CHAIN = RunnableBranch((lambda text: tick() % 2 == 0, lambda text: "even"), lambda text: "odd")
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def parallel_parts_that_count() -> Shared:
    tick = ticker()
    CHAIN = RunnableParallel(number=lambda text: tick())
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def an_assignment_that_counts() -> Shared:
    tick = ticker()
    CHAIN = RunnablePassthrough.assign(number=lambda given: tick())
    return Shared(lambda held: CHAIN.invoke({"a": 1}))


@place
def a_passthrough_that_counts() -> Shared:
    seen: list[Any] = []
    CHAIN = RunnablePassthrough(seen.append) | RunnableLambda(lambda text: len(seen))
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def a_generator_that_counts() -> Shared:
    tick = ticker()

    def shout(parts: Any) -> Any:
        for part in parts:
            yield f"{part}{tick()}"

    CHAIN = RunnableGenerator(shout)
    return Shared(lambda held: CHAIN.invoke("a"))


@place
def a_batch_that_counts() -> Shared:
    tick = ticker()
    CHAIN = RunnableLambda(lambda text: f"{text}{tick()}")
    return Shared(lambda held: CHAIN.batch(["a"]))


@place
def a_configurable_chain() -> Shared:
    class Suffixed(Echo):
        suffix: str = "?"

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            return answered(f"{messages[-1].content}{self.suffix}")

    llm = Suffixed()
    CHAIN = llm.configurable_fields(suffix=ConfigurableField("suffix"))

    def move() -> None:
        llm.suffix += "?"

    return Shared(lambda held: CHAIN.invoke("a").content, move)


@place
def a_tool_that_counts() -> Shared:
    tick = ticker()

    @tool
    def count(text: str) -> str:
        """Count."""
        return f"{text}{tick()}"

    return Shared(lambda held: count.invoke({"text": "a"}))


@place
def a_structured_tool_that_counts() -> Shared:
    tick = ticker()
    counting = StructuredTool.from_function(func=lambda text: f"{text}{tick()}", name="count", description="Count.")
    return Shared(lambda held: counting.func("a") if counting.func else None)


@place
def a_tool_with_a_validator() -> Shared:
    tick = ticker()

    class Given(BaseModel):
        text: str

        @field_validator("text")
        @classmethod
        def checked(cls, value: str) -> str:
            return f"{value}{tick()}"

    @tool(args_schema=Given)
    def same(text: str) -> str:
        """Give the text back."""
        return text

    return Shared(lambda held: same.invoke({"text": "a"}))


@place
def a_retriever_that_counts() -> Shared:
    tick = ticker()

    class Retriever(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            return [Document(f"{query}{tick()}")]

    retriever = Retriever()
    return Shared(lambda held: retriever.invoke("a")[0].page_content)


@place
def embeddings_that_count() -> Shared:
    tick = ticker()

    class Odd(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return [float(tick())]

    odd = Odd()
    return Shared(lambda held: odd.embed_query("a"))


@place
def a_history_of_messages() -> Shared:
    class History(BaseChatMessageHistory):
        def __init__(self) -> None:
            self.messages: list[Any] = []

        def add_message(self, message: Any) -> None:
            self.messages.append(message)

        def clear(self) -> None:
            self.messages = []

    history = History()
    return Shared(lambda held: len(history.messages), lambda: history.add_message(HumanMessage("a")))


@place
def a_key_value_store() -> Shared:
    store = InMemoryStore()

    def move() -> None:
        store.mset([("n", (store.mget(["n"])[0] or 0) + 1)])

    return Shared(lambda held: store.mget(["n"])[0], move)


@place
def a_message_with_code() -> Shared:
    tick = ticker()

    class Odd(HumanMessage):
        def pretty_repr(self, html: bool = False) -> str:
            return f"#{tick()}"

    message = Odd("a")
    return Shared(lambda held: message.pretty_repr())


@place
def a_counter_of_tokens() -> Shared:
    tick = ticker()

    class Counting(Echo):
        def get_num_tokens(self, text: str) -> int:
            return int(tick())

    llm = Counting()
    return Shared(lambda held: llm.get_num_tokens("a"))


@place
def a_model_with_its_own_tokenizer() -> Shared:
    tick = ticker()

    def tokens(text: str) -> list[int]:
        return [1] * int(tick())

    llm = Echo(custom_get_token_ids=tokens)
    return Shared(lambda held: llm.get_num_tokens("a"))


@place
def a_chain_that_is_changed() -> Shared:
    CHAIN = RunnableLambda(lambda text: text) | RunnableLambda(lambda text: f"{text}!")
    return Shared(lambda held: CHAIN.invoke("a"), lambda: CHAIN.middle.append(RunnableLambda(lambda text: f"{text}+")))


@place
def the_function_of_a_runnable() -> Shared:
    CHAIN = RunnableLambda(lambda text: "old")
    texts = itertools.count()

    def move() -> None:
        number = next(texts)
        CHAIN.func = lambda text: f"new {number}"

    return Shared(lambda held: CHAIN.invoke("a"), move)
