"""``optiflow explain``: what each toggle did to each node of a graph, or why it refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from optiflow.config.models import RunConfig
    from optiflow.optimizations.base import Decision
    from optiflow.plan.observation.evidence import Evidence, Recorded

__all__ = ["USAGE", "main"]

USAGE = "usage: python -m optiflow explain [--json] [OVERRIDE ...]   (overrides as in the main command; nothing is run)"


def main(argv: list[str]) -> int:
    """Print the decisions of the configured toggles; nothing is run.

    Args:
        argv: ``--json`` for one JSON object instead of a table, and overrides as in the main command.

    Returns:
        0.

    Raises:
        ConfigurationError: A wrong override, toggle or graph reference.
    """
    from optiflow.config.compose import compose

    config = compose([argument for argument in argv if argument != "--json"])
    name, decisions, evidence = _explained(config)
    if "--json" in argv:
        told = {"decisions": [asdict(each) for each in decisions], "evidence": [asdict(each) for each in evidence]}
        print(json.dumps({"workflow": name, **told}, indent=2))
        return 0
    from optiflow.report.terminal import console

    if decisions:
        console().print(_table(decisions))
        for each in evidence:
            console().print(f"effects of {each.node}: {each}", markup=False, highlight=False)
    else:
        console().print(f"{name}: no toggle is on; add some with +opt=all or '+opt=[cache,parallel]'")
    return 0


def _explained(config: RunConfig) -> tuple[str, Sequence[Decision], Sequence[Evidence]]:
    """The workflow's name, what was decided about its graph, and what recorded runs say of its nodes' effects."""
    from optiflow.api import decisions_of, evidence_of
    from optiflow.config.graph import GraphWorkflowConfig
    from optiflow.optimizations.registry import resolve
    from optiflow.record.environment import code_digest
    from optiflow.run import prepare
    from optiflow.settings import get_settings
    from optiflow.workflow.graph_sources import graph_sources

    disabled = get_settings().disable
    if isinstance(config.workflow, GraphWorkflowConfig):
        # A graph is explained without its input: nobody has to have one at hand.
        from optiflow.workflow.graph_factory import open_graph
        from optiflow.workflow.graph_workflow import declared_effects
        from optiflow.workflow.references import parse_reference

        toggles = resolve(config.opt, disabled)
        reference = parse_reference(config.workflow.ref)
        with open_graph(reference, config.workflow.config, config.workflow.context) as graph:
            effects = declared_effects(graph, config.workflow)
            code = code_digest(*graph_sources(getattr(graph, "builder", None)))
            recorded = _recorded(reference.name, config, code)
            decisions = decisions_of(graph, toggles, effects, recorded)
            return reference.name, decisions, evidence_of(graph, effects, recorded)
    job = prepare(config, disabled=disabled)
    workflow, recorded = job.workflow, _recorded(job.workflow.name, config, job.code_sha256)
    decisions = decisions_of(workflow.builder, job.toggles, workflow.effects, recorded)
    return workflow.name, decisions, evidence_of(workflow.builder, workflow.effects, recorded)


def _recorded(workflow: str, config: RunConfig, code_sha256: str) -> tuple[Recorded, ...]:
    from contextlib import closing

    from optiflow.experiment.recorded import recorded_runs
    from optiflow.record.store import RecordStore
    from optiflow.settings import get_settings

    with closing(RecordStore(get_settings().store_url)) as store:
        return recorded_runs(store, workflow, config, code_sha256)


def _table(decisions: Sequence[Decision]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table("toggle", "node", "decision", "why", box=SIMPLE_HEAD, pad_edge=False)
    toggle = ""
    for decision in decisions:
        style = "green" if decision.action == "applied" else "yellow"
        shown = "" if decision.toggle == toggle else decision.toggle
        table.add_row(shown, Text(decision.node), Text(decision.action, style), Text(decision.reason))
        toggle = decision.toggle
    return table
