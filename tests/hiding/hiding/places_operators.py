"""Places behind operators and conversions: looking at them changes them."""

# ruff: noqa: D103, N806 - what a place is, its name says; capitals are what the application's constants look like

from __future__ import annotations

from typing import Any

from hiding.scene import Shared, place
from hiding.ticks import ticker


@place
def item_of_a_dict_subclass() -> Shared:
    tick = ticker()

    class Tickets(dict[str, int]):
        def __getitem__(self, key: str) -> int:
            return int(tick())

    TICKETS = Tickets()
    return Shared(lambda held: TICKETS["x"])


@place
def missing_item() -> Shared:
    class Ids(dict[int, int]):
        def __missing__(self, key: int) -> int:
            self[len(self)] = 1
            return len(self)

    IDS = Ids()
    return Shared(lambda held: IDS[-1])


@place
def missing_item_of_a_default_dict() -> Shared:
    import collections

    tick = ticker()
    IDS: collections.defaultdict[Any, int] = collections.defaultdict(tick)

    def look(held: Any) -> Any:
        return [IDS[len(IDS)], len(IDS)]

    return Shared(look)


@place
def get_of_a_dict_subclass() -> Shared:
    tick = ticker()

    class Tickets(dict[str, int]):
        def get(self, key: str, default: Any = None) -> Any:
            return tick()

    TICKETS = Tickets()
    return Shared(lambda held: TICKETS.get("x"))


@place
def length_of_a_list_subclass() -> Shared:
    class Longer(list[int]):
        calls = 0

        def __len__(self) -> int:
            Longer.calls += 1
            return Longer.calls

    LONGER = Longer([1])
    return Shared(lambda held: len(LONGER))


@place
def iteration_of_a_list_subclass() -> Shared:
    tick = ticker()

    class Longer(list[int]):
        def __iter__(self) -> Any:
            return iter((tick(),))

    LONGER = Longer([1])
    return Shared(lambda held: [each for each in LONGER])  # noqa: C416


@place
def iteration_of_a_tuple_subclass() -> Shared:
    tick = ticker()

    class Pair(tuple[int, ...]):
        def __iter__(self) -> Any:
            return iter((tick(),))

    PAIR = Pair((1, 2))
    return Shared(lambda held: sorted(PAIR))


@place
def membership_of_a_set_subclass() -> Shared:
    tick = ticker()

    class Odd(frozenset[int]):
        def __contains__(self, item: object) -> bool:
            return bool(tick() % 2)

    ODD = Odd()
    return Shared(lambda held: 1 in ODD)


@place
def format_of_a_text_subclass() -> Shared:
    tick = ticker()

    class Text(str):
        def __format__(self, spec: str) -> str:
            return f"#{tick()}"

    text = Text("x")
    return Shared(lambda held: f"{text}")


@place
def text_of_a_text_subclass() -> Shared:
    tick = ticker()

    class Text(str):
        def __str__(self) -> str:
            return f"#{tick()}"

    text = Text("x")
    return Shared(lambda held: str(text))


@place
def method_of_a_text_subclass() -> Shared:
    tick = ticker()

    class Text(str):
        def upper(self) -> str:
            return f"#{tick()}"

    text = Text("x")
    return Shared(lambda held: text.upper())


@place
def join_of_a_text_subclass() -> Shared:
    tick = ticker()

    class Text(str):
        def join(self, parts: Any) -> str:
            return f"#{tick()}"

    SEP = Text(",")
    return Shared(lambda held: SEP.join(["a", "b"]))


@place
def representation_of_a_number_subclass() -> Shared:
    tick = ticker()

    class Number(int):
        def __repr__(self) -> str:
            return f"#{tick()}"

    number = Number(1)
    return Shared(lambda held: f"{number!r}")


@place
def sum_of_a_number_subclass() -> Shared:
    tick = ticker()

    class Number(int):
        def __add__(self, other: Any) -> Any:
            return tick()

    number = Number(1)
    return Shared(lambda held: number + 1)


@place
def sum_from_the_right() -> Shared:
    tick = ticker()

    class Number(float):
        def __radd__(self, other: Any) -> Any:
            return tick()

    number = Number(1)
    return Shared(lambda held: sum([number]))


@place
def comparison_of_a_number_subclass() -> Shared:
    tick = ticker()

    class Number(int):
        def __lt__(self, other: Any) -> bool:
            return bool(tick() % 2)

    number = Number(1)
    return Shared(lambda held: number < 1)


@place
def equality_of_a_text_subclass() -> Shared:
    tick = ticker()

    class Text(str):
        def __eq__(self, other: object) -> bool:
            return bool(tick() % 2)

        def __hash__(self) -> int:
            return 1

    text = Text("x")
    return Shared(lambda held: text == "x")


@place
def truth_of_a_number_subclass() -> Shared:
    tick = ticker()

    class Number(int):
        def __bool__(self) -> bool:
            return bool(tick() % 2)

    number = Number(1)
    return Shared(lambda held: "yes" if number else "no")


@place
def hash_of_a_text_subclass() -> Shared:
    tick = ticker()

    class Text(str):
        def __hash__(self) -> int:
            return int(tick())

    text = Text("x")
    return Shared(lambda held: hash(text))


@place
def index_of_a_number_subclass() -> Shared:
    tick = ticker()

    class Number:
        def __index__(self) -> int:
            return int(tick())

    number = Number()
    return Shared(lambda held: hex(number))


@place
def conversion_to_a_number() -> Shared:
    tick = ticker()

    class Number(str):
        def __int__(self) -> int:
            return int(tick())

    number = Number("1")
    return Shared(lambda held: int(number))


@place
def path_of_an_object() -> Shared:
    import os.path

    tick = ticker()

    class Path:
        def __fspath__(self) -> str:
            return f"dir/{tick()}"

    path = Path()
    return Shared(lambda held: os.path.basename(path))  # noqa: PTH119
