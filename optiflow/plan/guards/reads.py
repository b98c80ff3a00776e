"""Places outside the state that a node's code reads, taken down when early work starts and compared in its turn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from operator import is_
from types import CellType, FunctionType
from typing import Any, Literal, cast

from optiflow.plan.guards.content import CONTAINERS, LEAVES, Content, alike, take_down

__all__ = [
    "MISSING",
    "Attribute",
    "Attributes",
    "Cell",
    "ClassAttribute",
    "ClassOf",
    "Computed",
    "FunctionPart",
    "Inherited",
    "Item",
    "Itself",
    "Kind",
    "Methods",
    "Place",
    "Read",
    "Slot",
    "Taken",
    "without_patches",
]

Kind = Literal["global", "closure", "attribute", "class", "code", "content", "clock"]
"""Kinds of what can change under early work; early work that is done again is counted by them."""


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()
"""There is nothing at a place."""


class Place(ABC):
    """Where a value is found, without running any code of the application's."""

    __slots__ = ()

    @abstractmethod
    def value(self) -> Any:
        """What is there now; `MISSING` where nothing is."""

    @property
    def key(self) -> tuple[object, ...]:
        """What tells places apart."""
        parts = (getattr(self, each.name) for each in fields(self))  # type: ignore[arg-type]
        return type(self), *(part if type(part) is str else id(part) for part in parts)


@dataclass(frozen=True, slots=True, eq=False)
class Item(Place):
    """An entry of a plain dict: a global variable, a module's attribute, an item of a container."""

    mapping: dict[Any, Any]
    name: Any

    def value(self) -> Any:
        """Look the entry up."""
        return dict.get(self.mapping, self.name, MISSING)


@dataclass(frozen=True, slots=True, eq=False)
class Cell(Place):
    """A variable of an enclosing function."""

    cell: CellType

    def value(self) -> Any:
        """Look into the cell."""
        try:
            return self.cell.cell_contents
        except ValueError:  # it has no value yet, or no longer
            return MISSING


@dataclass(frozen=True, slots=True, eq=False)
class Attribute(Place):
    """What an object stores under a name in its ``__dict__``."""

    obj: Any
    name: str

    def value(self) -> Any:
        """Look into the object's own attributes."""
        return dict.get(object.__getattribute__(self.obj, "__dict__"), self.name, MISSING)


@dataclass(frozen=True, slots=True, eq=False)
class Slot(Place):
    """What an object stores in a slot."""

    obj: Any
    member: Any

    def value(self) -> Any:
        """Look into the slot."""
        try:
            return self.member.__get__(self.obj)
        except AttributeError:
            return MISSING


@dataclass(frozen=True, slots=True, eq=False)
class ClassOf(Place):
    """The class of an object, which may be given another one."""

    obj: Any

    def value(self) -> Any:
        """Look at the object."""
        return type(self.obj)


@dataclass(frozen=True, slots=True, eq=False)
class ClassAttribute(Place):
    """What a class, or one that it inherits from, holds under a name."""

    cls: type
    name: str

    def value(self) -> Any:
        """Look through the classes in their order."""
        return _stored(type.__getattribute__(self.cls, "__mro__"), self.name)


@dataclass(frozen=True, slots=True, eq=False)
class Inherited(Place):
    """What ``super()`` finds under a name: in the classes of an instance that come after another one."""

    cls: type
    after: type
    name: str

    def value(self) -> Any:
        """Look through the classes in their order."""
        classes: tuple[type, ...] = type.__getattribute__(self.cls, "__mro__")
        return _stored(classes[classes.index(self.after) + 1 :] if self.after in classes else (), self.name)


def _stored(classes: tuple[type, ...], name: str) -> Any:
    """The first that classes hold under a name, without any code of theirs."""
    for base in classes:
        found = type.__getattribute__(base, "__dict__").get(name, MISSING)
        if found is not MISSING:
            return found
    return MISSING


@dataclass(frozen=True, slots=True, eq=False)
class Itself(Place):
    """An object that nothing can replace where it is: what a bound method or a partial function holds."""

    obj: Any

    def value(self) -> Any:
        """The object."""
        return self.obj


@dataclass(frozen=True, slots=True, eq=False)
class FunctionPart(Place):
    """The code of a function, or its defaults."""

    function: FunctionType
    name: Literal["__code__", "__defaults__", "__kwdefaults__"]

    def value(self) -> Any:
        """Take the part."""
        return getattr(self.function, self.name)


@dataclass(frozen=True, slots=True, eq=False)
class Attributes(Place):
    """An object's own attributes: what it is set to, one after another, each after its name.

    What its class keeps there once it was asked for is left out.
    """

    obj: Any

    def value(self) -> Any:
        """Look into the object's own attributes."""
        stored = object.__getattribute__(self.obj, "__dict__")
        remembered = _remembered(cast("Hashable", type(self.obj)))
        names = [name for name in stored if name not in remembered]
        return tuple([part for name in names for part in (name, stored[name])])


@lru_cache(maxsize=256)
def _remembered(cls: Any) -> frozenset[str]:
    """Names of the class's properties that keep what they come to in the instance."""
    return frozenset(
        name for base in cls.__mro__ for name, member in vars(base).items() if isinstance(member, cached_property)
    )


@dataclass(frozen=True, slots=True, eq=False)
class Methods(Place):
    """What a class holds under several names."""

    cls: type
    names: tuple[str, ...]

    def value(self) -> Any:
        """Look through the classes in their order."""
        stored = [type.__getattribute__(base, "__dict__") for base in type.__getattribute__(self.cls, "__mro__")]
        found = [next((held[name] for held in stored if name in held), MISSING) for name in self.names]
        return tuple([without_patches(method) if type(method) is FunctionType else method for method in found])


def without_patches(function: Any) -> Any:
    """A function under the patches that OptiFlow itself puts over it while a graph runs."""
    while type(function) is FunctionType and "__wrapped__" in function.__dict__:
        wrapped = function.__dict__["__wrapped__"]
        if wrapped is None or not str(function.__globals__.get("__name__")).startswith("optiflow."):
            break
        function = wrapped
    return function


@dataclass(frozen=True, slots=True, eq=False)
class Computed(Place):
    """What a function of the standard library says, such as today's date."""

    function: Callable[[], Any]

    def value(self) -> Any:
        """Call the function."""
        return self.function()


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """One read of a node's code, which was followed for what it found."""

    place: Place
    kind: Kind
    label: str
    """What it is called in the code."""
    seen: Any
    """What was there when the code was looked at."""
    content: Content | None
    """Content of what was there, where that is a container."""
    steady: bool = True
    """Whether nothing in the application is known to change it while a graph runs."""

    @classmethod
    def of(cls, place: Place, kind: Kind, label: str, seen: Any, *, steady: bool = True) -> Read | None:
        """A read that found this.

        Returns:
            None for a container whose content can't be taken down.
        """
        content = None
        if type(seen) in CONTAINERS:
            # A table of functions, say, from which the code picks one.
            content = take_down(seen) or take_down(seen, objects=True)
            if content is None:
                return None
        elif type(seen) not in LEAVES:
            # A data class or a message, which the code may print, compare or hand over whole. None for other objects.
            content = take_down(seen)
        return cls(place, kind, label, seen, content, steady)

    def change(self) -> Kind | None:
        """The kind of change, where something else is there now."""
        value = self.place.value()
        if type(self.place) is Methods:
            # Many, and functions have no content: what is there is the same or not.
            return None if all(map(is_, value, self.seen)) else self.kind
        if self.content is not None:
            if type(value) is not type(self.seen) or (type(value) not in CONTAINERS and value is not self.seen):
                return self.kind
            return None if self.content.holds(value) else "content"
        return None if value is self.seen or _equal(value, self.seen) else self.kind


@dataclass(frozen=True, slots=True)
class Taken:
    """A node's reads, at a moment when they found what the code was followed for."""

    reads: Sequence[Read]
    """Those that must always find the same."""
    moments: Sequence[tuple[Read, Any]]
    """Reads of coarse clocks, and what they found."""

    @classmethod
    def of(cls, reads: Sequence[Read]) -> Taken | Kind:
        """Take down what reads find now.

        Returns:
            The kind of the first read that finds something else than the code was followed for.
        """
        taken = cls(
            [read for read in reads if read.kind != "clock"],
            [(read, read.place.value()) for read in reads if read.kind == "clock"],
        )
        return taken.changed() or taken

    def changed(self) -> Kind | None:
        """The kind of the first read that finds something else now, or None where all find the same."""
        for read in self.reads:
            change = read.change()
            if change is not None:
                return change
        return next((read.kind for read, then in self.moments if read.place.value() != then), None)


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are equal and of one type that can't change; of other objects none is another's equal."""
    return type(one) in LEAVES and alike(one, other)
