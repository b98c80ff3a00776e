"""From configuration to a workflow that is ready to run: input read, graph built."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING

from optiflow.checkpointers import open_checkpointer
from optiflow.config.graph import GraphWorkflowConfig
from optiflow.config.model import ModelConfig
from optiflow.config.workflow import DeclaredWorkflowConfig, DistributionsInput, WorkflowConfig
from optiflow.workflow.base import Documents, Workflow
from optiflow.workflow.check import check
from optiflow.workflow.dossier import read_dossiers
from optiflow.workflow.expansion import DOCUMENTS, expand
from optiflow.workflow.nodes import Asking
from optiflow.workflow.reports import read_reports
from optiflow.workflow.truth import PackageTruth

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["load_workflow"]


def load_workflow(config: WorkflowConfig, model: BaseChatModel, model_config: ModelConfig) -> Workflow:
    """Read a workflow's input and build its graph, or load the user's.

    Args:
        config: The declaration.
        model: The model that its nodes ask.
        model_config: Where the model came from; says how tokens are counted and which answers are the same.

    Raises:
        InputError: The input is missing, empty or unreadable.
        ConfigurationError: The declaration does not make a graph that can run.
    """
    if isinstance(config, GraphWorkflowConfig):
        from optiflow.workflow.graph_workflow import load_graph_workflow

        return load_graph_workflow(config)
    from optiflow.workflow.graph import build_graph, declared_effects

    documents, truth, reference = _read(config)
    expanded = expand(config, list(documents))
    check(expanded, documents, config.output)
    asking = Asking(model, model_config.name, model_config.tokenizer, _identity(model_config), documents)
    return Workflow(
        name=config.name,
        builder=build_graph(expanded, asking),
        input={DOCUMENTS: documents},
        effects=declared_effects(expanded),
        output_key=config.output,
        input_digest=_digest(documents, reference),
        truth=truth,
        reference=reference,
        checkpointer=None if config.checkpointer == "none" else partial(open_checkpointer, config.checkpointer),
    )


def _read(config: DeclaredWorkflowConfig) -> tuple[Documents, dict[str, PackageTruth] | None, str | None]:
    if isinstance(config.input, DistributionsInput):
        documents, truth = read_dossiers(config.input.packages, config.input.max_chars)
        return documents, truth, None
    documents, reference = read_reports(config.input)
    return documents, None, reference


def _digest(documents: Documents, reference: str | None) -> str:
    text = json.dumps([documents, reference], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _identity(config: ModelConfig) -> tuple[str, str, str | None] | None:
    """None where sampling may give equal prompts different answers."""
    return None if config.temperature > 0 else (config.provider, config.name, config.base_url)
