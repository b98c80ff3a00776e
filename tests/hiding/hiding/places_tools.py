"""Tools, retrievers, histories and stores of LangChain."""

# ruff: noqa: D103, N806 - what a place is, its name says

from __future__ import annotations

import itertools
from typing import Any

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.messages import HumanMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    RunnableLambda,
)
from langchain_core.stores import InMemoryStore
from langchain_core.tools import StructuredTool, tool
from pydantic import BaseModel, field_validator

from hiding.models import Echo
from hiding.scene import Shared, place
from hiding.ticks import ticker


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
