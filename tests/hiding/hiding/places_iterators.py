"""Iterators, buffers and streams of Python's library."""

# ruff: noqa: D103, N806 - what a place is, its name says

from __future__ import annotations

import collections
import csv
import functools
import hashlib
import heapq
import io
import itertools
import random
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

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
