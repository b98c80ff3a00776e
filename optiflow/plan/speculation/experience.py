"""Which branches earlier runs took, in this process."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable, Mapping

__all__ = ["Experience", "experience_of"]

_MOST = 256
"""How many graphs are remembered; the one that was made longest ago is forgotten first."""


class Experience:
    """How often each router sent a run where. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[str, Counter[str]] = {}
        self._decided: Counter[str] = Counter()

    def learn(self, router: str, targets: Iterable[str]) -> None:
        """A router has decided; one that ends the run names no target."""
        with self._lock:
            self._decided[router] += 1
            self._taken.setdefault(router, Counter()).update(targets)

    def seen(self, router: str) -> tuple[Mapping[str, int], int]:
        """How often each target was taken, and how often the router decided."""
        with self._lock:
            return dict(self._taken.get(router, {})), self._decided[router]


_remembered: OrderedDict[Hashable, Experience] = OrderedDict()
_lock = threading.Lock()


def experience_of(graph: Hashable) -> Experience:
    """The experience with every graph of this shape; where two differ in more, only guesses suffer."""
    with _lock:
        if graph not in _remembered and len(_remembered) >= _MOST:
            _remembered.popitem(last=False)
        return _remembered.setdefault(graph, Experience())
