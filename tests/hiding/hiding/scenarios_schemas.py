"""Graphs whose state has a schema with code of its own."""

# ruff: noqa: D103 - what happens, its name says

from __future__ import annotations

import dataclasses
import functools
import itertools
import random
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, PrivateAttr, computed_field, field_validator, model_validator

from hiding.generator_parts import built
from hiding.models import LLM
from hiding.scene import Pair, Scene, scenario, state_of
from hiding.steps import asking, idle, resting

TICKS = itertools.count(1)


def numbered(value: Any) -> Any:
    """A validator that counts."""
    return f"{str(value).partition('#')[0]}#{next(TICKS)}"


def fresh_ticks() -> None:
    global TICKS
    TICKS = itertools.count(1)


class ValidatedField(BaseModel):
    q: str = ""
    name: str = "a"
    k0: Any = None
    k1: Any = None
    k2: Any = None

    @field_validator("name")
    @classmethod
    def checked(cls, value: str) -> str:
        return str(numbered(value))


class ValidatedModel(BaseModel):
    q: str = ""
    name: str = "a"
    k0: Any = None
    k1: Any = None
    k2: Any = None

    @model_validator(mode="after")
    def checked(self) -> Any:
        self.__dict__["name"] = f"{self.k0 and 'seen'}"
        return self


class AnnotatedField(BaseModel):
    q: str = ""
    name: Annotated[str, AfterValidator(numbered)] = "a"
    k0: Any = None
    k1: Any = None
    k2: Any = None


class Factory(BaseModel):
    q: str = ""
    name: str = Field(default_factory=lambda: str(numbered("a")))
    k0: Any = None
    k1: Any = None
    k2: Any = None


class PrivateFactory(BaseModel):
    q: str = ""
    _number: int = PrivateAttr(default_factory=lambda: next(TICKS))
    k0: Any = None
    k1: Any = None
    k2: Any = None

    @property
    def name(self) -> int:
        return self._number


class Property(BaseModel):
    q: str = ""
    k0: Any = None
    k1: Any = None
    k2: Any = None

    @property
    def name(self) -> str:
        """Reads what its name does not say."""
        return f"{self.k0 and 'seen'}"


class Computed(BaseModel):
    q: str = ""
    k0: Any = None
    k1: Any = None
    k2: Any = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def name(self) -> int:
        return next(TICKS)


class Cached(BaseModel):
    q: str = ""
    k0: Any = None
    k1: Any = None
    k2: Any = None

    @functools.cached_property
    def name(self) -> int:
        return next(TICKS)


@dataclasses.dataclass
class DataProperty:
    q: str = ""
    k0: Any = None
    k1: Any = None
    k2: Any = None

    @property
    def name(self) -> str:
        return f"{self.k0 and 'seen'}"


@dataclasses.dataclass
class DataFactory:
    q: str = ""
    k0: Any = None
    k1: Any = None
    k2: Any = None
    name: int = dataclasses.field(default_factory=lambda: next(TICKS))


@dataclasses.dataclass
class DataPost:
    q: str = ""
    k0: Any = None
    k1: Any = None
    k2: Any = None
    name: Any = None

    def __post_init__(self) -> None:
        self.name = next(TICKS)


@dataclasses.dataclass
class DataMadeUp:
    q: str = ""
    k0: Any = None
    k1: Any = None
    k2: Any = None

    def __getattr__(self, name: str) -> Any:
        if name == "name":
            return next(TICKS)
        raise AttributeError(name)


SCHEMAS = (
    ValidatedField, ValidatedModel, AnnotatedField, Factory, PrivateFactory, Property, Computed, Cached, DataProperty,
    DataFactory, DataPost, DataMadeUp,
)  # fmt: skip


def _of_schema(schema: Any) -> Callable[[random.Random, bool], Scene]:
    def make(dice: random.Random, asynchronous: bool) -> Scene:
        fresh_ticks()
        others = [asking, resting]
        nodes = [
            dice.choice(others)("k0"),
            asking("k1", lambda s: [s.name, s.k0]) if dice.random() < 0.7 else asking("k1", idle, lambda s: s.name),
            dice.choice(others)("k2", lambda s: s.name) if dice.random() < 0.8 else dice.choice(others)("k2"),
        ]
        return built(schema, nodes, asynchronous)

    make.__name__ = f"a_state_of_{schema.__name__}"
    return make


for _schema in SCHEMAS:
    scenario(_of_schema(_schema))


@scenario
def a_schema_of_one_node(dice: random.Random, asynchronous: bool) -> Scene:
    """Only the node's own view of the state validates."""
    fresh_ticks()

    def sync(s: AnnotatedField) -> Any:
        found = s.name
        return {"k1": [found, LLM.invoke("about k1").content]}

    async def asynchronous_one(s: AnnotatedField) -> Any:
        found = s.name
        return {"k1": [found, (await LLM.ainvoke("about k1")).content]}

    sync.__annotations__["s"] = asynchronous_one.__annotations__["s"] = AnnotatedField
    nodes: list[Pair] = [asking("k0"), (sync, asynchronous_one), asking("k2", lambda s: next(TICKS))]
    return built(state_of(3, name=str), nodes, asynchronous, input={"q": "question", "name": "a"})


class Inner(BaseModel):
    name: Annotated[str, AfterValidator(numbered)] = "a"
    made: int = Field(default_factory=lambda: next(TICKS))


@scenario
def a_validated_value_in_a_state(dice: random.Random, asynchronous: bool) -> Scene:
    fresh_ticks()

    class Outer(BaseModel):
        q: str = ""
        inner: Inner = Field(default_factory=Inner)
        k0: Any = None
        k1: Any = None
        k2: Any = None

    Outer.model_rebuild(_types_namespace={"Inner": Inner, "Any": Any, "Field": Field})
    nodes = [asking("k0"), asking("k1", lambda s: s.inner.name), asking("k2", lambda s: s.inner.made)]
    return built(Outer, nodes, asynchronous, input={"q": "question", "inner": {"name": "b"}})
