"""Places in data classes and pydantic models: making one changes the next."""

# ruff: noqa: D103 - what a place is, its name says; capitals are what the application's constants look like

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    WrapValidator,
    computed_field,
    field_serializer,
    field_validator,
    model_validator,
)

from hiding.scene import Shared, place
from hiding.ticks import ticker


@place
def dataclass_default_factory() -> Shared:
    tick = ticker()

    @dataclasses.dataclass
    class Item:
        name: str
        number: int = dataclasses.field(default_factory=tick)

    return Shared(lambda held: Item("a").number)


@place
def dataclass_post_init() -> Shared:
    tick = ticker()

    @dataclasses.dataclass
    class Item:
        name: str
        number: int = 0

        def __post_init__(self) -> None:
            self.number = tick()

    return Shared(lambda held: Item("a").number)


@place
def dataclass_descriptor() -> Shared:
    tick = ticker()

    class Numbered:
        def __get__(self, instance: Any, owner: Any = None) -> Any:
            return 0 if instance is None else tick()

        def __set__(self, instance: Any, value: Any) -> None:
            pass

    @dataclasses.dataclass
    class Item:
        number: Numbered = Numbered()  # noqa: RUF009

    return Shared(lambda held: Item().number)


@place
def pydantic_default_factory() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str
        number: int = Field(default_factory=lambda: tick())

    return Shared(lambda held: Item(name="a").number)


@place
def pydantic_private_factory() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str
        _number: int = PrivateAttr(default_factory=lambda: tick())

    return Shared(lambda held: Item(name="a")._number)


@place
def pydantic_field_validator() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def numbered(cls, value: str) -> str:
            return f"{value}{tick()}"

    return Shared(lambda held: Item(name="a").name)


@place
def pydantic_model_validator() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str

        @model_validator(mode="before")
        @classmethod
        def numbered(cls, value: Any) -> Any:
            return {"name": f"{value['name']}{tick()}"}

    return Shared(lambda held: Item(name="a").name)


@place
def pydantic_after_validator() -> Shared:
    tick = ticker()

    def numbered(value: str) -> str:
        return f"{value}{tick()}"

    class Item(BaseModel):
        name: Annotated[str, AfterValidator(numbered)]

    return Shared(lambda held: Item(name="a").name)


@place
def pydantic_before_validator() -> Shared:
    tick = ticker()

    def numbered(value: str) -> str:
        return f"{value}{tick()}"

    class Item(BaseModel):
        name: Annotated[str, BeforeValidator(numbered)]

    return Shared(lambda held: Item.model_validate({"name": "a"}).name)


@place
def pydantic_wrap_validator() -> Shared:
    tick = ticker()

    def numbered(value: str, inner: Any) -> str:
        return f"{inner(value)}{tick()}"

    class Item(BaseModel):
        name: Annotated[str, WrapValidator(numbered)]

    return Shared(lambda held: Item(name="a").name)


@place
def pydantic_nested_factory() -> Shared:
    tick = ticker()

    class Inner(BaseModel):
        number: int = Field(default_factory=lambda: tick())

    class Outer(BaseModel):
        name: str
        inner: Inner = Field(default_factory=Inner)

    return Shared(lambda held: Outer(name="a").inner.number)


@place
def pydantic_post_init() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        number: int = 0

        def model_post_init(self, context: Any) -> None:
            self.number = tick()

    return Shared(lambda held: Item().number)


@place
def pydantic_computed_field() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str

        @computed_field  # type: ignore[prop-decorator]
        @property
        def number(self) -> int:
            return int(tick())

    return Shared(lambda held: Item(name="a").model_dump())


@place
def pydantic_serializer() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str

        @field_serializer("name")
        def numbered(self, value: str) -> str:
            return f"{value}{tick()}"

    return Shared(lambda held: Item(name="a").model_dump_json())
