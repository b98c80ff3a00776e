"""The hook that waits until a program imports LangGraph."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from optiflow.injection import hook, patch

TARGET = "target_of_the_hook"


@pytest.fixture(autouse=True)
def applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A module to wait for instead of LangGraph; the names of those that were patched."""
    applied: list[str] = []
    (tmp_path / f"{TARGET}.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(hook, "TARGETS", (TARGET,))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(patch, "apply", lambda module: applied.append(module.__name__))
    monkeypatch.setenv(hook.CONFIGURATION, "{}")
    yield applied
    sys.modules.pop(TARGET, None)


def test_module_is_patched_when_it_is_imported(applied: list[str]) -> None:
    """Not before, and afterwards it looks as if nobody had waited; a reload is patched again."""
    hook.install()
    assert applied == []
    module = importlib.import_module(TARGET)
    assert applied == [TARGET]
    assert module.__spec__ is not None
    assert module.__loader__ is module.__spec__.loader
    assert type(module.__loader__).__module__ == "_frozen_importlib_external"
    assert importlib.reload(module).value == 1
    assert applied == [TARGET, TARGET]


def test_module_that_is_there_is_patched_at_once(applied: list[str]) -> None:
    """Another start-up hook may have imported LangGraph first."""
    importlib.import_module(TARGET)
    hook.install()
    assert applied == [TARGET]


def test_nothing_is_installed_without_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder on the path alone does nothing."""
    monkeypatch.delenv(hook.CONFIGURATION)
    before = list(sys.meta_path)
    hook.install()
    assert sys.meta_path == before


def test_finders_of_others_are_asked(applied: list[str]) -> None:
    """One that asks the whole of sys.meta_path in turn, as wrapt's does, gets an answer and no endless loop."""
    asked: list[str] = []

    class Asking:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
            if name != TARGET or name in asked:
                return None
            asked.append(name)
            return importlib.util.find_spec(name)

    hook.install()
    sys.meta_path.insert(1, Asking())
    importlib.import_module(TARGET)
    assert (asked, applied) == ([TARGET], [TARGET])


def test_objects_that_find_nothing_are_passed_over(applied: list[str]) -> None:
    """As Python itself passes over what has no find_spec."""
    hook.install()
    sys.meta_path.insert(1, object())  # type: ignore[arg-type]
    importlib.import_module(TARGET)
    assert applied == [TARGET]


def test_module_that_nobody_finds(applied: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """LangGraph that is not installed fails as it would without the hook."""
    monkeypatch.setattr(hook, "TARGETS", ("no_such_target_anywhere",))
    hook.install()
    with pytest.raises(ModuleNotFoundError, match="no_such_target_anywhere"):
        importlib.import_module("no_such_target_anywhere")
    assert applied == []


def test_loader_passes_on_what_it_does_not_do() -> None:
    """Tools ask a loader for its source, for one; an old loader without exec_module is left as it is."""
    hook.install()
    spec = importlib.util.find_spec(TARGET)
    assert spec is not None
    assert spec.loader.get_source(TARGET) == "value = 1\n"  # type: ignore[union-attr]

    class Old:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
            return importlib.util.spec_from_loader(name, self, origin="old") if name == TARGET else None  # type: ignore[arg-type]

    sys.meta_path.insert(1, Old())
    spec = importlib.util.find_spec(TARGET)
    assert spec is not None
    assert isinstance(spec.loader, Old)


def test_environment_without_optiflow(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A program in another environment is told so once, and raises under --strict."""
    monkeypatch.setitem(sys.modules, "optiflow.injection.patch", None)  # type: ignore[arg-type]
    hook.install()
    importlib.import_module(TARGET)
    error = capsys.readouterr().err
    assert error.startswith(f"optiflow: not usable in {sys.executable}, so LangGraph runs as it is there: ")
    assert error.count("\n") == 1
    hook._patch(ModuleType("another target"))
    assert capsys.readouterr().err == ""
    monkeypatch.setenv(hook.STRICT, "1")
    with pytest.raises(ImportError, match="not usable in"):
        hook._patch(ModuleType("another target"))
