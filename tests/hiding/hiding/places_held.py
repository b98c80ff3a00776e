"""Values that nodes are handed, and that someone else holds too."""

# ruff: noqa: D103 - what a place is, its name says

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import types
from typing import Any

from pydantic import BaseModel

from hiding.scene import Shared, place


class Loud(str):
    """A text with code."""

    calls = 0

    def upper(self) -> str:
        """Counts."""
        Loud.calls += 1
        return f"#{Loud.calls}"

    def __format__(self, spec: str) -> str:
        return self.upper()

    def __len__(self) -> int:
        Loud.calls += 1
        return Loud.calls


class Row(dict[str, Any]):
    """A dict with code."""

    calls = 0

    def __getitem__(self, key: str) -> Any:
        Row.calls += 1
        return Row.calls

    def get(self, key: str, default: Any = None) -> Any:
        """Counts."""
        Row.calls += 1
        return Row.calls


@place
def held_text_subclass_method() -> Shared:
    Loud.calls = 0
    return Shared(lambda held: held.upper(), held=Loud("a"), annotation=str)


@place
def held_text_subclass_format() -> Shared:
    Loud.calls = 0
    return Shared(lambda held: f"{held}", held=Loud("a"), annotation=str)


@place
def held_text_subclass_length() -> Shared:
    Loud.calls = 0
    return Shared(lambda held: len(held), held=Loud("a"), annotation=str)


@place
def held_dict_subclass_item() -> Shared:
    Row.calls = 0
    return Shared(lambda held: held["a"], held=Row(a=1), annotation=dict)


@place
def held_dict_subclass_get() -> Shared:
    Row.calls = 0
    return Shared(lambda held: held.get("a"), held=Row(a=1), annotation=dict[str, int])


@place
def held_default_dict() -> Shared:
    return Shared(lambda held: [held[object()], len(held)], held=collections.defaultdict(itertools.count(1).__next__))


@place
def held_list_that_another_holds() -> Shared:
    shared: list[int] = []
    return Shared(lambda held: len(held), lambda: shared.append(1), held=shared, annotation=list)


@place
def held_dict_that_another_holds() -> Shared:
    shared = {"n": 0}

    def move() -> None:
        shared["n"] += 1

    return Shared(lambda held: held["n"], move, held=shared, annotation=dict)


@place
def held_nested_list_that_another_holds() -> Shared:
    shared: list[int] = []
    return Shared(lambda held: len(held["rows"]), lambda: shared.append(1), held={"rows": shared}, annotation=dict)


@place
def held_namespace_that_another_holds() -> Shared:
    shared = types.SimpleNamespace(number=0)

    def move() -> None:
        shared.number += 1

    return Shared(lambda held: held.number, move, held=shared)


@dataclasses.dataclass
class Budget:
    """A budget that others draw on."""

    spent: int = 0

    @property
    def left(self) -> int:
        """How much of it is left."""
        return 10 - self.spent


@place
def held_dataclass_that_another_holds() -> Shared:
    shared = Budget()

    def move() -> None:
        shared.spent += 1

    return Shared(lambda held: [held.spent, held.left], move, held=shared, annotation=Budget)


class Wallet(BaseModel):
    """A wallet that others draw on."""

    spent: int = 0

    @functools.cached_property
    def first(self) -> int:
        """As it was when first asked for."""
        return self.spent


@place
def held_model_that_another_holds() -> Shared:
    shared = Wallet()

    def move() -> None:
        shared.spent += 1

    return Shared(lambda held: held.spent, move, held=shared, annotation=Wallet)


@place
def held_model_dumped() -> Shared:
    shared = Wallet()

    def move() -> None:
        shared.spent += 1

    return Shared(lambda held: held.model_dump(), move, held=shared, annotation=Wallet)


@place
def held_cached_property() -> Shared:
    shared = Wallet()

    def move() -> None:
        shared.spent += 1

    return Shared(lambda held: held.first, move, held=shared, annotation=Wallet)


@place
def held_iterator() -> Shared:
    return Shared(lambda held: next(held), held=itertools.count(1))


@place
def held_iterator_that_is_listed() -> Shared:
    return Shared(lambda held: list(itertools.islice(held, 2)), held=itertools.count(1))


@place
def held_function() -> Shared:
    return Shared(lambda held: held(), held=itertools.count(1).__next__)


@place
def held_bytearray() -> Shared:
    shared = bytearray(1)

    def move() -> None:
        shared[0] += 1

    return Shared(lambda held: bytes(held), move, held=shared, annotation=bytearray)


@place
def held_set() -> Shared:
    shared: set[int] = set()
    return Shared(lambda held: len(held), lambda: shared.add(len(shared)), held=shared, annotation=set)


@place
def held_message_that_another_holds() -> Shared:
    from langchain_core.messages import HumanMessage

    shared = HumanMessage("a")

    def move() -> None:
        shared.content = f"{shared.content}+"

    return Shared(lambda held: held.content, move, held=shared, annotation=HumanMessage)


@place
def held_document_that_another_holds() -> Shared:
    from langchain_core.documents import Document

    shared = Document("a", metadata={"n": 0})

    def move() -> None:
        shared.metadata["n"] += 1

    return Shared(lambda held: held.metadata["n"], move, held=shared, annotation=Document)


@place
def held_message_subclass() -> Shared:
    from langchain_core.messages import HumanMessage

    class Odd(HumanMessage):
        calls: int = 0

        @property
        def text(self) -> Any:
            self.calls += 1
            return f"#{self.calls}"

    return Shared(lambda held: str(held.text), held=Odd("a"), annotation=HumanMessage)
