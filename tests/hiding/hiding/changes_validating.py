"""Nodes that change a shared thing, and data classes that do so as they are made."""

# ruff: noqa: D103 - what changes it, its name says

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    computed_field,
    field_serializer,
    field_validator,
    model_validator,
)

from hiding.roles import moves
from hiding.scene import Lab, Role, change
from hiding.triggers import touching

Move = Callable[[], object]


@change
def a_node_before_its_wait(lab: Lab, move: Move) -> Role:
    return moves(move, first=True)


@change
def a_node_after_its_wait(lab: Lab, move: Move) -> Role:
    return moves(move, first=False)


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
