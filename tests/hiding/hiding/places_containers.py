"""Containers that something else changes."""

# ruff: noqa: D103, N806 - what a place is, its name says; capitals are what the application's constants look like

from __future__ import annotations

import array
import collections
import types

from hiding.scene import Shared, place


@place
def an_item_of_a_dict() -> Shared:
    BOX = {"n": 0}

    def move() -> None:
        BOX["n"] += 1

    return Shared(lambda held: BOX["n"], move)


@place
def an_item_of_a_dict_by_get() -> Shared:
    BOX = {"n": 0}

    def move() -> None:
        BOX["n"] += 1

    return Shared(lambda held: BOX.get("n"), move)


@place
def the_size_of_a_dict() -> Shared:
    BOX: dict[int, int] = {}
    return Shared(lambda held: len(BOX), lambda: BOX.setdefault(len(BOX), 1))


@place
def a_nested_item() -> Shared:
    BOX = {"limits": {"calls": [0]}}

    def move() -> None:
        BOX["limits"]["calls"][0] += 1

    return Shared(lambda held: BOX["limits"]["calls"][0], move)


@place
def an_item_of_a_list() -> Shared:
    BOX = [0]

    def move() -> None:
        BOX[0] += 1

    return Shared(lambda held: BOX[0], move)


@place
def a_membership() -> Shared:
    SEEN: set[int] = set()

    def move() -> None:
        SEEN.discard(1) if 1 in SEEN else SEEN.add(1)

    return Shared(lambda held: 1 in SEEN, move)


@place
def a_sum_of_a_list() -> Shared:
    COSTS = [1.5]
    return Shared(lambda held: sum(COSTS), lambda: COSTS.append(0.5))


@place
def a_joined_list() -> Shared:
    WORDS = ["a"]
    return Shared(lambda held: "-".join(WORDS), lambda: WORDS.append("b"))


@place
def a_list_in_a_tuple() -> Shared:
    pair = ("calls", [0])

    def move() -> None:
        pair[1][0] += 1

    return Shared(lambda held: pair[1][0], move)


@place
def a_default_dict() -> Shared:
    COUNTS: collections.defaultdict[str, int] = collections.defaultdict(int)

    def move() -> None:
        COUNTS["n"] += 1

    return Shared(lambda held: COUNTS.get("n", 0), move)


@place
def a_counter() -> Shared:
    COUNTS: collections.Counter[str] = collections.Counter()
    return Shared(lambda held: COUNTS["n"], lambda: COUNTS.update("n"))


@place
def a_deque() -> Shared:
    RECENT: collections.deque[int] = collections.deque(maxlen=9)
    return Shared(lambda held: len(RECENT), lambda: RECENT.append(1))


@place
def an_ordered_dict() -> Shared:
    ORDER = collections.OrderedDict(a=1, b=2)
    return Shared(lambda held: list(ORDER), lambda: ORDER.move_to_end(next(iter(ORDER))))


@place
def a_chain_of_maps() -> Shared:
    USER: dict[str, str] = {}
    MERGED = collections.ChainMap(USER, {"name": "default"})

    def move() -> None:
        USER["name"] = USER.get("name", "") + "x"

    return Shared(lambda held: MERGED["name"], move)


@place
def a_view_of_a_dict() -> Shared:
    INNER = {"n": 0}
    VIEW = types.MappingProxyType(INNER)

    def move() -> None:
        INNER["n"] += 1

    return Shared(lambda held: VIEW["n"], move)


@place
def the_keys_of_a_dict() -> Shared:
    inner: dict[int, int] = {}
    keys = inner.keys()
    return Shared(lambda held: len(keys), lambda: inner.setdefault(len(inner), 1))


@place
def an_array() -> Shared:
    CELLS = array.array("i", [0])

    def move() -> None:
        CELLS[0] += 1

    return Shared(lambda held: CELLS[0], move)


@place
def a_bytearray() -> Shared:
    BUFFER = bytearray(1)

    def move() -> None:
        BUFFER[0] += 1

    return Shared(lambda held: BUFFER.hex(), move)


@place
def a_memoryview() -> Shared:
    buffer = bytearray(2)
    view = memoryview(buffer)

    def move() -> None:
        buffer[0] += 1

    return Shared(lambda held: view[0], move)
