"""Tests of callback managers without handlers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, CallbackManager
from langchain_core.callbacks.manager import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun

from optiflow.dispatch import managers
from optiflow.dispatch.managers import child, is_flat, is_idle, is_known_langchain, joined_tags, new_id

TAGS = st.lists(st.sampled_from(["a", "b", "c", "seq:step:1"]), max_size=4, unique=True)
KINDS: Any = [(CallbackManager, CallbackManagerForChainRun), (AsyncCallbackManager, AsyncCallbackManagerForChainRun)]


@pytest.mark.parametrize(("kind", "run"), KINDS)
@settings(max_examples=40, deadline=None)
@given(tags=TAGS, tag=st.none() | st.sampled_from(["a", "seq:step:1"]), metadata=st.dictionaries(st.text(), st.text()))
def test_a_child_is_what_langchain_makes(kind: Any, run: Any, tags: list[str], tag: str | None, metadata: Any) -> None:
    """Every field of a child is that of LangChain's own."""
    parent = run(
        run_id=new_id(), handlers=[], inheritable_handlers=[], inheritable_tags=tags, inheritable_metadata=metadata
    )
    made = child(kind, parent.run_id, tags, metadata, tag)
    assert type(made) is kind
    assert vars(made) == vars(parent.get_child(tag))
    assert made.metadata is not made.inheritable_metadata


@settings(max_examples=40, deadline=None)
@given(inherited=TAGS, own=TAGS)
def test_joined_tags_are_those_of_a_manager(inherited: list[str], own: list[str]) -> None:
    """A manager that is given its config's tags passes on the same ones, in the same order."""
    manager = CallbackManager([], [], new_id(), tags=[*inherited], inheritable_tags=[*inherited])
    manager.add_tags(own)
    assert joined_tags(inherited, own) == manager.inheritable_tags


def test_idle_is_a_manager_that_nobody_listens_to() -> None:
    """A handler on it or for its children is somebody, and so may be a manager of another class."""
    handler = BaseCallbackHandler()
    assert is_idle(CallbackManager([]), CallbackManager)
    assert not is_idle(CallbackManager([handler]), CallbackManager)
    assert not is_idle(CallbackManager([], [handler]), CallbackManager)
    assert not is_idle(type("Other", (CallbackManager,), {})([]), CallbackManager)
    assert not is_idle(None, CallbackManager)


def test_flat_metadata_holds_nothing_to_copy() -> None:
    """Mappings, and objects of classes that are not known, are merged by LangChain."""
    assert is_flat({"text": "a", "number": 1, "path": ("a", 1), "none": None})
    assert not is_flat({"lc_versions": {"a": "1"}})
    assert not is_flat({"object": object()})


def test_the_installed_langchain_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A LangChain that hands down something else is noticed, and so is one whose managers take other arguments."""
    assert is_known_langchain()
    monkeypatch.setattr(CallbackManager, "add_tags", lambda self, tags, inherit=True: None)
    assert not is_known_langchain()
    monkeypatch.undo()

    def other(*args: Any, **kwargs: Any) -> None:
        raise TypeError("no such argument")

    monkeypatch.setattr(managers, "child", other)
    assert not is_known_langchain()
