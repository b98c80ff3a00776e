"""Random ids of messages count by where they recur, and are new on each hit."""

from __future__ import annotations

from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage

from optiflow.caching.encoding import Codec, canonical
from optiflow.caching.message_ids import InputIds, NewIds, StoredIds

RANDOM = [str(uuid4()), f"run-{uuid4()}-0", f"run--{uuid4()}", f"lc_run--{uuid4()}-12", "chatcmpl-AbCdEfGh12345678ijkl",
          "msg_01XFDUDYJgAACzvnptvVoYEL"]  # fmt: skip


@pytest.mark.parametrize("message_id", RANDOM, ids=range(len(RANDOM)))
def test_a_random_id_does_not_count(message_id: str) -> None:
    """The same message with another one is the same message."""
    assert canonical(HumanMessage("hi", id=message_id), InputIds()) == canonical(
        HumanMessage("hi", id=str(uuid4())), InputIds()
    )
    assert canonical(HumanMessage("hi", id=message_id)) != canonical(HumanMessage("hi", id=str(uuid4())))


@pytest.mark.parametrize("message_id", ["summary", "user-1", "msg_1", "", None])
def test_an_id_of_the_application_counts(message_id: str | None) -> None:
    """It may mean something to a node."""
    ids = InputIds()
    assert canonical(HumanMessage("hi", id=message_id), ids) != canonical(HumanMessage("hi", id=RANDOM[0]), InputIds())
    assert list(ids.given) == []


def test_where_an_id_recurs_counts() -> None:
    """Two messages of one id are not two messages of two ids."""
    a, b, c = RANDOM[:3]
    twice = [HumanMessage("hi", id=a), HumanMessage("hi", id=a)]
    assert canonical(twice, InputIds()) == canonical([m.model_copy(update={"id": c}) for m in twice], InputIds())
    assert canonical(twice, InputIds()) != canonical([HumanMessage("hi", id=a), HumanMessage("hi", id=b)], InputIds())


def test_ids_of_the_input_become_those_of_this_input() -> None:
    """A message that a node passes on, removes or names is this run's."""
    first, second = InputIds(), InputIds()
    for ids, start in ((first, 0), (second, 3)):
        canonical([HumanMessage(str(number), id=RANDOM[start + number]) for number in range(3)], ids)
    update = {
        "messages": [RemoveMessage(id=RANDOM[1]), HumanMessage("changed", id=RANDOM[2])],
        "last": RANDOM[0],
        "other": "text",
    }
    stored = Codec().encode(update, StoredIds(first.numbers, ()))
    back = Codec().decode(stored, NewIds(second.given))
    assert [message.id for message in back["messages"]] == [RANDOM[4], RANDOM[5]]
    assert (back["last"], back["other"]) == (RANDOM[3], "text")


def test_ids_of_answers_are_new_each_time() -> None:
    """As those of a fresh answer; the same answer twice in one update stays one; without an id none is made."""
    answer = AIMessage("yes", id=RANDOM[3])
    stored = Codec().encode(
        [answer, answer, AIMessage("own"), AIMessage("kept", id="kept")], StoredIds({}, {RANDOM[3]})
    )
    one, again, without, kept = Codec().decode(stored, NewIds(()))
    other = Codec().decode(stored, NewIds(()))[0]
    assert one.id == again.id
    assert one.id.startswith("lc_run--")
    assert len({one.id, other.id, RANDOM[3]}) == 3
    assert (without.id, kept.id) == (None, "kept")
