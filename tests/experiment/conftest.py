"""Stores of both kinds, and a plan of three small arms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from optiflow.experiment.plan import Arm, ExperimentPlan
from optiflow.experiment.schedule import schedule
from optiflow.experiment.store import ExperimentStore
from optiflow.record.store import RecordStore


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of this test's own, embedded or on a server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.sqlite'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def experiments(store_url: str) -> Iterator[ExperimentStore]:
    """Plans and jobs in such a store."""
    with closing(RecordStore(store_url)) as records:
        yield ExperimentStore(records)


@pytest.fixture
def make_plan() -> Callable[..., ExperimentPlan]:
    """Makes plans of three arms; keywords replace fields."""

    def make(*, blocks: int = 2, names: tuple[str, ...] = ("none", "a", "b"), **fields: object) -> ExperimentPlan:
        arms = tuple(
            Arm(name=name, overrides=(), levels={"a": name == "a", "b": name == "b"}, config_sha256=f"{place:064}")
            for place, name in enumerate(names)
        )
        plan = ExperimentPlan(
            experiment_id="e" * 32,
            name="trial",
            design="ablate",
            factors=("a", "b"),
            baseline="none",
            arms=arms,
            blocks=blocks,
            seed=0,
            jobs=schedule("e" * 32, arms, blocks, 0),
            workload_key="w",
        )
        return plan.model_copy(update=fields)

    return make
