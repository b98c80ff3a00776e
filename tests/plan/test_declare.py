"""``@optiflow.effects`` declares and changes nothing else."""

from __future__ import annotations

import pytest

import optiflow
from optiflow.plan.declare import DECLARED_EFFECTS, effects


def test_the_function_stays_itself() -> None:
    """The decorator hands the function back, with its effects on it."""

    def node(state: dict[str, int]) -> dict[str, int]:
        return {"b": state["a"]}

    assert effects(reads={"a"}, writes=("b",))(node) is node
    declared = getattr(node, DECLARED_EFFECTS)
    assert (declared.reads, declared.writes, declared.known) == ({"a"}, {"b"}, True)
    assert optiflow.effects is effects


def test_a_string_is_no_collection_of_keys() -> None:
    """``reads="ab"`` would mean the keys a and b."""
    with pytest.raises(TypeError, match=r"reads='ab'.*\['ab'\]"):
        effects(reads="ab", writes=[])
