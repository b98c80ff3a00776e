"""Earlier runs of the same graph, for what their records say about its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langgraph.constants import END

from optiflow.plan.observation.evidence import Recorded
from optiflow.record.redact import Redactor

if TYPE_CHECKING:
    from optiflow.config.models import RunConfig
    from optiflow.monitor.observation import NodeSpan
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
        Recorded(record.record_id, record.observed, _taken(record.nodes, record.deciding))
        for record in store.baselines_of(workflow, _MOST)
        if record.observed and record.code_sha256 == code_sha256 and _graph(record.config) == graph
    )


def _taken(spans: Sequence[NodeSpan], deciding: Sequence[str]) -> dict[str, dict[str, int]]:
    """For each deciding node of the outermost graph: which node started next after it had ended, and how often."""
    taken: dict[str, dict[str, int]] = {}
    outermost = [span for span in spans if not span.namespace]
    for span in outermost:
        if span.node in deciding and span.error is None:
            later = [each for each in outermost if each.started_s >= span.ended_s and each is not span]
            following = min(later, key=lambda each: each.started_s).node if later else END
            counts = taken.setdefault(span.node, {})
            counts[following] = counts.get(following, 0) + 1
    return taken


def _graph(config: Mapping[str, Any]) -> dict[str, Any]:
    workflow = config.get("workflow", {})
    given = ("input", "resume") if workflow.get("kind") == "graph" else ()
    return {name: value for name, value in workflow.items() if name not in given}
