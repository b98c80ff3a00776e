"""Objects with code that nodes are handed, in the state, the context or the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hiding.scene import Shared, place


class Account:
    """Counts whatever is asked of it."""

    def __init__(self) -> None:
        self.number = 0

    def tick(self) -> int:
        """One more."""
        self.number += 1
        return self.number

    @property
    def ticket(self) -> int:
        """Another each time."""
        return self.tick()

    def split(self) -> int:
        """Named like a method of texts."""
        return self.tick()

    def get(self, key: str) -> int:
        """Named like a method of dicts."""
        return self.tick()

    def __getitem__(self, key: Any) -> int:
        return self.tick()

    def __getattr__(self, name: str) -> int:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.tick()

    def __len__(self) -> int:
        return self.tick()

    def __iter__(self) -> Iterator[int]:
        return iter((self.tick(),))

    def __contains__(self, item: object) -> bool:
        return self.tick() % 2 == 0

    def __format__(self, spec: str) -> str:
        return f"#{self.tick()}"

    def __str__(self) -> str:
        return f"#{self.tick()}"

    __repr__ = __str__

    def __add__(self, other: Any) -> int:
        return self.tick()

    def __radd__(self, other: Any) -> int:
        return self.tick()

    def __eq__(self, other: object) -> bool:
        return self.tick() % 2 == 0

    def __lt__(self, other: Any) -> bool:
        return self.tick() % 2 == 0

    def __hash__(self) -> int:
        return self.tick()

    def __bool__(self) -> bool:
        return self.tick() % 2 == 0

    def __call__(self) -> int:
        return self.tick()

    def __int__(self) -> int:
        return self.tick()

    def __enter__(self) -> int:
        return self.tick()

    def __exit__(self, *_: Any) -> None:
        pass


WAYS: dict[str, Callable[[Any], Any]] = {
    "property": lambda held: held.ticket,
    "text_method": lambda held: held.split(),
    "dict_method": lambda held: held.get("a"),
    "item": lambda held: held["a"],
    "made_up_attribute": lambda held: held.anything,
    "length": lambda held: len(held),
    "iteration": lambda held: [each for each in held],  # noqa: C416
    "unpacking": lambda held: [*held],
    "membership": lambda held: 1 in held,
    "format": lambda held: f"{held}",
    "text": lambda held: str(held),
    "representation": lambda held: f"{held!r}",
    "sum": lambda held: held + 1,
    "sum_of_list": lambda held: sum([held]),
    "equality": lambda held: held == 1,
    "comparison": lambda held: held < 1,
    "hash": lambda held: hash(held),
    "key": lambda held: [len({held: 1}), hash(held)],
    "truth": lambda held: "yes" if held else "no",
    "negation": lambda held: not held,
    "call": lambda held: held(),
    "number": lambda held: int(held),
    "percent": lambda held: "%s" % held,  # noqa: UP031
    "getattr": lambda held: getattr(held, "ticket", 0),
    "join": lambda held: ",".join([str(held)]),
}


def _of_account(name: str, look: Callable[[Any], Any], annotation: Any) -> Callable[[], Shared]:
    def make() -> Shared:
        return Shared(look, held=Account(), annotation=annotation)

    make.__name__ = name
    return make


for _way, _look in WAYS.items():
    place(_of_account(f"held_{_way}", _look, Any))
    place(_of_account(f"held_typed_{_way}", _look, Account))
for _way, _typ in {
    "text_method": str, "dict_method": dict, "item": dict, "length": list, "iteration": list, "membership": set,
    "format": str, "text": str, "sum": int, "equality": str, "truth": bool,
}.items():  # fmt: skip
    place(_of_account(f"held_as_a_{_typ.__name__}_{_way}", WAYS[_way], _typ))
