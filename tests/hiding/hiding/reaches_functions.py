"""How a node gets at a shared thing: functions, methods, comprehensions."""

# ruff: noqa: D103 - what a way is, its name says; the forms are to be seen through

from __future__ import annotations

from typing import Any

from hiding.scene import Look, reach


@reach
def directly(look: Look) -> Look:
    return look


@reach
def through_a_helper(look: Look) -> Look:
    def inner(held: Any) -> Any:
        return look(held)

    def helper(held: Any) -> Any:
        return inner(held)

    return helper


@reach
def through_a_nested_function(look: Look) -> Look:
    def outer(held: Any) -> Any:
        def nested() -> Any:
            return look(held)

        return nested()

    return outer


@reach
def through_a_lambda(look: Look) -> Look:
    return lambda held: look(held)


@reach
def through_a_method(look: Look) -> Look:
    class Service:
        def find(self, held: Any) -> Any:
            return look(held)

    service = Service()
    return service.find


@reach
def through_a_static_method(look: Look) -> Look:
    class Service:
        @staticmethod
        def find(held: Any) -> Any:
            return look(held)

        @classmethod
        def found(cls, held: Any) -> Any:
            return cls.find(held)

    return Service.found


@reach
def through_an_attribute_of_the_service(look: Look) -> Look:
    class Service:
        def __init__(self, finder: Look) -> None:
            self.finder = finder

        def find(self, held: Any) -> Any:
            return self.finder(held)

    return Service(look).find


@reach
def through_a_callable_object(look: Look) -> Look:
    class Finder:
        def __call__(self, held: Any) -> Any:
            return look(held)

    finder = Finder()

    def reached(held: Any) -> Any:
        return finder(held)

    return reached


@reach
def through_getattr(look: Look) -> Look:
    class Service:
        def find(self, held: Any) -> Any:
            return look(held)

    service = Service()

    def reached(held: Any) -> Any:
        return getattr(service, "find")(held)  # noqa: B009

    return reached


@reach
def through_a_comprehension(look: Look) -> Look:
    def reached(held: Any) -> Any:
        return [look(held) for _ in (0,)]

    return reached


@reach
def through_a_dict_comprehension(look: Look) -> Look:
    def reached(held: Any) -> Any:
        return {name: look(held) for name in ("found",)}

    return reached


@reach
def through_a_generator(look: Look) -> Look:
    def reached(held: Any) -> Any:
        return list(look(held) for _ in (0,))  # noqa: C400

    return reached
