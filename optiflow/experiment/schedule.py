"""The order of an experiment's jobs: blocks in snake order."""

from __future__ import annotations

import random
from collections.abc import Sequence

from optiflow.experiment.plan import Arm, PlannedJob, job_id

__all__ = ["schedule"]


def schedule(
    experiment_id: str, arms: Sequence[Arm], blocks: int, seed: int, *, shuffled: bool = True
) -> tuple[PlannedJob, ...]:
    """Every arm once a block; every second block runs the one before backwards.

    A drift that is linear over two blocks then adds the same to every arm (ABBA); each pair of blocks has an order
    of its own, drawn from the seed, so that no arm always follows the same one. The order of a block depends on
    nothing but the seed and its number: an experiment that is given more blocks keeps those that it has.

    Args:
        experiment_id: Whose jobs they are.
        arms: What runs.
        blocks: How many times.
        seed: Recorded with the plan.
        shuffled: Whether the order is drawn; else every block runs the arms as they are given.
    """
    jobs = []
    for block in range(blocks):
        # A string seeds the generator the same in every process and version of Python.
        order = random.Random(f"{seed}/{block // 2}").sample(range(len(arms)), len(arms))
        if not shuffled:
            order = list(range(len(arms)))
        elif block % 2:
            order.reverse()
        for position, place in enumerate(order):
            arm = arms[place]
            jobs.append(
                PlannedJob(
                    job_id=job_id(experiment_id, arm.config_sha256, block),
                    arm=arm.name,
                    block=block,
                    position=position,
                )
            )
    return tuple(jobs)
