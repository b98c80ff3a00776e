"""The ids of messages, most of which are random: a hit must not depend on them, and must not repeat them.

LangGraph's reducer gives every message without an id a random one, LangChain gives one to every answer of a model.
Two runs on the same input differ in them and in nothing else, so a key counts such an id only by where it recurs. What
a node returned may carry the ids of what it was given, which become those of what it is given now, and the ids of
answers, which are new for each hit: the same id twice would make ``add_messages`` replace one message by the other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import uuid4

__all__ = ["InputIds", "NewIds", "StoredIds"]

_HEX = "[0-9a-f]"
_RANDOM = re.compile(
    rf"(?:(?:lc_)?run-{{1,2}})?{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}(?:-\d+)?"
    r"|(?:chatcmpl|resp|msg|gen)[-_][A-Za-z0-9_-]{16,}"
)
"""UUIDs, LangChain's run ids, and what OpenAI, Anthropic and others call an answer."""


class InputIds:
    """The random ids of the messages that a node is given, in the order in which they are met."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def note(self, message_id: str) -> Any:
        """What stands for an id in a key: itself, or which of the random ones it is."""
        if not _RANDOM.fullmatch(message_id):
            return message_id
        return ["given id", self.numbers.setdefault(message_id, len(self.numbers))]

    @property
    def given(self) -> Sequence[str]:
        """The random ids by number."""
        return list(self.numbers)


class StoredIds:
    """What stands for the ids in a value that is kept.

    Args:
        given: The random ids of the input, by number.
        answers: Ids of the answers that models gave meanwhile.
    """

    def __init__(self, given: Mapping[str, int], answers: Collection[str]) -> None:
        self._given = given
        self._made: dict[str, int] = {answer: number for number, answer in enumerate(sorted(answers))}

    def stands_for(self, message_id: str) -> Any:
        """What stands for a message's id."""
        if message_id in self._made and message_id not in self._given:
            return ["made id", self._made[message_id]]
        return self.input_of(message_id)

    def input_of(self, text: str) -> Any:
        """What stands for a text, which may be the id of a message of the input."""
        return ["given id", self._given[text]] if text in self._given else text


class NewIds:
    """What the ids are this time.

    Args:
        given: The random ids of the input, by number.
    """

    def __init__(self, given: Sequence[str]) -> None:
        self.given = given
        self._made: dict[int, str] = {}

    def made(self, number: int) -> str:
        """A new id, as LangChain gives one to an answer; the same for the same number."""
        if number not in self._made:
            self._made[number] = f"lc_run--{uuid4()}-0"
        return self._made[number]
