"""What changes a shared thing from within a node's work, unseen or seen."""

# ruff: noqa: D103 - what changes it, its name says

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import json
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from langchain_core.output_parsers import BaseOutputParser
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import RunnableLambda
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    computed_field,
    field_serializer,
    field_validator,
    model_validator,
)

from hiding.changes_outside import asking
from hiding.models import LLM, Echo, answered
from hiding.roles import moves
from hiding.scene import Lab, Pair, Role, change

Move = Callable[[], object]


@change
def a_node_before_its_wait(lab: Lab, move: Move) -> Role:
    return moves(move, first=True)


@change
def a_node_after_its_wait(lab: Lab, move: Move) -> Role:
    return moves(move, first=False)


def touching(touch: Callable[[str], Any]) -> Role:
    """A node that does something with a text that moves the shared thing on the way."""

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            text = LLM.invoke(f"{key} {s[need]}"[:40]).content
            return {key: [text, touch(key)]}

        async def asynchronous(s: Any) -> Any:
            text = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
            return {key: [text, touch(key)]}

        return sync, asynchronous

    return role


@change
def a_default_factory_of_pydantic(lab: Lab, move: Move) -> Role:
    def made() -> int:
        move()
        return 1

    class Item(BaseModel):
        name: str
        number: int = Field(default_factory=made)

    return touching(lambda key: Item(name=key).number)


@change
def a_field_validator(lab: Lab, move: Move) -> Role:
    class Item(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def checked(cls, value: str) -> str:
            move()
            return value

    return touching(lambda key: Item(name=key).name)


@change
def a_model_validator(lab: Lab, move: Move) -> Role:
    class Item(BaseModel):
        name: str

        @model_validator(mode="after")
        def checked(self) -> Any:
            move()
            return self

    return touching(lambda key: Item.model_validate({"name": key}).name)


@change
def an_annotated_validator(lab: Lab, move: Move) -> Role:
    def checked(value: str) -> str:
        move()
        return value

    class Item(BaseModel):
        name: Annotated[str, AfterValidator(checked)]

    return touching(lambda key: Item(name=key).name)


@change
def a_computed_field(lab: Lab, move: Move) -> Role:
    class Item(BaseModel):
        name: str

        @computed_field  # type: ignore[prop-decorator]
        @property
        def size(self) -> int:
            move()
            return len(self.name)

    return touching(lambda key: Item(name=key).model_dump_json())


@change
def a_serializer(lab: Lab, move: Move) -> Role:
    class Item(BaseModel):
        name: str

        @field_serializer("name")
        def shown(self, value: str) -> str:
            move()
            return value

    return touching(lambda key: Item(name=key).model_dump())


@change
def a_post_init(lab: Lab, move: Move) -> Role:
    @dataclasses.dataclass
    class Item:
        name: str

        def __post_init__(self) -> None:
            move()

    return touching(lambda key: Item(key).name)


@change
def a_default_factory_of_a_dataclass(lab: Lab, move: Move) -> Role:
    def made() -> int:
        move()
        return 1

    @dataclasses.dataclass
    class Item:
        name: str
        number: int = dataclasses.field(default_factory=made)

    return touching(lambda key: Item(key).number)


@change
def an_exception_that_is_made(lab: Lab, move: Move) -> Role:
    class OddError(Exception):
        def __init__(self, text: str) -> None:
            move()
            super().__init__(text)

    def touch(key: str) -> str:
        try:
            raise OddError(key)
        except OddError as error:
            return str(error)

    return touching(touch)


@change
def an_object_that_goes(lab: Lab, move: Move) -> Role:
    class Probe:
        def __del__(self) -> None:
            move()

    def touch(key: str) -> str:
        Probe()
        return key

    return touching(touch)


@change
def a_class_that_is_subscripted(lab: Lab, move: Move) -> Role:
    class Typed:
        def __class_getitem__(cls, item: Any) -> Any:
            move()
            return cls

    return touching(lambda key: Typed[int].__name__)


@change
def a_metaclass_that_is_called(lab: Lab, move: Move) -> Role:
    class Meta(type):
        def __call__(cls, *args: Any) -> Any:
            move()
            return super().__call__(*args)

    class Item(metaclass=Meta):
        size = 1

    return touching(lambda key: Item().size)


@change
def a_class_that_is_asked_about_an_instance(lab: Lab, move: Move) -> Role:
    class Meta(type):
        def __instancecheck__(cls, instance: Any) -> bool:
            move()
            return True

    class Item(metaclass=Meta):
        pass

    return touching(lambda key: isinstance(key, Item))


@change
def a_default_method_of_a_json_encoder(lab: Lab, move: Move) -> Role:
    class Encoder(json.JSONEncoder):
        def default(self, o: Any) -> Any:
            move()
            return "odd"

    return touching(lambda key: json.dumps({key: {1}}, cls=Encoder))


@change
def a_hash_of_a_key(lab: Lab, move: Move) -> Role:
    class Key:
        def __hash__(self) -> int:
            move()
            return 1

    return touching(lambda key: len({Key(): key}))


@change
def a_comparison_in_sorting(lab: Lab, move: Move) -> Role:
    class Rank:
        def __init__(self, number: int) -> None:
            self.number = number

        def __lt__(self, other: Any) -> bool:
            move()
            return self.number < other.number

    return touching(lambda key: [each.number for each in sorted([Rank(2), Rank(1)])])


@change
def a_context_manager(lab: Lab, move: Move) -> Role:
    @contextlib.contextmanager
    def span() -> Iterator[None]:
        yield
        move()

    def touch(key: str) -> str:
        with span():
            return key

    return touching(touch)


@change
def a_remembering_function(lab: Lab, move: Move) -> Role:
    @functools.lru_cache(maxsize=8)
    def remembered(key: str) -> str:
        move()
        return key

    return touching(lambda key: remembered("same"))


@change
def a_warning_that_is_shown(lab: Lab, move: Move) -> Role:
    def shown(*args: Any, **named: Any) -> None:
        move()

    @contextlib.contextmanager
    def showing() -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = shown
            yield

    lab.around.append(showing)

    def touch(key: str) -> str:
        warnings.warn(f"odd {key}", UserWarning, stacklevel=1)
        return key

    return touching(touch)


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
