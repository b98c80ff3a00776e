"""Tests of finding the application's line."""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType

import pytest
import yaml

import optiflow
from optiflow import log
from optiflow.monitor import collect, performance_monitor
from optiflow.monitor.frames import Place, application_place, place_of_callback

HERE = Path(__file__)


def here() -> FrameType:
    """The caller's frame."""
    return sys._getframe(1)


def test_the_innermost_application_line_is_found() -> None:
    """An application's own frame is its line."""
    place = application_place(here())
    assert place is not None
    assert (place.file, place.function) == (__file__, "test_the_innermost_application_line_is_found")
    assert "application_place(here())" in HERE.read_text(encoding="utf-8").splitlines()[place.line - 1]


def test_libraries_between_are_passed_over() -> None:
    """What a library, the standard library or a decorator of OptiFlow's calls belongs to who called it."""
    seen: list[Place | None] = []

    class Loader(yaml.SafeLoader):
        pass

    def construct(loader: yaml.SafeLoader, node: yaml.Node) -> None:
        frame = here().f_back
        seen.append(application_place(frame))

    Loader.add_constructor("!x", construct)

    @performance_monitor("op")
    def load() -> None:
        yaml.load("!x y", Loader)

    with collect():
        load()
    assert seen[0] is not None
    assert seen[0].function.endswith("load")


@pytest.mark.parametrize(
    ("file", "application"),
    [
        ("batching/batch_optimizer.py", True),
        ("models/offline.py", True),
        ("record/store.py", False),
        ("run.py", False),
        ("monitor/memory.py", False),
    ],
)
def test_own_rooms_are_the_applications_or_bookkeeping(file: str, application: bool) -> None:
    """What the run consists of is named; what keeps its books is not."""
    seen: list[Place | None] = []
    module = ModuleType("room")
    path = str(Path(optiflow.__path__[0]) / file)
    exec(compile("def run(look):\n    look()\n", path, "exec"), module.__dict__)
    module.run(lambda: seen.append(application_place(here().f_back)))
    assert seen == [Place(path, 2, "run") if application else None]


async def test_a_callback_of_libraries_only_is_the_librarys() -> None:
    """Where no line of the application is on the stack of the callback, the library's innermost is given."""
    seen: list[Place | None] = []
    module = ModuleType("library")
    source = "def run(look):\n    look()\n"
    exec(compile(source, "/somewhere/site-packages/library.py", "exec"), module.__dict__)

    def look() -> None:
        seen.append(application_place(here().f_back))

    asyncio.get_running_loop().call_soon(module.run, look)
    await asyncio.sleep(0)
    assert seen == [Place("/somewhere/site-packages/library.py", 2, "run")]


def test_logging_is_nobodys_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the log of OptiFlow nor the standard one is the application's doing."""
    seen: list[Place | None] = []

    class Stream:
        encoding = "utf-8"

        def write(self, text: str) -> None:
            seen.append(application_place(here().f_back))

        def flush(self) -> None: ...

    log.configure("INFO", Stream())  # type: ignore[arg-type]
    log.get_logger("room").info("line")
    log.configure()
    handler = logging.StreamHandler(Stream())  # type: ignore[type-var]
    handler.emit(logging.LogRecord("name", logging.INFO, "file", 1, "line", (), None))
    assert len(seen) >= 2
    assert set(seen) == {None}


def test_imports_are_nobodys_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens while a module is found and loaded is not noted."""
    seen: list[Place | None] = []

    class Finder:
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            if name == "no_such_module_at_all":
                seen.append(application_place(here().f_back))

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module_at_all")
    assert seen == [None]


def test_a_place_reads_as_file_line_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files below the working directory are shown relative to it."""
    monkeypatch.chdir(tmp_path)
    assert str(Place(str(tmp_path / "app" / "x.py"), 3, "run")) == f"{Path('app', 'x.py')}:3 run"
    assert str(Place("/elsewhere/x.py", 3, "run")).endswith("x.py:3 run")


async def test_callbacks_are_named_by_where_they_begin() -> None:
    """Functions and tasks are named; what is not Python's, or cancelled, is not."""
    loop = asyncio.get_running_loop()

    def plain() -> None: ...

    async def coroutine() -> None: ...

    def handle(callback: Callable[..., object]) -> asyncio.Handle:
        return asyncio.Handle(callback, (), loop)

    task = loop.create_task(coroutine())
    start = plain.__code__.co_firstlineno
    assert place_of_callback(handle(plain)) == Place(__file__, start, plain.__qualname__)

    class Step:
        __self__ = task

        def __call__(self) -> None: ...

    stepped = place_of_callback(handle(Step()))
    assert stepped is not None
    assert stepped.function == coroutine.__qualname__
    assert place_of_callback(handle(len)) is None
    cancelled = handle(plain)
    cancelled.cancel()
    assert place_of_callback(cancelled) is None
    await task
