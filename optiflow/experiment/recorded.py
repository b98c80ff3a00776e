"""Earlier runs of the same graph, for what their records say about its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optiflow.plan.observation.evidence import Recorded
from optiflow.record.redact import Redactor

if TYPE_CHECKING:
    from optiflow.config.models import RunConfig
    from optiflow.record.store import RecordStore

__all__ = ["recorded_runs"]

_MOST = 10
"""How many records are looked at: reading one takes about a millisecond."""


def recorded_runs(store: RecordStore, workflow: str, config: RunConfig, code_sha256: str) -> tuple[Recorded, ...]:
    """What the newest baselines of the same graph, made by the same code, keep of its nodes.

    A user's graph may have run on any input: what a node does on one says what it may do on another.

    Args:
        store: Where the records are.
        workflow: The workflow's name.
        config: The configuration of the run that is to come.
        code_sha256: Digest of the code, as in the records.

    Raises:
        StoreError: The store can't be read.
    """
    resolved = config.model_dump(mode="json")
    graph = _graph(Redactor(resolved).tree(resolved))
    return tuple(
        Recorded(record.record_id, record.observed)
        for record in store.baselines_of(workflow, _MOST)
        if record.observed and record.code_sha256 == code_sha256 and _graph(record.config) == graph
    )


def _graph(config: Mapping[str, Any]) -> dict[str, Any]:
    workflow = config.get("workflow", {})
    given = ("input", "resume") if workflow.get("kind") == "graph" else ()
    return {name: value for name, value in workflow.items() if name not in given}
