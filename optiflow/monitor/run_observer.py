"""Watches a run from LangChain's callbacks; adds nothing to the graph and never raises into it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, LLMResult

from optiflow.monitor.observation import CachedTokens, ModelCall, NodeSpan

__all__ = ["NodeListener", "RunObserver", "cached_of", "tokens_of"]

NodeListener = Callable[[Literal["start", "end"], str], None]
"""Told of a node's start and end with its dotted path, on the thread where it happens."""

_moments: ContextVar[Mapping[RunObserver, float]] = ContextVar("optiflow_moments", default={})  # noqa: B039 - never changed in place


@dataclass(frozen=True, slots=True)
class _OpenCall:
    path: tuple[str, ...]
    model: str
    prompt_sha256: str
    started_s: float

    def closed(
        self,
        ended_s: float,
        tokens: tuple[int, int] = (0, 0),
        error: str | None = None,
        cached: CachedTokens = CachedTokens(),  # noqa: B008 - frozen
    ) -> ModelCall:
        node = self.path[-1] if self.path else ""
        asked = (node, ".".join(self.path), self.model, self.prompt_sha256, self.started_s)
        return ModelCall(*asked, ended_s, *tokens, error, cached)


@dataclass(frozen=True, slots=True)
class _OpenNode:
    path: tuple[str, ...]
    task: str
    started_s: float

    def closed(self, ended_s: float, error: str | None = None) -> NodeSpan:
        return NodeSpan(self.path[-1], ".".join(self.path[:-1]), self.started_s, ended_s, error)


class RunObserver(BaseCallbackHandler):
    """Records the model calls and node spans of one run.

    Give it to a run as a callback: ``graph.invoke(state, {"callbacks": [observer]})``. It may be called from
    any number of threads at once. LangChain logs what a callback raises and goes on, so a listener can't
    break the run.

    Args:
        now: Tells the time in seconds, e.g. ``clock.time``; the run starts at this moment.
        listener: Told of every node's start and end, e.g. for a progress bar.
    """

    run_inline = True
    """LangChain calls it where the event happens, in order, instead of handing it to a pool of threads."""

    def __init__(self, now: Callable[[], float], listener: NodeListener | None = None) -> None:
        self._now = now
        self._origin = now()
        self._listener = listener
        self._lock = threading.Lock()
        self._open_calls: dict[UUID, _OpenCall] = {}
        self._open_nodes: dict[UUID, _OpenNode] = {}
        self._calls: list[ModelCall] = []
        self._nodes: list[NodeSpan] = []

    @property
    def model_calls(self) -> tuple[ModelCall, ...]:
        """The calls that have ended, by start."""
        with self._lock:
            return tuple(sorted(self._calls, key=lambda call: call.started_s))

    @property
    def nodes(self) -> tuple[NodeSpan, ...]:
        """The node executions that have ended, by start."""
        with self._lock:
            return tuple(sorted(self._nodes, key=lambda span: span.started_s))

    def elapsed(self) -> float:
        """Seconds since the run started."""
        moment = _moments.get().get(self)
        return self._now() - self._origin if moment is None else moment

    @contextmanager
    def at(self, moment: float) -> Iterator[None]:
        """What is told in the block happened earlier, and is told now.

        Args:
            moment: When it happened, as `elapsed` said then.
        """
        token = _moments.set({**_moments.get(), self: moment})
        try:
            yield
        finally:
            _moments.reset(token)

    def finish(self) -> None:
        """Close what is still open, as it is after an interruption, with the error ``unfinished``."""
        ended = self.elapsed()
        with self._lock:
            self._calls += [call.closed(ended, error="unfinished") for call in self._open_calls.values()]
            self._nodes += [node.closed(ended, error="unfinished") for node in self._open_nodes.values()]
            self._open_calls.clear()
            self._open_nodes.clear()

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a node's span where the chain that starts is a node of a graph."""
        metadata = metadata or {}
        if not kwargs.get("name") or metadata.get("langgraph_node") != kwargs["name"]:
            return
        node = _OpenNode(_path(metadata), str(metadata.get("langgraph_checkpoint_ns", "")), self.elapsed())
        with self._lock:
            # A chain inside a node inherits its metadata and may bear its name too.
            if any(node.task == other.task for other in self._open_nodes.values() if node.task):
                return
            self._open_nodes[run_id] = node
        self._tell("start", node)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Close the span if the chain was a node."""
        self._end_node(run_id, None)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Close the span if the chain was a node, with the error."""
        self._end_node(run_id, _described(error))

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: Sequence[Sequence[BaseMessage]],
        *,
        run_id: UUID,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a model call."""
        asked = [[message.model_dump(exclude={"id"}) for message in batch] for batch in messages]
        self._start_call(run_id, asked, serialized, metadata or {}, kwargs.get("invocation_params") or {})

    def on_llm_start(
        self,
        serialized: dict[str, Any] | None,
        prompts: Sequence[str],
        *,
        run_id: UUID,
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a call of a model that completes text."""
        params = kwargs.get("invocation_params") or {}
        self._start_call(run_id, list(prompts), serialized, metadata or {}, params)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Close a model call."""
        self._end_call(run_id, tokens_of(response), None, cached_of(response))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Close a model call, with the error."""
        self._end_call(run_id, (0, 0), _described(error))

    def _start_call(
        self,
        run_id: UUID,
        asked: object,
        serialized: Mapping[str, Any] | None,
        metadata: Mapping[str, Any],
        params: Mapping[str, Any],
    ) -> None:
        call = _OpenCall(
            path=_path(metadata),
            model=_model_name(serialized or {}, metadata, params),
            prompt_sha256=_digest([asked, dict(params)]),
            started_s=self.elapsed(),
        )
        with self._lock:
            self._open_calls[run_id] = call

    def _end_call(
        self,
        run_id: UUID,
        tokens: tuple[int, int],
        error: str | None,
        cached: CachedTokens = CachedTokens(),  # noqa: B008 - frozen
    ) -> None:
        ended = self.elapsed()
        with self._lock:
            call = self._open_calls.pop(run_id, None)
            if call is not None:
                self._calls.append(call.closed(ended, tokens, error, cached))

    def _end_node(self, run_id: UUID, error: str | None) -> None:
        ended = self.elapsed()
        with self._lock:
            node = self._open_nodes.pop(run_id, None)
            if node is not None:
                self._nodes.append(node.closed(ended, error))
        if node is not None:
            self._tell("end", node)

    def _tell(self, event: Literal["start", "end"], node: _OpenNode) -> None:
        if self._listener is not None:
            self._listener(event, ".".join(node.path))


def _path(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the nodes from the outermost graph to this one: ``a:<task>|b:<task>`` is ``("a", "b")``."""
    parts = (part.partition(":")[0] for part in str(metadata.get("langgraph_checkpoint_ns") or "").split("|"))
    # A bare number tells several calls of one subgraph apart.
    names = tuple(part for part in parts if part and not part.isdecimal())
    node = metadata.get("langgraph_node")
    return names or ((str(node),) if node else ())


def _model_name(serialized: Mapping[str, Any], metadata: Mapping[str, Any], params: Mapping[str, Any]) -> str:
    candidates = (
        metadata.get("ls_model_name"),
        params.get("model"),
        params.get("model_name"),
        serialized.get("name"),
        params.get("_type"),
    )
    return next((str(name) for name in candidates if name), "unknown")


def tokens_of(response: LLMResult) -> tuple[int, int]:
    """Tokens of the prompt and of the answer, as the provider reported them; zero where it did not."""
    if usage := _usage(response):
        return usage["input_tokens"], usage["output_tokens"]
    reported = (response.llm_output or {}).get("token_usage") or {}
    return int(reported.get("prompt_tokens") or 0), int(reported.get("completion_tokens") or 0)


def cached_of(response: LLMResult) -> CachedTokens:
    """Tokens of the prompt that the provider's prompt cache had or took, as it reported them; zero where it did not.

    LangChain puts a service tier before a kind (``flex_cache_read``), and counts a write whose lifetime the provider
    tells under that lifetime alone.
    """
    usage = _usage(response)
    details: Mapping[str, Any] = {} if usage is None else {**(usage.get("input_token_details") or {})}

    def told(kind: str) -> int:
        return sum(count or 0 for name, count in details.items() if name == kind or name.endswith(f"_{kind}"))

    if usage is None:
        reported = (response.llm_output or {}).get("token_usage") or {}
        return CachedTokens(read=int((reported.get("prompt_tokens_details") or {}).get("cached_tokens") or 0))
    five_minutes, an_hour = told("ephemeral_5m_input_tokens"), told("ephemeral_1h_input_tokens")
    # Others give the sum as well as its parts.
    written = max(told("cache_creation"), five_minutes + an_hour)
    return CachedTokens(told("cache_read"), written, five_minutes, an_hour)


def _usage(response: LLMResult) -> UsageMetadata | None:
    """What the first answer that tells it says of its tokens."""
    for generations in response.generations:
        for generation in generations:
            if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage):
                usage = generation.message.usage_metadata
                if usage:
                    return usage
    return None


def _digest(asked: object) -> str:
    # Parameters may be objects; their type is all that is the same in every process.
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False, default=lambda value: type(value).__qualname__)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _described(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
