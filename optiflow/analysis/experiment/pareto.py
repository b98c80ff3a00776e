"""What no other beats in everything at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["pareto_front"]


def pareto_front(points: Mapping[str, Sequence[float]]) -> list[str]:
    """Names of the points that no other dominates: is at least as good in all, and better in one. Less is better.

    Args:
        points: The figures of each name, in one order; turn the sign of one of which more is better.

    Returns:
        The front, ordered by the first figure; of points that are equal in all, the first.
    """
    front: list[str] = []
    kept: list[Sequence[float]] = []
    for name, figures in sorted(points.items(), key=lambda item: tuple(item[1])):
        # Whoever dominates it, or equals it, comes before it in this order.
        if not any(all(a <= b for a, b in zip(other, figures, strict=True)) for other in kept):
            front.append(name)
            kept.append(figures)
    return front
