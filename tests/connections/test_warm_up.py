"""What nodes import when they run is found, and imported before; garbage is collected less often meanwhile."""

from __future__ import annotations

import functools
import gc
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from optiflow import log
from optiflow.connections.warm_up import COLD_THRESHOLD, Warmth, WarmUp, fewer_collections, lazy_imports

PACKAGES = ("lazy_sdk", "lazy_sdk_broken", "langchain_lazy")


@pytest.fixture(autouse=True)
def sdks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three installed packages that nobody has imported."""
    for name, text in (
        ("lazy_sdk", "KEEP = 1"),
        ("lazy_sdk/types", "MORE = 2"),
        ("lazy_sdk_broken", "raise RuntimeError('not today')"),
        ("langchain_lazy", ""),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.startswith(("lazy_sdk", "langchain_lazy"))]:
        del sys.modules[name]


def found(node: Callable[..., Any]) -> tuple[str, ...]:
    """The modules of a node that may be imported ahead."""
    modules, why_not = lazy_imports(RunnableLambda(node), PACKAGES)
    assert why_not == ""
    return modules


def plain(state: Any) -> Any:
    """Import a module of a package."""
    import lazy_sdk.types

    return lazy_sdk.types.MORE


async def awaiting(state: Any) -> Any:
    """Import from a package."""
    from lazy_sdk import KEEP

    return KEEP


def helping(state: Any) -> Any:
    """Leave it to a helper."""
    return [plain(each) for each in state]


def asking(state: Any) -> Any:
    """Name a provider."""
    from langchain.chat_models import init_chat_model

    return init_chat_model("lazy:small").invoke(state["question: what?"])


class Node:
    """A node that is an instance, with a method that imports."""

    def __call__(self, state: Any) -> Any:
        return self.ask(state)

    def ask(self, state: Any) -> Any:
        """Import and ask."""
        import lazy_sdk

        return lazy_sdk


def test_imports_within_functions_are_found() -> None:
    """In functions, helpers, closures, methods, partials and nested functions, sync or async."""
    helper = plain

    def closing(state: Any) -> Any:
        return helper(state)

    def nesting(state: Any) -> Any:
        def inner() -> Any:
            import lazy_sdk

            return lazy_sdk

        return inner()

    assert found(plain) == ("lazy_sdk.types",)
    assert found(awaiting) == ("lazy_sdk",)
    assert found(helping) == ("lazy_sdk.types",)
    assert found(closing) == ("lazy_sdk.types",)
    assert found(nesting) == ("lazy_sdk",)
    assert found(functools.partial(plain)) == ("lazy_sdk.types",)
    assert found(Node().ask) == ("lazy_sdk",)
    assert lazy_imports(RunnableLambda(Node().__call__), PACKAGES)[0] == ("lazy_sdk",)
    assert found(asking) == ("langchain_lazy",)


def test_an_instance_as_a_node_is_looked_into() -> None:
    """As LangGraph holds it: behind ``func``."""

    class Held:
        func = Node()
        afunc = None

    assert lazy_imports(Held(), PACKAGES)[0] == ("lazy_sdk",)


def test_a_closure_that_is_not_filled_yet_is_no_obstacle() -> None:
    """The helper is assigned later."""

    def node(state: Any) -> Any:
        return later(state)

    assert found(node) == ()
    later = plain
    assert found(node) == ("lazy_sdk.types",)


def test_what_is_not_allowed_not_installed_relative_or_there_already_is_left() -> None:
    """Only packages that are named, and only where there is something to gain."""
    import lazy_sdk

    def node(state: Any) -> Any:
        import json

        import langchain_lazy.missing
        import lazy_sdk_missing

        from . import lazy_sdk_broken

        return json, lazy_sdk, lazy_sdk_missing, lazy_sdk_broken, langchain_lazy

    assert found(awaiting) == ()
    assert found(node) == ("langchain_lazy.missing",)
    assert lazy_imports(RunnableLambda(node), ("lazy_sdk_missing",)) == ((), "")


def test_code_that_may_change_the_environment_stands_against_it() -> None:
    """A package may look at the environment when it is imported."""

    def node(state: Any) -> Any:
        import os

        os.environ["LAZY"] = "1"
        import lazy_sdk

        return lazy_sdk

    modules, why_not = lazy_imports(RunnableLambda(node), PACKAGES)
    assert modules == ()
    assert "node may change the environment" in why_not


def test_installing_imports_and_says_what_fails() -> None:
    """What fails is left for the program to meet; the rest is there."""
    stream = io.StringIO()
    log.configure("WARNING", stream)
    try:
        warmth = Warmth()
        WarmUp(("lazy_sdk_broken", "lazy_sdk.types", "json"), warmth).install(None)
    finally:
        log.configure()
    assert "lazy_sdk.types" in sys.modules
    assert "lazy_sdk_broken" not in sys.modules
    assert warmth.imported == ["lazy_sdk.types"]
    assert warmth.milliseconds > 0
    assert "not today" in stream.getvalue()


def test_garbage_is_collected_less_often_within_blocks_that_overlap() -> None:
    """Python's threshold is back when the last one ends."""
    before = gc.get_threshold()
    with fewer_collections():
        with fewer_collections():
            assert gc.get_threshold() == (COLD_THRESHOLD, *before[1:])
        assert gc.get_threshold() == (COLD_THRESHOLD, *before[1:])
    assert gc.get_threshold() == before


@pytest.mark.parametrize("own", [0, 2 * COLD_THRESHOLD])
def test_a_programs_own_threshold_stays(own: int) -> None:
    """One that is larger, none at all, and one that is set meanwhile."""
    before = gc.get_threshold()
    try:
        gc.set_threshold(own)
        with fewer_collections():
            assert gc.get_threshold()[0] == own
        gc.set_threshold(*before)
        with fewer_collections():
            gc.set_threshold(own)
        assert gc.get_threshold()[0] == own
    finally:
        gc.set_threshold(*before)
