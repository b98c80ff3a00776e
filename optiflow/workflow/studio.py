"""The reference graph for LangGraph Studio and LangGraph Server, as ``langgraph.json`` exposes it.

The server brings its own checkpointer and its own clock, so the graph has neither: the offline model answers at once.
An invocation with ``{}`` works on the configured input.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langgraph.graph import StateGraph

__all__ = ["graph"]


async def graph() -> StateGraph[Any, Any, Any, Any]:
    """The graph of ``conf/workflow/dependency_brief.yaml``, built once a process.

    Building reads files, which the server does not allow on its event loop.
    """
    return await asyncio.to_thread(_build)


@cache
def _build() -> StateGraph[Any, Any, Any, Any]:
    from optiflow.clock import RealClock
    from optiflow.config.compose import compose
    from optiflow.models.load import load_chat_model
    from optiflow.tokens import count_tokens
    from optiflow.workflow.load import load_workflow

    config = compose(["clock=real", "model.latency=null"])
    # The first count builds the tokenizer from a file.
    count_tokens("", config.model.tokenizer)
    return load_workflow(config.workflow, load_chat_model(config.model, RealClock()), config.model).builder
