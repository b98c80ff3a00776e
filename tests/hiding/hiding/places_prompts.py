"""Prompts and parsers of LangChain."""

# ruff: noqa: D103, N806 - what a place is, its name says

from __future__ import annotations

from typing import Any

from langchain_core.example_selectors.base import BaseExampleSelector
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import BaseOutputParser, PydanticOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, FewShotPromptTemplate, MessagesPlaceholder, PromptTemplate
from pydantic import BaseModel, Field, field_validator

from hiding.models import LLM
from hiding.scene import Shared, place
from hiding.ticks import ticker


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
