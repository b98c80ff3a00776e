"""Things are told later with the context variables of then and now."""

from __future__ import annotations

from contextvars import ContextVar, copy_context

from optiflow.plan.dataflow.replay import Replay

bound: ContextVar[str] = ContextVar("bound")
mine: ContextVar[str] = ContextVar("mine")


def test_what_the_work_has_set_and_put_back() -> None:
    """Between, the turn's own values are seen, and those that whoever is told has set."""
    seen: list[tuple[str, str]] = []

    def tell() -> None:
        seen.append((bound.get(), mine.get("none")))
        mine.set("set")

    bound.set("at the start")
    base = copy_context()
    token = bound.set("meanwhile")
    inside = copy_context()
    bound.reset(token)
    outside = copy_context()
    turn = copy_context()
    turn.run(bound.set, "in the turn")
    replay = Replay(base, turn)
    for then in (outside, inside, inside, outside):
        replay.run(then, tell)
    assert seen == [("in the turn", "none"), ("meanwhile", "set"), ("meanwhile", "set"), ("in the turn", "set")]


def test_variables_that_stay_apart() -> None:
    """They are the turn's throughout."""
    seen: list[str] = []
    base = copy_context()
    inside = copy_context()
    inside.run(bound.set, "inside")
    turn = copy_context()
    turn.run(bound.set, "in the turn")
    Replay(base, turn, apart=(bound,)).run(inside, lambda: seen.append(bound.get()))
    assert seen == ["in the turn"]
