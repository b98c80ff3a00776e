"""Models and chains that change a shared thing as they are asked."""

# ruff: noqa: D103 - what changes it, its name says

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from langchain_core.output_parsers import BaseOutputParser
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import RunnableLambda

from hiding.models import LLM, Echo, answered
from hiding.scene import Lab, Role, change
from hiding.triggers import asking

Move = Callable[[], object]


@change
def a_model_as_it_answers(lab: Lab, move: Move) -> Role:
    class Counting(Echo):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            time.sleep(self.pause)
            move()
            return answered("counted")

        async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            await asyncio.sleep(self.pause)
            move()
            return answered("counted")

    return asking(Counting())


@change
def a_model_as_it_tells_its_parameters(lab: Lab, move: Move) -> Role:
    class Telling(Echo):
        @property
        def _identifying_params(self) -> dict[str, Any]:
            move()
            return {"kind": "telling"}

    return asking(Telling())


@change
def a_model_as_it_tells_its_type(lab: Lab, move: Move) -> Role:
    class Telling(Echo):
        @property
        def _llm_type(self) -> str:
            move()
            return "telling"

    return asking(Telling())


@change
def a_model_as_it_is_called(lab: Lab, move: Move) -> Role:
    class Called(Echo):
        def _convert_input(self, model_input: Any) -> Any:
            move()
            return super()._convert_input(model_input)

    return asking(Called())


@change
def a_parser(lab: Lab, move: Move) -> Role:
    class Parser(BaseOutputParser[Any]):
        def parse(self, text: str) -> Any:
            move()
            return answered(text).generations[0].message

    return asking(LLM | Parser())


@change
def a_partial_of_a_prompt(lab: Lab, move: Move) -> Role:
    def moved() -> str:
        move()
        return "now"

    prompt = PromptTemplate.from_template("{when}: {question}", partial_variables={"when": moved})

    def fields(text: str) -> dict[str, str]:
        return {"question": text}

    return asking(RunnableLambda(fields) | prompt | LLM)


@change
def a_step_of_a_chain(lab: Lab, move: Move) -> Role:
    def step(text: str) -> str:
        move()
        return text

    return asking(RunnableLambda(step) | LLM)


@change
def a_fallback(lab: Lab, move: Move) -> Role:
    class Failing(Echo):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            move()
            raise ConnectionError("down")

        async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            move()
            raise ConnectionError("down")

    return asking(Failing().with_fallbacks([LLM]))


@change
def a_binding_that_is_configured(lab: Lab, move: Move) -> Role:
    def configured(config: Any) -> Any:
        move()
        return config

    from langchain_core.runnables.base import RunnableBinding

    return asking(RunnableBinding(bound=LLM, kwargs={}, config_factories=[configured]))
