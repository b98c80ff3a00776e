"""Functions of other packages, replaced as long as somebody needs it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from optiflow.offload.hooks import Hooks


class Base:
    """Has a method."""

    def method(self) -> str:
        """Say where it is."""
        return "base"


class Derived(Base):
    """Inherits it."""


@pytest.fixture
def module() -> Iterator[Any]:
    """A loaded module with a function and a class."""
    made: Any = ModuleType("hooked_module")
    made.speak = lambda: "plain"
    made.Derived = Derived
    sys.modules["hooked_module"] = made
    yield made
    del sys.modules["hooked_module"]


def louder(plain: Callable[..., str]) -> Callable[..., str]:
    """Wrap a function."""
    return lambda *args: plain(*args).upper()


def test_held_while_anybody_holds_it(module: Any) -> None:
    """Overlapping blocks share the hook, and the last one takes it away."""
    plain = module.speak
    hooks = Hooks({("hooked_module", "speak"): louder})
    first, second = hooks.held(), hooks.held()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert module.speak() == "PLAIN"
    second.__exit__(None, None, None)
    assert module.speak is plain


def test_inherited_methods_leave_nothing_behind(module: Any) -> None:
    """A method that a class inherits is not left as its own."""
    with Hooks({("hooked_module", "Derived.method"): louder}).held():
        assert Derived().method() == "BASE"
    assert "method" not in vars(Derived)


def test_what_is_not_loaded_is_left_alone(module: Any) -> None:
    """Unknown modules and names are no errors."""
    names = ("hooked_module_2", "speak"), ("hooked_module", "shout"), ("hooked_module", "Other.method")
    with Hooks(dict.fromkeys(names, louder)).held():
        assert module.speak() == "plain"
    assert not hasattr(module, "shout")


def test_somebody_elses_wrapper_stays(module: Any) -> None:
    """Whoever wrapped the hook meanwhile is not undone."""
    with Hooks({("hooked_module", "speak"): louder}).held():
        hook = module.speak
        module.speak = other = lambda: f"{hook()}!"
    assert module.speak is other
    assert module.speak() == "PLAIN!"


def test_a_hook_below_somebody_elses_is_used_again(module: Any) -> None:
    """Holding the hooks once more adds no second layer, however often."""
    hooks = Hooks({("hooked_module", "speak"): lambda plain: lambda: f"<{plain()}>"})
    other = Hooks({("hooked_module", "speak"): lambda plain: lambda: f"{plain()}!"})
    for _ in range(3):
        first, second = hooks.held(), other.held()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        with hooks.held():
            assert module.speak() == "<plain>!"
        second.__exit__(None, None, None)
    assert module.speak() == "<plain>"


def test_a_wrap_may_leave_the_function(module: Any) -> None:
    """Then it is not touched."""
    plain = module.speak
    with Hooks({("hooked_module", "speak"): lambda function: function}).held():
        assert module.speak is plain


def test_what_was_replaced_since_is_looked_at_anew(module: Any) -> None:
    """A function, the class that it belongs to, and the module: what is there now is wrapped, and comes back."""
    hooks = Hooks({("hooked_module", "speak"): louder, ("hooked_module", "Derived.method"): louder})
    with hooks.held():
        assert (module.speak(), module.Derived().method()) == ("PLAIN", "BASE")
    module.speak = other = lambda: "other"
    module.Derived = type("Derived", (), {"method": lambda self: "new"})
    with hooks.held():
        assert (module.speak(), module.Derived().method()) == ("OTHER", "NEW")
        assert "method" not in vars(Derived)
    assert module.speak is other
    changed: Any = ModuleType("hooked_module")
    changed.speak = lambda: "changed"
    sys.modules["hooked_module"] = changed
    with hooks.held():
        assert (changed.speak(), module.speak()) == ("CHANGED", "other")


def test_an_inherited_method_that_was_replaced_since(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class that it is inherited from may have got another one."""
    hooks = Hooks({("hooked_module", "Derived.method"): louder})
    with hooks.held():
        assert Derived().method() == "BASE"
    monkeypatch.setattr(Base, "method", lambda self: "patched")
    with hooks.held():
        assert Derived().method() == "PATCHED"
    assert "method" not in vars(Derived)


def test_what_can_not_be_wrapped_leaves_nothing_behind(module: Any) -> None:
    """The error comes out, what was replaced is as it was, and holding works once nothing fails."""
    plain, fail = module.speak, [True]

    def picky(function: Callable[..., str]) -> Callable[..., str]:
        if fail:
            raise ValueError("not this one")
        return louder(function)

    hooks = Hooks({("hooked_module", "speak"): louder, ("hooked_module", "Derived.method"): picky})
    with pytest.raises(ValueError, match="not this one"):
        hooks.hold()
    assert module.speak is plain
    fail.clear()
    with hooks.held():
        assert (module.speak(), module.Derived().method()) == ("PLAIN", "BASE")
    assert module.speak is plain


def test_a_holder_may_end_while_another_one_begins(module: Any) -> None:
    """On the same thread, as when an abandoned stream is collected in the middle of it: nothing waits for itself."""
    hooks: Hooks

    def collecting(function: Callable[..., str]) -> Callable[..., str]:
        hooks.hold()
        hooks.release()
        return louder(function)

    hooks = Hooks({("hooked_module", "speak"): collecting})
    plain = module.speak
    with hooks.held():
        assert module.speak() == "PLAIN"
    assert module.speak is plain
