"""Names, attributes and operators that come and go."""

# ruff: noqa: D103 - what a place is, its name says; capitals are what the application's constants look like

from __future__ import annotations

import itertools
from typing import Any

from hiding.scene import Shared, place


@place
def a_name_that_goes() -> Shared:
    """The variable has no value for a while."""
    number: Any = 1

    def look(held: Any) -> Any:
        try:
            return number
        except NameError:
            return "no value"

    def move() -> None:
        nonlocal number
        try:
            del number
        except NameError:
            number = 1  # noqa: F841 - the closure of the one who looks

    return Shared(look, move)


@place
def an_attribute_that_goes() -> Shared:
    class Settings:
        number = "of the class"

    settings: Any = Settings()
    settings.number = "of the object"

    def move() -> None:
        if "number" in vars(settings):
            del settings.number
        else:
            settings.number = "of the object"

    return Shared(lambda held: settings.number, move)


@place
def an_attribute_that_comes() -> Shared:
    class Settings:
        pass

    settings: Any = Settings()

    def move() -> None:
        settings.number = getattr(settings, "number", 0) + 1

    return Shared(lambda held: getattr(settings, "number", "none"), move)


@place
def an_attribute_that_is_asked_for() -> Shared:
    class Settings:
        pass

    settings: Any = Settings()

    def move() -> None:
        if hasattr(settings, "number"):
            del settings.number
        else:
            settings.number = 1

    return Shared(lambda held: hasattr(settings, "number"), move)


@place
def a_property_that_comes() -> Shared:
    numbers = itertools.count(1)

    class Settings:
        number: Any = 0

    settings = Settings()

    def move() -> None:
        now = next(numbers)
        Settings.number = property(lambda self: f"made {now}")

    return Shared(lambda held: settings.number, move)


@place
def a_lookup_that_comes() -> Shared:
    """The class learns to make attributes up."""
    numbers = itertools.count(1)

    class Settings:
        def __init__(self) -> None:
            self.number = 0

    settings = Settings()

    def move() -> None:
        now = next(numbers)

        def looked(self: Any, name: str) -> Any:
            return now if name == "number" else object.__getattribute__(self, name)

        Settings.__getattribute__ = looked  # type: ignore[method-assign,assignment]

    return Shared(lambda held: settings.number, move)


@place
def an_operator_that_comes() -> Shared:
    numbers = itertools.count(1)

    class Price:
        def __add__(self, other: Any) -> Any:
            return 0

    price = Price()

    def move() -> None:
        now = next(numbers)
        Price.__add__ = lambda self, other: now  # type: ignore[method-assign]

    return Shared(lambda held: price + 1, move)
