"""Which arms a design has, and in which order they run."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.errors import ConfigurationError
from optiflow.experiment.designs import ablate, full, rollback, screen, screen_aliases
from optiflow.experiment.plan import Arm, job_id
from optiflow.experiment.schedule import schedule

_TOGGLES = ("a", "b", "c", "d")


def _arms(count: int) -> list[Arm]:
    return [Arm(name=f"arm {place}", overrides=(), config_sha256=f"{place:064}") for place in range(count)]


def test_ablate() -> None:
    """None, all, each alone, all minus each."""
    names = [arm.name for arm in ablate(_TOGGLES)]
    assert names[:2] == ["none", "all"]
    assert set(names[2:]) == {f"only {name}" for name in _TOGGLES} | {f"all minus {name}" for name in _TOGGLES}


def test_ablate_of_two_has_no_duplicates() -> None:
    """The one alone is all minus the other."""
    assert [arm.name for arm in ablate(("a", "b"))] == ["none", "all", "only a", "only b"]


@pytest.mark.parametrize("count", [1, 3, 5])
def test_full(count: int) -> None:
    """Every combination once; the baseline is first."""
    arms = full("abcde"[:count])
    assert len({tuple(arm.levels.values()) for arm in arms}) == len(arms) == 2**count
    assert arms[0].name == "none"


def test_full_of_twenty_is_refused() -> None:
    """With the number, and what to use instead."""
    with pytest.raises(ConfigurationError, match=r"20 toggles make 1,048,576 arms.*experiment=screen"):
        full([f"t{number}" for number in range(20)])


@pytest.mark.parametrize(("count", "resolution", "most"), [(5, 4, 18), (7, 4, 18), (8, 4, 18), (9, 3, 18), (4, 4, 16)])
def test_screen(count: int, resolution: int, most: int) -> None:
    """Far fewer arms than the full factorial, with none and all, each toggle on in half of the fraction."""
    toggles = "abcdefghi"[:count]
    arms = screen(toggles, resolution)
    assert len(arms) <= most
    assert {"none", "all"} <= {arm.name for arm in arms}
    on = Counter(name for arm in arms for name, level in arm.levels.items() if level)
    assert max(on.values()) - min(on.values()) <= 1


def test_the_aliases_of_a_screen() -> None:
    """Resolution 4 mixes pairs with pairs, resolution 3 a toggle with pairs."""
    assert all(line.count("×") >= 2 for line in screen_aliases("abcdef", 4))
    assert any(line.startswith("a = ") for line in screen_aliases("abcdefg", 3))
    assert not any(line.startswith("a = ") for line in screen_aliases("abcdefg", 4))


@pytest.mark.parametrize(
    ("toggles", "resolution", "message"),
    [
        (["a", "b"], 4, "at least 3 toggles"),
        ([f"t{number}" for number in range(27)], 3, "at most 26"),
    ],
)
def test_a_screen_that_makes_no_sense(toggles: list[str], resolution: int, message: str) -> None:
    """Too few toggles, or too many."""
    with pytest.raises(ConfigurationError, match=message):
        screen(toggles, resolution)


def test_rollback_has_every_preset() -> None:
    """None, all, and each preset over all."""
    arms = rollback("all")
    assert [arm.name for arm in arms[:2]] == ["none", "all"]
    assert "no_cache" in {arm.name for arm in arms}
    assert arms[-1].overrides[0] == "+opt=all"


@given(st.integers(1, 9), st.integers(1, 6), st.integers(0, 99))
def test_every_arm_runs_once_a_block(arms: int, blocks: int, seed: int) -> None:
    """The second block of a pair runs backwards; ids are unique."""
    jobs = schedule("e", _arms(arms), blocks, seed)
    assert len({job.job_id for job in jobs}) == arms * blocks
    orders = [[job.arm for job in jobs if job.block == block] for block in range(blocks)]
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert all(second == first[::-1] for first, second in zip(orders[::2], orders[1::2], strict=False))


def test_more_blocks_keep_the_first() -> None:
    """An experiment that is given more blocks has the jobs that it had."""
    arms = _arms(5)
    assert schedule("e", arms, 6, 3)[:15] == schedule("e", arms, 3, 3)


def test_the_order_comes_from_the_seed() -> None:
    """Recorded, it can be had again; another gives another."""
    arms = _arms(8)
    assert schedule("e", arms, 2, 1) == schedule("e", arms, 2, 1)
    assert [job.arm for job in schedule("e", arms, 1, 1)] != [job.arm for job in schedule("e", arms, 1, 2)]


def test_a_job_s_id_says_what_it_is() -> None:
    """Any part of it makes another."""
    ids = {job_id("e", "c", 0), job_id("f", "c", 0), job_id("e", "d", 0), job_id("e", "c", 1)}
    assert len(ids) == 4
    assert job_id("e", "c", 0) == job_id("e", "c", 0)
