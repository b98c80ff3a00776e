"""Places in Python's own library: iterators, buffers, streams, and settings of the process."""

# ruff: noqa: D103, N806 - what a place is, its name says

from __future__ import annotations

import calendar
import collections
import contextlib
import csv
import decimal
import functools
import hashlib
import heapq
import io
import itertools
import json
import locale
import logging
import os
import random
import re
import struct
import sys
import time
import uuid
import warnings
import zlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

from hiding.scene import Shared, place


@place
def a_count() -> Shared:
    numbers = itertools.count(1)
    return Shared(lambda held: next(numbers))


@place
def a_count_by_its_method() -> Shared:
    NUMBERS = itertools.count(1)
    return Shared(lambda held: NUMBERS.__next__())


@place
def a_bound_next() -> Shared:
    following = itertools.count(1).__next__
    return Shared(lambda held: following())


@place
def a_cycle() -> Shared:
    names = itertools.cycle("abcde")
    return Shared(lambda held: next(names))


@place
def an_iterator_in_a_zip() -> Shared:
    names = iter("abcdefghijklmnopqrstuvwxyz")
    return Shared(lambda held: list(zip(range(1), names, strict=False)))


@place
def a_generator() -> Shared:
    def numbered() -> Iterator[int]:
        yield from range(99)

    numbers = numbered()
    return Shared(lambda held: next(numbers))


@place
def a_generator_that_is_sent_to() -> Shared:
    def totals() -> Any:
        total = 0
        while True:
            total += yield total

    running = totals()
    next(running)
    return Shared(lambda held: running.send(1))


@place
def a_partial_of_next() -> Shared:
    following = functools.partial(next, itertools.count(1))
    return Shared(lambda held: following())


@place
def a_map_over_a_count() -> Shared:
    texts = map(str, itertools.count())
    return Shared(lambda held: next(texts))


@place
def an_islice() -> Shared:
    numbers = itertools.count()
    return Shared(lambda held: list(itertools.islice(numbers, 2)))


@place
def a_file_in_memory() -> Shared:
    lines = io.StringIO("\n".join("abcdefghij"))
    return Shared(lambda held: lines.readline())


@place
def a_reader_of_rows() -> Shared:
    rows = csv.reader("abcdefghij")
    return Shared(lambda held: next(rows))


@place
def a_scanner() -> Shared:
    words = re.finditer(r"\w", "abcdefghij")
    return Shared(lambda held: next(words).group())


@place
def a_shared_regular_expression() -> Shared:
    numbers = itertools.count(1)
    pattern = re.compile("x")
    return Shared(lambda held: pattern.sub(lambda found: str(next(numbers)), "axb"))


@place
def a_seeded_generator() -> Shared:
    dice = random.Random(3)
    return Shared(lambda held: dice.randint(1, 99))


@place
def the_seeded_generator_of_the_process() -> Shared:
    random.seed(3)
    return Shared(lambda held: random.randint(1, 99))


@place
def a_deque_that_is_popped() -> Shared:
    JOBS = collections.deque(range(50))
    return Shared(lambda held: JOBS.popleft())


@place
def a_deque_by_its_item() -> Shared:
    JOBS = collections.deque([0])

    def move() -> None:
        JOBS.__setitem__(0, JOBS[0] + 1)

    return Shared(lambda held: JOBS.__getitem__(0), move)


@place
def a_heap() -> Shared:
    JOBS = list(range(50))
    return Shared(lambda held: heapq.heappop(JOBS))


@place
def a_list_by_the_class() -> Shared:
    JOBS: list[int] = []

    def look(held: Any) -> int:
        list.append(JOBS, 1)
        return len(JOBS)

    return Shared(look)


@place
def an_ordered_dict_by_the_class() -> Shared:
    ORDER = collections.OrderedDict(a=1)
    return Shared(
        lambda held: list(ORDER.keys()), lambda: collections.OrderedDict.__setitem__(ORDER, f"k{len(ORDER)}", 1)
    )


@place
def a_counter_that_is_updated() -> Shared:
    COUNTS: collections.Counter[str] = collections.Counter()

    def look(held: Any) -> int:
        COUNTS.update(["a"])
        return COUNTS.total()

    return Shared(look)


@place
def a_buffer_that_is_packed_into() -> Shared:
    BUFFER = bytearray(4)
    numbers = itertools.count(1)
    return Shared(lambda held: bytes(BUFFER), lambda: struct.pack_into("i", BUFFER, 0, next(numbers)))


@place
def a_buffer_that_is_packed_into_and_read() -> Shared:
    BUFFER = bytearray(4)

    def look(held: Any) -> int:
        struct.pack_into("i", BUFFER, 0, struct.unpack_from("i", BUFFER)[0] + 1)
        return int(struct.unpack_from("i", BUFFER)[0])

    return Shared(look)


@place
def a_compressor() -> Shared:
    compressor = zlib.compressobj()
    return Shared(
        lambda held: [
            zlib.crc32(compressor.compress(b"a" * 9)),
            len(compressor.compress(b"b" * 9) + compressor.flush(zlib.Z_SYNC_FLUSH)),
        ]
    )


@place
def a_decompressor() -> Shared:
    packed = zlib.compress(bytes(range(200)))
    unpacker = zlib.decompressobj()
    parts = [packed[at : at + 20] for at in range(0, len(packed), 20)] + [b""] * 40
    position = itertools.count()
    return Shared(lambda held: len(unpacker.decompress(parts[next(position)])))


@place
def a_digest() -> Shared:
    digest = hashlib.sha256()

    def look(held: Any) -> str:
        digest.update(b"a")
        return digest.hexdigest()[:8]

    return Shared(look)


@place
def a_digest_that_others_feed() -> Shared:
    digest = hashlib.md5()
    return Shared(lambda held: digest.hexdigest()[:8], lambda: digest.update(b"a"))


@place
def a_remembered_function() -> Shared:
    numbers = itertools.count(1)

    @functools.lru_cache(maxsize=1)
    def remembered(text: str) -> int:
        return next(numbers)

    return Shared(lambda held: remembered(str(held)), remembered.cache_clear)


@place
def the_hits_of_a_cache() -> Shared:
    @functools.cache
    def remembered(text: str) -> str:
        return text

    return Shared(lambda held: [remembered("a"), remembered.cache_info().hits])


@place
def the_register_of_a_single_dispatch() -> Shared:
    @functools.singledispatch
    def shown(value: Any) -> str:
        return "any"

    texts = itertools.cycle(["one", "two"])

    def move() -> None:
        text = next(texts)
        shown.register(int, lambda value: text)

    return Shared(lambda held: shown(1), move)


@place
def a_cached_partial_method() -> Shared:
    numbers = itertools.count(1)

    class Service:
        def _find(self, _: str) -> int:
            return next(numbers)

        find = functools.partialmethod(_find, "bound")

    service = Service()
    return Shared(lambda held: service.find())


@place
def a_spy_around_json() -> Shared:
    calls: list[Any] = []

    @functools.wraps(json.dumps)
    def dumps(value: Any) -> str:
        calls.append(value)
        return json.dumps([value, len(calls)])

    return Shared(lambda held: dumps(1))


@place
def a_spy_around_uuid() -> Shared:
    numbers = itertools.count(1)

    @functools.wraps(uuid.uuid4)
    def identifier() -> int:
        return next(numbers)

    return Shared(lambda held: identifier())


@place
def a_class_with_a_borrowed_name() -> Shared:
    class Tool:
        number = 0

        def __call__(self, *args: Any) -> int:
            Tool.number += 1
            return Tool.number

    Tool.__module__, Tool.__qualname__ = "json", "JSONEncoder"
    tool = Tool()
    tool.__module__, tool.__qualname__ = "math", "sqrt"  # type: ignore[attr-defined]
    return Shared(lambda held: tool(1))


@place
def a_function_with_a_borrowed_name() -> Shared:
    following = itertools.count(1).__next__

    def sqrt(number: float) -> int:
        return following()

    sqrt.__module__, sqrt.__qualname__ = "math", "sqrt"
    return Shared(lambda held: sqrt(4))


@place
def a_json_decoder_with_a_hook() -> Shared:
    numbers = itertools.count(1)
    decoder = json.JSONDecoder(object_hook=lambda found: next(numbers))
    return Shared(lambda held: decoder.decode('{"a": 1}'))


@place
def a_json_decoder_class() -> Shared:
    numbers = itertools.count(1)

    class Decoder(json.JSONDecoder):
        def decode(self, text: str, *args: Any) -> Any:
            return next(numbers)

    return Shared(lambda held: json.loads("{}", cls=Decoder))


@place
def a_json_constant() -> Shared:
    numbers = itertools.count(1)
    return Shared(lambda held: json.loads("NaN", parse_constant=lambda text: next(numbers)))


@place
def an_encoder_of_json() -> Shared:
    numbers = itertools.count(1)

    class Encoder(json.JSONEncoder):
        def default(self, o: Any) -> Any:
            return next(numbers)

    return Shared(lambda held: json.dumps({"a": {1}}, cls=Encoder))


@place
def an_encoder_object_of_json() -> Shared:
    numbers = itertools.count(1)
    encoder = json.JSONEncoder(default=lambda o: next(numbers))
    return Shared(lambda held: encoder.encode({"a": {1}}))


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


def helper(text: str) -> str:
    """Stands to be patched."""
    return f"{text}!"


class Service:
    """Stands to be patched."""

    name = "real"

    def find(self, text: str) -> str:
        """Stands to be patched."""
        return f"found {text}"


SERVICE = Service()


@place
def a_patched_function() -> Shared:
    return Shared(
        lambda held: helper("a"), during=lambda: mock.patch(f"{__name__}.helper", side_effect=map(str, range(99)))
    )


@place
def a_patched_method() -> Shared:
    return Shared(
        lambda held: SERVICE.find("a"),
        during=lambda: mock.patch.object(Service, "find", side_effect=map(str, range(99))),
    )


@place
def a_patched_attribute() -> Shared:
    def move() -> None:
        Service.name += "+"

    return Shared(lambda held: SERVICE.name, move, during=lambda: mock.patch.object(Service, "name", "patched"))


@place
def a_patched_function_of_a_module() -> Shared:
    return Shared(
        lambda held: str(uuid.uuid4()), during=lambda: mock.patch("uuid.uuid4", side_effect=map(str, range(99)))
    )


@place
def a_patched_clock() -> Shared:
    return Shared(lambda held: time.time_ns(), during=lambda: mock.patch("time.time_ns", side_effect=range(99)))


@place
def a_patched_dict() -> Shared:
    SETTINGS = {"n": 0}

    def move() -> None:
        SETTINGS["n"] += 1

    return Shared(lambda held: SETTINGS["n"], move, during=lambda: mock.patch.dict(SETTINGS, {"n": 10}))


@place
def a_patched_builtin() -> Shared:
    numbers = itertools.count()
    return Shared(
        lambda held: ascii("a"), during=lambda: mock.patch("builtins.ascii", side_effect=lambda each: next(numbers))
    )


@place
def a_builtin_hidden_by_a_global() -> Shared:
    @contextlib.contextmanager
    def during() -> Iterator[None]:
        numbers = itertools.count()
        globals()["oct"] = lambda number: next(numbers)
        yield
        del globals()["oct"]

    return Shared(lambda held: oct(8), during=during)


@place
def a_mock() -> Shared:
    answering = mock.Mock(side_effect=range(99))
    return Shared(lambda held: answering("a"))


@place
def a_magic_mock() -> Shared:
    answering = mock.MagicMock()
    answering.__getitem__.side_effect = range(99)
    return Shared(lambda held: answering["a"])
