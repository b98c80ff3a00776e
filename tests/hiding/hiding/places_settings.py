"""Settings of Python's library that hold for the whole process."""

# ruff: noqa: D103 - what a place is, its name says

from __future__ import annotations

import contextlib
import gc
import itertools
import logging
import mimetypes
import os
import signal
import socket
import sys
import urllib.parse
from collections.abc import Iterator

from hiding.scene import Shared, place


@place
def the_working_directory() -> Shared:
    home = os.getcwd()  # noqa: PTH109
    places = itertools.cycle(("/", home))

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        yield
        os.chdir(home)

    return Shared(lambda held: os.getcwd() == home, lambda: os.chdir(next(places)), during=during)  # noqa: PTH109


@place
def the_usual_timeout_of_sockets() -> Shared:
    @contextlib.contextmanager
    def during() -> Iterator[None]:
        yield
        socket.setdefaulttimeout(None)

    def move() -> None:
        socket.setdefaulttimeout((socket.getdefaulttimeout() or 100) + 1)

    return Shared(lambda held: socket.getdefaulttimeout(), move, during=during)


@place
def the_types_of_files() -> Shared:
    numbers = itertools.count()
    mimetypes.add_type("text/start", ".hiding")
    return Shared(
        lambda held: mimetypes.guess_type("a.hiding")[0], lambda: mimetypes.add_type(f"text/{next(numbers)}", ".hiding")
    )


@place
def the_schemes_of_addresses() -> Shared:
    kept = list(urllib.parse.uses_relative)

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        yield
        urllib.parse.uses_relative[:] = kept

    return Shared(
        lambda held: urllib.parse.urljoin("odd://host/a", "b"),
        lambda: urllib.parse.uses_relative.append("odd"),
        during=during,
    )


@place
def the_collector_of_garbage() -> Shared:
    @contextlib.contextmanager
    def during() -> Iterator[None]:
        yield
        gc.enable()

    return Shared(lambda held: gc.isenabled(), lambda: gc.disable() if gc.isenabled() else gc.enable(), during=during)


@place
def the_handler_of_a_signal() -> Shared:
    """Only a main thread can change it, which all changes are not made in."""
    return Shared(lambda held: signal.getsignal(signal.SIGUSR1) is not None)


@place
def the_switch_of_all_logging() -> Shared:
    logger = logging.getLogger("hiding.switch")

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        yield
        logging.disable(logging.NOTSET)

    def move() -> None:
        logging.disable(logging.CRITICAL if logging.root.manager.disable == 0 else logging.NOTSET)

    return Shared(lambda held: logger.isEnabledFor(logging.ERROR), move, during=during)


@place
def the_names_of_levels() -> Shared:
    numbers = itertools.count()
    logging.addLevelName(35, "START")
    return Shared(lambda held: logging.getLevelName(35), lambda: logging.addLevelName(35, f"L{next(numbers)}"))


@place
def the_loaded_modules() -> Shared:
    sys.modules.pop("hidden_presence", None)
    return Shared(
        lambda held: "hidden_presence" in sys.modules,
        lambda: sys.modules.setdefault("hidden_presence", sys),
        during=lambda: contextlib.closing(_Gone()),
    )


class _Gone:
    def close(self) -> None:
        sys.modules.pop("hidden_presence", None)
