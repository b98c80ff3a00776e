"""Reading by roundabout names, and what depends on the thread that a node runs in."""

# ruff: noqa: D103, B009 - what a place is, its name says

from __future__ import annotations

import functools
import importlib
import inspect
import operator
import os
import sqlite3
import sys
import threading
import types
from typing import Any

from langgraph.config import get_config

from hiding.scene import Shared, place

COUNT = 0


def _move() -> None:
    global COUNT
    COUNT += 1


def counted(look: Any) -> Shared:
    """A global that is read in some way."""
    global COUNT
    COUNT = 0
    return Shared(look, _move)


@place
def a_global_by_globals() -> Shared:
    return counted(lambda held: globals()["COUNT"])


@place
def a_global_of_its_own_module() -> Shared:
    return counted(lambda held: sys.modules[__name__].COUNT)


@place
def a_global_of_an_imported_module() -> Shared:
    return counted(lambda held: importlib.import_module(__name__).COUNT)


@place
def a_global_by_eval() -> Shared:
    return counted(lambda held: eval("COUNT"))


@place
def a_global_by_the_function() -> Shared:
    def look(held: Any) -> int:
        return int(look.__globals__["COUNT"])

    return counted(look)


@place
def a_global_by_getattr() -> Shared:
    module = sys.modules[__name__]
    return counted(lambda held: getattr(module, "COUNT"))


@place
def a_global_by_its_variables() -> Shared:
    module = sys.modules[__name__]
    return counted(lambda held: vars(module)["COUNT"])


@place
def a_global_imported_in_the_function() -> Shared:
    def look(held: Any) -> int:
        from hiding import places_names

        return places_names.COUNT

    return counted(look)


@place
def a_nested_attribute_by_its_path() -> Shared:
    class Inner:
        number = 0

    class Outer:
        inner = Inner()

    outer = Outer()
    getter = operator.attrgetter("inner.number")

    def move() -> None:
        outer.inner.number += 1

    return Shared(lambda held: getter(outer), move)


@place
def a_nested_attribute_by_reduce() -> Shared:
    space = types.SimpleNamespace(inner=types.SimpleNamespace(number=0))

    def move() -> None:
        space.inner.number += 1

    return Shared(lambda held: functools.reduce(getattr, ("inner", "number"), space), move)


@place
def an_attribute_by_its_dict() -> Shared:
    space = types.SimpleNamespace(number=0)

    def move() -> None:
        space.number += 1

    return Shared(lambda held: space.__dict__["number"], move)


@place
def an_attribute_by_vars() -> Shared:
    space = types.SimpleNamespace(number=0)

    def move() -> None:
        space.number += 1

    return Shared(lambda held: vars(space)["number"], move)


@place
def an_attribute_looked_at_without_asking() -> Shared:
    class Settings:
        number = 0

    def move() -> None:
        Settings.number += 1

    return Shared(lambda held: inspect.getattr_static(Settings, "number"), move)


@place
def a_cell_by_the_function() -> Shared:
    number = 0

    def holder() -> int:
        return number

    def move() -> None:
        nonlocal number
        number += 1

    return Shared(lambda held: holder.__closure__[0].cell_contents, move)  # type: ignore[index]


@place
def a_default_by_the_function() -> Shared:
    def holder(number: int = 0) -> int:
        return number

    def move() -> None:
        holder.__defaults__ = (holder.__defaults__[0] + 1,)  # type: ignore[index]

    return Shared(lambda held: holder.__defaults__, move)


@place
def a_comparison_with_a_changing_name() -> Shared:
    class Mode:
        current = "fast"

    def move() -> None:
        Mode.current = "slow" if Mode.current == "fast" else "fast"

    return Shared(lambda held: Mode.current == "fast", move)


@place
def whether_it_is_the_main_thread() -> Shared:
    return Shared(lambda held: threading.current_thread() is threading.main_thread())


@place
def whether_it_is_the_thread_of_the_caller() -> Shared:
    caller = threading.get_ident()
    return Shared(lambda held: threading.get_ident() == caller)


@place
def a_connection_of_one_thread() -> Shared:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("create table seen (n)")

    def look(held: Any) -> Any:
        try:
            connection.execute("insert into seen values (1)")
            return connection.execute("select count(*) from seen").fetchone()
        except sqlite3.ProgrammingError:
            return "another thread"

    return Shared(look)


@place
def a_file_that_is_read() -> Shared:
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.write(write, b"abcdefghijklmnopqrstuvwxyz" * 2)

    class Pipe:
        def __del__(self) -> None:
            os.close(read)
            os.close(write)

    pipe = Pipe()

    def look(held: Any) -> Any:
        assert pipe is not None
        return os.read(read, 1)

    return Shared(look)


@place
def the_step_of_the_run() -> Shared:
    def look(held: Any) -> Any:
        try:
            found = get_config()["metadata"]
        except RuntimeError:
            return "no run"
        return [found["langgraph_step"], found["langgraph_node"], found["langgraph_triggers"]]

    return Shared(look)
