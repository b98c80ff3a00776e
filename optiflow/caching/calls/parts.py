"""What a model answers, in a form that can be given to several callers, or kept.

An answer is one part, a `ChatResult`, or, streamed, a part for each chunk. LangChain changes in place what a model
returns, so whoever is given a part gets a copy; and all but the one who asked get it without the provider's message id,
which makes LangChain give it the id of their own run: the same id twice would make ``add_messages`` replace one answer
by the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from optiflow.caching.encoding import Codec, CorruptError

__all__ = ["AsyncRecorder", "Part", "Recorder", "Token", "copied", "decode", "encode", "fresh", "messages_of"]

Token = tuple[str, dict[str, Any]]
"""What a model told its callbacks: arguments of ``on_llm_new_token``."""

_CODEC = Codec((ChatResult, ChatGeneration, ChatGenerationChunk))


@dataclass(slots=True)
class Part:
    """What was told to callbacks meanwhile, then what was returned; None: nothing any more."""

    content: ChatResult | ChatGenerationChunk | None
    tokens: list[Token] = field(default_factory=list)


def copied(part: Part) -> Part:
    """A copy, in which what was told of a chunk is still told of the chunk that is returned."""
    seen: dict[int, Any] = {}
    return Part(deepcopy(part.content, seen), deepcopy(part.tokens, seen) if part.tokens else [])


def fresh(part: Part) -> Part:
    """A copy without message ids."""
    copy = copied(part)
    for message in messages_of([copy]):
        message.id = None
    for _, more in copy.tokens:
        if isinstance(more.get("chunk"), ChatGenerationChunk):
            more["chunk"].message.id = None
    return copy


def messages_of(parts: Iterable[Part]) -> Iterator[BaseMessage]:
    """The messages of an answer, or of its chunks."""
    for part in parts:
        if isinstance(part.content, ChatResult):
            yield from (generation.message for generation in part.content.generations)
        elif part.content is not None:
            yield part.content.message


def encode(parts: Sequence[Part]) -> bytes:
    """An answer as bytes.

    Raises:
        UncacheableError: It holds something that can't be kept.
    """
    return _CODEC.encode([(part.content, part.tokens) for part in parts])


def decode(stored: bytes) -> list[Part]:
    """The answer, without message ids.

    Raises:
        CorruptError: The bytes are none of `encode`.
    """
    try:
        return [fresh(Part(content, tokens)) for content, tokens in _CODEC.decode(stored)]
    except (TypeError, ValueError) as error:
        raise CorruptError(str(error)) from error


class Recorder(CallbackManagerForLLMRun):
    """A run's callbacks, with what a model tells them noted down.

    Args:
        manager: The run's callbacks.
        tokens: Where to note it.
        tells: Whether the callbacks hear it now.
    """

    def __init__(self, manager: CallbackManagerForLLMRun, tokens: list[Token], *, tells: bool) -> None:
        vars(self).update(vars(manager))
        self._tokens = tokens
        self._tells = tells

    def on_llm_new_token(self, token: str, **more: Any) -> Any:  # type: ignore[override]
        """Note a token."""
        self._tokens.append((token, deepcopy(more) if self._tells else more))
        return super().on_llm_new_token(token, **more) if self._tells else None


class AsyncRecorder(AsyncCallbackManagerForLLMRun):
    """As `Recorder`, for a run on an event loop."""

    def __init__(self, manager: AsyncCallbackManagerForLLMRun, tokens: list[Token], *, tells: bool) -> None:
        vars(self).update(vars(manager))
        self._tokens = tokens
        self._tells = tells

    def get_sync(self) -> CallbackManagerForLLMRun:
        """The same for a thread."""
        return Recorder(super().get_sync(), self._tokens, tells=self._tells)

    async def on_llm_new_token(self, token: str, **more: Any) -> None:  # type: ignore[override]
        """Note a token."""
        self._tokens.append((token, deepcopy(more) if self._tells else more))
        if self._tells:
            await super().on_llm_new_token(token, **more)
