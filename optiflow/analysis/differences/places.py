"""Where an optimized value differs from what several runs of the baseline agree on, and where these disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from optiflow.analysis.differences.alignment import Alignment, align
from optiflow.analysis.differences.difference import ABSENT, Difference, canonical, same

__all__ = ["Places"]

_UNORDERED = frozenset({"~set", "~frozenset"})
"""Keys under which a list stands for a set; see `normalising`."""

_SHOWN = 200


@dataclass
class Places:
    """Collects the differences of one comparison, in the order in which its parts are compared.

    A place is left to the baseline where its runs disagree on it; what they agree on inside of such a place, such as
    the other keys of a mapping, the other items of a list and the type of a value, is still compared.
    """

    differences: list[Difference] = field(default_factory=list)
    """Differences that no two runs of the baseline have."""
    own: list[Difference] = field(default_factory=list)
    """Differences at places where the baseline differs from itself."""
    _varying: dict[str, None] = field(default_factory=dict)

    @property
    def varying(self) -> tuple[str, ...]:
        """Every place where the runs of the baseline disagree, whether or not the optimized value differs there."""
        return tuple(self._varying)

    def value(self, path: str, baselines: Sequence[Any], optimized: Any) -> None:
        """Compare a JSON value.

        Args:
            path: Names it.
            baselines: What each run of the baseline has there; `ABSENT` for nothing.
            optimized: What the optimized graph has there.
        """
        baseline = baselines[0]
        if all(same(baseline, other) for other in baselines[1:]):
            if same(baseline, optimized):
                return
            baselines = [baseline]
        kinds = {type(each) for each in baselines}
        if kinds == {dict} and isinstance(optimized, dict):
            self._mapping(path, baselines, optimized)
        elif kinds == {list} and isinstance(optimized, list):
            self._sequence(path, baselines, optimized)
        elif len(baselines) == 1:
            self.differences.append(Difference(path, baseline, optimized))
        else:
            self._varying_value(path, baselines, optimized)

    def multiset(
        self,
        path: str,
        baselines: Sequence[list[Any]],
        optimized: list[Any],
        *,
        called: Callable[[Any], str] | None = None,
        more: bool = False,
    ) -> None:
        """Compare a list of which the order says nothing.

        Args:
            path: Names it.
            baselines: Each run's.
            optimized: The optimized graph's.
            called: Names an item in a difference.
            more: Whether the optimized graph may have more.
        """
        items = {canonical(item): item for items in (*reversed(baselines), optimized) for item in items}
        counts = [Counter(map(canonical, each)) for each in baselines]
        seen, steady = Counter(map(canonical, optimized)), _common(counts)
        rests = [count - steady for count in counts]
        varies = any(rests)
        for text in dict.fromkeys([*steady, *seen]):
            before, after = steady[text], seen[text]
            if after < before or (after > before and not varies and not more):
                name = called(items[text]) if called else f"{path} number of {text[:_SHOWN]}"
                self.differences.append(Difference(name, before, after))
        if varies:
            others = [[items[text] for text in sorted(rest.elements())] for rest in (*rests, seen - steady)]
            self._aligned(f"{path} (others)", others[:-1], others[-1])

    def _mapping(self, path: str, baselines: Sequence[dict[str, Any]], optimized: dict[str, Any]) -> None:
        for key in dict.fromkeys(key for each in (*baselines, optimized) for key in each):
            inside, values = f"{path}.{key}", [each.get(key, ABSENT) for each in (*baselines, optimized)]
            if key in _UNORDERED and all(isinstance(value, list) for value in values):
                self.multiset(inside, values[:-1], values[-1])
            else:
                self.value(inside, values[:-1], values[-1])
        shared = set(optimized).intersection(*baselines)
        orders = [[key for key in each if key in shared] for each in (*baselines, optimized)]
        place = f"{path} (order of keys)"
        if any(order != orders[0] for order in orders[1:-1]):
            self._vary(place, list(baselines[0]), list(optimized))
        elif orders[0] != orders[-1]:
            self.differences.append(Difference(place, list(baselines[0]), list(optimized)))

    def _sequence(self, path: str, baselines: Sequence[list[Any]], optimized: list[Any]) -> None:
        """Compare a list; where its order is an accident of the baseline's run it is compared as a multiset."""
        if _ordered_differently(baselines):
            self._varying[f"{path} (order)"] = None
            if not same(baselines[0], optimized):
                self.own.append(Difference(f"{path} (order)", baselines[0], optimized))
            self.multiset(path, baselines, optimized)
        elif len(baselines) == 1 and len(baselines[0]) == len(optimized):
            for position, pair in enumerate(zip(baselines[0], optimized, strict=True)):
                self.value(f"{path}[{position}]", pair[:1], pair[1])
        else:
            self._aligned(path, baselines, optimized)

    def _aligned(self, path: str, baselines: Sequence[list[Any]], optimized: list[Any]) -> None:
        """Compare item by item in the positions of the first run."""
        first = baselines[0]
        others, last = [align(first, each) for each in baselines[1:]], align(first, optimized)
        for position in range(len(first) + 1):
            self._inserted(path, position, len(first), others, last)
            if position < len(first):
                here = [first[position], *(each.matched.get(position, ABSENT) for each in others)]
                self.value(f"{path}[{position}]", here, last.matched.get(position, ABSENT))

    def _inserted(self, path: str, position: int, end: int, others: Iterable[Alignment], last: Alignment) -> None:
        """Compare what comes before an item of the first run and is not in it."""
        known = [each.inserted.get(position, []) for each in others]
        kinds, most = {type(item) for items in known for item in items}, max(map(len, known), default=0)
        for more, item in enumerate(last.inserted.get(position, [])):
            place = f"{path}[{position + more}]" if position == end else f"{path}[before {position}]"
            # Where a run of the baseline has something besides, so may this one, but no more and of no other kind.
            into = self.own if more < most and type(item) in kinds else self.differences
            into.append(Difference(place, ABSENT, item))
        if most:
            self._varying[f"{path}[{position}]" if position == end else f"{path}[before {position}]"] = None

    def _varying_value(self, path: str, baselines: Sequence[Any], optimized: Any) -> None:
        alike = [each for each in baselines if type(each) is type(optimized)]
        if not alike:
            self._varying[path] = None
            self.differences.append(Difference(path, baselines[0], optimized))
        elif isinstance(optimized, dict | list) and len(alike) > 1:
            self._varying[path] = None
            self.value(path, alike, optimized)
        else:
            self._vary(path, baselines[0], optimized)

    def _vary(self, path: str, baseline: Any, optimized: Any) -> None:
        self._varying[path] = None
        if not same(baseline, optimized):
            self.own.append(Difference(path, baseline, optimized))


def _ordered_differently(lists: Sequence[Sequence[Any]]) -> bool:
    """Whether what all of some lists have in common does not come in the same order in all of them."""
    if len(lists) == 1:
        return False
    texts = [[canonical(item) for item in each] for each in lists]
    shared = _common([Counter(each) for each in texts])
    in_common = []
    for each in texts:
        left = shared.copy()
        kept = []
        for text in each:
            if left[text]:
                left[text] -= 1
                kept.append(text)
        in_common.append(kept)
    return any(each != in_common[0] for each in in_common[1:])


def _common(counts: Sequence[Counter[str]]) -> Counter[str]:
    """What all have."""
    shared = counts[0]
    for other in counts[1:]:
        shared = shared & other
    return shared
