"""Declared workflows: from YAML to a LangGraph graph, its input read before it runs."""

from optiflow.workflow.base import Workflow
from optiflow.workflow.load import load_workflow
from optiflow.workflow.truth import PackageTruth

__all__ = ["PackageTruth", "Workflow", "load_workflow"]
