"""Settings of the process, and loggers."""

# ruff: noqa: D103, N806 - what a place is, its name says

from __future__ import annotations

import calendar
import contextlib
import csv
import decimal
import itertools
import locale
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

from hiding.scene import Shared, place


@place
def the_environment() -> Shared:
    os.environ["HIDING_PLACE"] = "0"

    def move() -> None:
        os.environ["HIDING_PLACE"] = str(int(os.environ["HIDING_PLACE"]) + 1)

    return Shared(lambda held: os.environ["HIDING_PLACE"], move)


@place
def the_context_of_decimals() -> Shared:
    def during() -> Any:
        return decimal.localcontext(decimal.Context(prec=6))

    def move() -> None:
        decimal.getcontext().prec += 1

    return Shared(lambda held: str(decimal.Decimal(1) / 3), move, during=during)


@place
def a_context_of_decimals() -> Shared:
    context = decimal.Context(prec=4)

    def move() -> None:
        context.prec += 1

    return Shared(lambda held: str(context.divide(decimal.Decimal(1), decimal.Decimal(3))), move)


@place
def the_first_day_of_the_week() -> Shared:
    calendar.setfirstweekday(0)
    days = itertools.cycle((6, 0))
    return Shared(lambda held: calendar.month(2024, 1)[20:50], lambda: calendar.setfirstweekday(next(days)))


@place
def the_limit_of_fields_of_csv() -> Shared:
    csv.field_size_limit(1000)
    return Shared(lambda held: csv.field_size_limit(), lambda: csv.field_size_limit(csv.field_size_limit() + 1))


@place
def the_locale() -> Shared:
    locale.setlocale(locale.LC_NUMERIC, "C")
    names = itertools.cycle(("C.UTF-8", "C"))
    return Shared(
        lambda held: locale.setlocale(locale.LC_NUMERIC), lambda: locale.setlocale(locale.LC_NUMERIC, next(names))
    )


@place
def the_time_zone() -> Shared:
    zones = itertools.cycle(("Asia/Tokyo", "UTC"))
    os.environ["TZ"] = "UTC"
    time.tzset()

    def move() -> None:
        os.environ["TZ"] = next(zones)
        time.tzset()

    return Shared(lambda held: time.localtime(0).tm_hour, move)


@place
def the_filters_of_warnings() -> Shared:
    @contextlib.contextmanager
    def during() -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield

    def look(held: Any) -> str:
        try:
            warnings.warn("odd", UserWarning, stacklevel=1)
        except UserWarning:
            return "raised"
        return "ignored"

    return Shared(look, lambda: warnings.simplefilter("error"), during=during)


@place
def an_attribute_of_sys() -> Shared:
    sys.hidden_number = 0  # type: ignore[attr-defined]

    def move() -> None:
        sys.hidden_number += 1  # type: ignore[attr-defined]

    return Shared(lambda held: sys.hidden_number, move)  # type: ignore[attr-defined]


@place
def the_recursion_limit() -> Shared:
    usual = sys.getrecursionlimit()

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        yield
        sys.setrecursionlimit(usual)

    return Shared(
        lambda held: sys.getrecursionlimit() - usual,
        lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 1),
        during=during,
    )


@place
def the_level_of_a_logger() -> Shared:
    logger = logging.Logger("hiding.level", logging.ERROR)
    levels = itertools.cycle((logging.WARNING, logging.ERROR))
    return Shared(lambda held: logger.isEnabledFor(logging.WARNING), lambda: logger.setLevel(next(levels)))


@place
def the_handlers_of_a_logger() -> Shared:
    logger = logging.Logger("hiding.handlers")
    return Shared(lambda held: len(logger.handlers), lambda: logger.addHandler(logging.NullHandler()))


@place
def the_records_of_a_logger() -> Shared:
    kept: list[str] = []
    logger = logging.Logger("hiding.records")

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record.getMessage())

    logger.addHandler(Keeping())
    KEPT = kept
    return Shared(lambda held: len(KEPT), lambda: logger.warning("one"))


@place
def what_a_logger_answers() -> Shared:
    logger = logging.Logger("hiding.answers")

    class Odd(logging.LoggerAdapter[Any]):
        pass

    adapter = Odd(logger, {"n": 0})

    def move() -> None:
        adapter.extra["n"] += 1  # type: ignore[index,operator]

    return Shared(lambda held: adapter.extra["n"], move)  # type: ignore[index]
