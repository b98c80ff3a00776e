"""The nodes of a declared workflow as functions: prepare prompts, ask the model, read its answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optiflow.batching import process_prompts
from optiflow.errors import InputError, OptiflowError, ProviderError, nearest_name
from optiflow.log import get_logger
from optiflow.monitor.performance_monitor import performance_monitor
from optiflow.tokens import count_tokens_async
from optiflow.workflow.base import Documents
from optiflow.workflow.excerpt import excerpt
from optiflow.workflow.expansion import DOCUMENTS, Document, Material, Node, Prompt, Prompts, Router

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage

__all__ = ["Asking", "NodeFunction", "State", "node_function", "worth_retrying"]

_log = get_logger(__name__)

State = Mapping[str, Any]
"""The state as a node sees it."""

NodeFunction = Callable[[State], Awaitable[dict[str, Any]]]
"""A node: from the state to the keys that it writes."""

_LONGEST_REASON = 300
_TEMPORARY = {408, 409, 425, 429}


@dataclass(frozen=True)
class Asking:
    """What the nodes need in order to ask."""

    model: BaseChatModel
    """The chat model."""

    name: str
    """What messages call it."""

    tokenizer: str
    """The model name whose tokenizer counts."""

    identity: Hashable | None
    """What, besides the prompt, decides the answer; None: equal prompts may have different answers."""

    documents: Documents
    """The input, for an invocation that brings none, as from LangGraph Studio."""


def node_function(node: Node, asking: Asking) -> NodeFunction:
    """The function of a node."""
    work = node.work
    if isinstance(work, Prompts):
        return _asks(node.name, work, asking)
    if isinstance(work, Document):
        return _puts_together(work)
    return _routes(work)


def worth_retrying(error: Exception) -> bool:
    """Whether a node should be tried again: after failures of the provider that the request itself did not cause."""
    status = getattr(error.__cause__, "status_code", None)
    refused = isinstance(status, int) and 400 <= status < 500 and status not in _TEMPORARY
    return isinstance(error, ProviderError) and not refused


def _asks(name: str, work: Prompts, asking: Asking) -> NodeFunction:
    async def ask(prompt: str) -> str:
        try:
            message = await asking.model.ainvoke(prompt)
        except OptiflowError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:_LONGEST_REASON] or "no reason given"
            raise ProviderError(
                f"node {name!r}: model {asking.name!r} failed: {type(error).__name__}: {reason}"
            ) from error
        return _read_answer(message, name, asking.name)

    @performance_monitor("node", clock="run")
    async def run(state: State) -> dict[str, Any]:
        prompts = [await _prepare(prompt, state, name, asking) for prompt in work.prompts]
        outcomes = await process_prompts(prompts, ask, identity=asking.identity)
        return {prompt.writes: outcome.result() for prompt, outcome in zip(work.prompts, outcomes, strict=True)}

    return run


@performance_monitor("prompt_processing")
async def _prepare(prompt: Prompt, state: State, node: str, asking: Asking) -> str:
    """Fill a prompt with excerpts of its material."""
    parts = [prompt.instruction]
    for piece in prompt.materials:
        text = _text_of(piece, state, asking.documents)
        if text:
            packed = await excerpt(text, piece.tokens, asking.tokenizer)
            parts.append(f'<{piece.tag} name="{piece.name}">\n{packed}\n</{piece.tag}>')
    text = "\n\n".join(parts)
    _log.info("prompt prepared", node=node, tokens=await count_tokens_async(text, asking.tokenizer))
    return text


def _text_of(piece: Material, state: State, documents: Documents) -> str:
    if piece.state is not None:
        return str(state.get(piece.state, "") if piece.optional else state[piece.state])
    given = state.get(DOCUMENTS) or documents
    document = given.get(piece.document or "")
    if document is None:
        raise InputError(
            f"the graph's input lacks the document {piece.document!r}; {nearest_name(str(piece.document), given)}"
        )
    return "\n\n".join(document[section] for section in piece.sections or document)


@performance_monitor("prompt_processing")
def _read_answer(message: AIMessage, node: str, model: str) -> str:
    text = message.text.strip()
    if not text:
        raise ProviderError(f"node {node!r}: model {model!r} returned an empty answer")
    _log.info("answer read", node=node, characters=len(text))
    return text


def _puts_together(work: Document) -> NodeFunction:
    @performance_monitor("node", clock="run")
    async def run(state: State) -> dict[str, Any]:
        parts = [
            "\n\n".join(text for text in (part.text.strip(), state[part.state] if part.state else "") if text)
            for part in work.parts
        ]
        return {work.writes_to: "\n\n".join(parts) + "\n"}

    return run


def _routes(work: Router) -> NodeFunction:
    @performance_monitor("node", clock="run")
    async def run(state: State) -> dict[str, Any]:
        count = state.get(work.count_key) or 0
        back = work.contains in state[work.decides_by] and count < work.at_most
        _log.info("route decided", node=work.name, back=back, count=count)
        return {work.count_key: count + back, work.route_key: work.to if back else work.otherwise}

    return run
