"""Graphs that print, log and warn: what comes out has the order of the program, whoever takes it down."""

# ruff: noqa: D103 - what happens, its name says

from __future__ import annotations

import builtins
import contextlib
import io
import logging
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from hiding.generator_parts import scene
from hiding.scene import Lab, Scene, scenario
from hiding.steps import asking, resting

say = print
write = sys.stdout.write


class Listening(logging.Handler):
    """Writes records down."""

    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.append(f"{record.levelname} {record.getMessage()}")


class Out(io.StringIO):
    """Writes down what is printed."""

    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self._log = log

    def write(self, text: str) -> int:
        if text.strip():
            self._log.append(text.strip())
        return len(text)


def told(dice: random.Random, asynchronous: bool, tell: Callable[[str], Any], lab: Lab, during: Any = None) -> Scene:
    """A chain whose nodes tell something before and after they wait."""

    def telling(text: str) -> Callable[[Any], Any]:
        return lambda s: tell(text)

    nodes = [
        asking("k0", telling("a"), telling("b")),
        dice.choice((asking, resting))("k1", telling("c"), telling("d")),
        asking("k2", telling("e"), telling("f")),
    ]
    more: dict[str, Any] = {} if during is None else {"during": during}
    return scene(nodes, asynchronous, lab=lab, **more)


def _printing(tell: Callable[[str], Any], name: str) -> None:
    def make(dice: random.Random, asynchronous: bool) -> Scene:
        lab = Lab()
        return told(dice, asynchronous, tell, lab, lambda: contextlib.redirect_stdout(Out(lab.log)))

    make.__name__ = name
    scenario(make)


_printing(lambda text: print(text), "what_is_printed")
_printing(lambda text: say(text), "what_is_printed_by_a_saved_function")
_printing(lambda text: builtins.print(text), "what_is_printed_by_the_module")
_printing(lambda text: print(text, file=sys.stdout), "what_is_printed_to_a_named_stream")
_printing(lambda text: sys.stdout.write(f"{text}\n"), "what_is_written_to_the_stream")
_printing(lambda text: print(*[text], sep=""), "what_is_printed_with_a_star")
_printing(lambda text: [print(each) for each in (text,)], "what_is_printed_in_a_comprehension")
_printing(lambda text: list(map(print, (text,))), "what_is_printed_by_map")
_printing(lambda text: getattr(builtins, "print")(text), "what_is_printed_by_name")  # noqa: B009


def _logging(make_logger: Callable[[], Any], tell: Callable[[Any, str], Any], name: str) -> None:
    def make(dice: random.Random, asynchronous: bool) -> Scene:
        lab = Lab()
        logger = make_logger()
        real = logger.logger if isinstance(logger, logging.LoggerAdapter) else logger
        listening = Listening(lab.log)

        @contextlib.contextmanager
        def during() -> Iterator[None]:
            real.addHandler(listening)
            yield
            real.removeHandler(listening)

        return told(dice, asynchronous, lambda text: tell(logger, text), lab, during)

    make.__name__ = name
    scenario(make)


class Handling(logging.Logger):
    """Handles records by itself."""

    def handle(self, record: logging.LogRecord) -> None:
        for each in self.handlers:
            each.emit(record)


class Calling(logging.Logger):
    """Calls handlers by itself."""

    def callHandlers(self, record: logging.LogRecord) -> None:
        for each in self.handlers:
            each.emit(record)


class Making(logging.Logger):
    """Numbers the records that it makes."""

    made = 0

    def makeRecord(self, *args: Any, **named: Any) -> logging.LogRecord:
        record = super().makeRecord(*args, **named)
        self.made += 1
        record.msg = f"{self.made} {record.msg}"
        return record


class Adapting(logging.LoggerAdapter[Any]):
    """Numbers what it is told."""

    told = 0

    def process(self, msg: Any, kwargs: Any) -> Any:
        self.told += 1
        return f"{self.told} {msg}", kwargs


_logging(lambda: logging.Logger("hiding.a"), lambda logger, text: logger.warning(text), "what_is_logged")
_logging(lambda: logging.Logger("hiding.b"), lambda logger, text: logger.error("%s!", text), "errors_that_are_logged")
_logging(lambda: Handling("hiding.c"), lambda logger, text: logger.warning(text), "a_logger_that_handles")
_logging(lambda: Calling("hiding.d"), lambda logger, text: logger.warning(text), "a_logger_that_calls")
_logging(lambda: Making("hiding.e"), lambda logger, text: logger.warning(text), "a_logger_that_numbers")
_logging(
    lambda: Adapting(logging.Logger("hiding.f"), {}),
    lambda logger, text: logger.warning(text),
    "an_adapter_that_numbers",
)
_logging(
    lambda: logging.Logger("hiding.g"),
    lambda logger, text: logger.handle(logging.makeLogRecord({"msg": text, "levelno": 40, "levelname": "ERROR"})),
    "records_made_by_hand",
)
_logging(lambda: logging.getLogger(), lambda logger, text: logging.warning(text), "what_the_root_logs")


@scenario
def a_factory_of_records(dice: random.Random, asynchronous: bool) -> Scene:
    """It numbers records as they are made."""
    lab = Lab()
    logger = logging.Logger("hiding.h")
    logger.addHandler(Listening(lab.log))
    made: list[int] = []

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        usual = logging.getLogRecordFactory()

        def factory(*args: Any, **named: Any) -> logging.LogRecord:
            record = usual(*args, **named)
            made.append(1)
            record.msg = f"{len(made)} {record.msg}"
            return record

        logging.setLogRecordFactory(factory)
        yield
        logging.setLogRecordFactory(usual)

    return told(dice, asynchronous, lambda text: logger.warning(text), lab, during)


@scenario
def a_filter_that_numbers(dice: random.Random, asynchronous: bool) -> Scene:
    lab = Lab()
    logger = logging.Logger("hiding.i")
    logger.addHandler(Listening(lab.log))

    class Numbering(logging.Filter):
        seen = 0

        def filter(self, record: logging.LogRecord) -> bool:
            self.seen += 1
            record.msg = f"{self.seen} {record.msg}"
            return self.seen % 3 != 0

    logger.addFilter(Numbering())
    return told(dice, asynchronous, lambda text: logger.warning(text), lab)


@scenario
def what_is_warned_of(dice: random.Random, asynchronous: bool) -> Scene:
    lab = Lab()

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, *_, **__: lab.log.append(str(message))
            yield

    return told(dice, asynchronous, lambda text: warnings.warn(text, UserWarning, stacklevel=1), lab, during)


@scenario
def what_an_object_says_when_it_is_printed(dice: random.Random, asynchronous: bool) -> Scene:
    lab = Lab()

    class Total:
        number = 0

        def __str__(self) -> str:
            Total.number += 1
            return f"total {Total.number}"

    total = Total()
    return told(
        dice, asynchronous, lambda text: print(text, total), lab, lambda: contextlib.redirect_stdout(Out(lab.log))
    )
