"""What code is, and when it is another."""

from __future__ import annotations

import functools
import logging
import re
import types
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.types import interrupt
from pydantic import BaseModel, Field

from optiflow.caching.nodes.identity import UnidentifiedError, identify


def made(source: str, **globals_: Any) -> Any:
    """The function ``node`` of a module of this text."""
    module = types.ModuleType("made_for_a_test")
    module.__file__ = "/app/made_for_a_test.py"
    vars(module).update(globals_)
    exec(compile(source, module.__file__, "exec"), vars(module))
    return vars(module)["node"]


def same(one: Any, other: Any, **options: Any) -> bool:
    """Whether two functions are the same."""
    return identify([one], **options).digest == identify([other], **options).digest


BASE = "def node(state):\n    return {'a': state['q'] + PREFIX}\n"


@pytest.mark.parametrize(
    ("source", "is_same"),
    [
        (BASE, True),
        ("\n\n# elsewhere\n" + BASE, True),
        (BASE.replace("'a'", "'b'"), False),
        (BASE.replace("state['q']", "state['q'].strip()"), False),
        (BASE.replace("(state)", "(state, more=1)"), False),
        (BASE.replace("+ PREFIX", "+ str((1, frozenset({2, 3})))"), False),
        ("def helper(x):\n    return x\n" + BASE.replace("PREFIX", "helper(PREFIX)"), False),
    ],
)
def test_the_text_decides_and_not_its_place(source: str, is_same: bool) -> None:
    """Constants, names, defaults, helpers."""
    assert same(made(BASE, PREFIX="p"), made(source, PREFIX="p")) is is_same


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("p", "p", True),
        ("p", "q", False),
        (1, True, False),
        (1, 1.0, False),
        ({"x": 1, "y": 2}, {"y": 2, "x": 1}, True),
        ({"x": [1, {2}]}, {"x": [1, {3}]}, False),
        (re.compile("a"), re.compile("a", re.IGNORECASE), False),
        (len, max, False),
        (str, bytes, False),
        (logging.getLogger("a"), logging.getLogger("b"), True),
        (functools.partial(len, "x"), functools.partial(len, "y"), False),
        ("ab".join, "cd".join, False),
        (types.SimpleNamespace, types.SimpleNamespace, True),
    ],
)
def test_globals_count_by_their_values(one: Any, other: Any, is_same: bool) -> None:
    """Also deep within."""
    assert same(made(BASE, PREFIX=one), made(BASE, PREFIX=other)) is is_same


def test_helpers_and_classes_are_followed() -> None:
    """Through modules, methods, decorators, and in circles."""
    texts = {
        "helper": "def helper(x):\n    return x + {0}\ndef node(state):\n    return helper(state)\n",
        "circle": "def one(x):\n    return two(x)\ndef two(x):\n    return one(x) if x else {0}\n"
        "def node(s):\n    return one(s)\n",
        "method": "class C:\n    def f(self):\n        return {0}\n    g = 3\ndef node(s):\n    return C().f()\n",
        "property": "class C:\n    @property\n    def f(self):\n        return {0}\ndef node(s):\n    return C().f\n",
        "constant": "class C:\n    f = {0}\ndef node(s):\n    return C.f\n",
        "base": "class B:\n    f = {0}\nclass C(B):\n    pass\ndef node(s):\n    return C.f\n",
        "inner": "def node(s):\n    def inner():\n        return {0}\n    return inner()\n",
        "field": "from pydantic import BaseModel, Field\nclass C(BaseModel):\n    f: int = Field({0})\n"
        "def node(s):\n    return C()\n",
        "doc": "class C:\n    'told to a model {0}'\ndef node(s):\n    return C\n",
        "decorated": "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def w(s):\n        return f(s)\n"
        "    return w\n"
        "@deco\ndef node(s):\n    return {0}\n",
        "remembered": "import functools\n@functools.lru_cache\ndef h(x):\n    return {0}\n"
        "def node(s):\n    return h(s)\n",
    }  # fmt: skip
    for name, text in texts.items():
        one, again, other = (made(text.format(value)) for value in (1, 1, 2))
        assert same(one, again), name
        assert not same(one, other), name


def test_modules_of_the_application_are_followed() -> None:
    """By the names that the code takes from them; of a library, the version counts."""

    def helpers(value: int) -> types.ModuleType:
        module = types.ModuleType("helpers")
        module.__file__ = "/app/helpers.py"
        exec(compile(f"def used(x):\n    return {value}\nunused = {value}\n", module.__file__, "exec"), vars(module))
        return module

    text = "def node(state):\n    return helpers.{}\n"
    assert not same(made(text.format("used(1)"), helpers=helpers(1)), made(text.format("used(1)"), helpers=helpers(2)))
    assert same(made(text.format("other"), helpers=helpers(1)), made(text.format("other"), helpers=helpers(2)))
    assert same(made(text.format("sub"), helpers=re), made(text.format("sub"), helpers=re))


def test_closures_and_objects_count() -> None:
    """Functions of one factory differ by what they close over; callable objects by what they hold."""

    def factory(held: Any) -> Any:
        def node(state: Any) -> Any:
            return held

        return node

    class Node:
        def __init__(self, sign: str) -> None:
            self.sign = sign

        def __call__(self, state: Any) -> Any:
            return self.sign

    @dataclass
    class Settings:
        depth: int

    for make in (factory, Node, lambda held: Node(held).__call__, lambda held: factory(Settings(held))):
        assert same(make("a"), make("a"))
        assert not same(make("a"), make("b"))


def openai(**settings: Any) -> ChatOpenAI:
    """A model that is never asked."""
    return ChatOpenAI(model="gpt-4o", api_key=settings.pop("key", "none"), **settings)


def test_models_count_by_their_settings() -> None:
    """Not by their clients and keys; chains by their parts."""
    text = "def node(state):\n    return chain.invoke(state)\n"

    def chained(model: Any, prompt: str = "say {x}") -> Any:
        return made(text, chain=ChatPromptTemplate.from_template(prompt) | model | StrOutputParser())

    assert same(chained(openai(temperature=0)), chained(openai(temperature=0, key="other")))
    assert not same(chained(openai(temperature=0)), chained(openai(temperature=1)))
    assert not same(chained(openai()), chained(openai(), prompt="tell {x}"))
    assert not same(chained(openai()), chained(openai().bind(stop=["x"])))
    assert not same(chained(RunnableLambda(lambda x: 1)), chained(RunnableLambda(lambda x: 2)))
    (model,) = identify([chained(openai(temperature=0).bind(stop=["x"]))]).models
    assert model.temperature == 0


def test_what_the_code_uses_is_told() -> None:
    """LangGraph's functions, models that it makes, and settings that make a model random."""
    assert id(interrupt) in identify([made("def node(s):\n    return interrupt('?')\n", interrupt=interrupt)]).uses
    makes = identify([made("def node(s):\n    return ChatOpenAI(model='m').invoke(s)\n", ChatOpenAI=ChatOpenAI)])
    assert makes.makes == "it makes a model of class ChatOpenAI"
    from langchain.chat_models import init_chat_model

    makes = identify([made("def node(s):\n    return init_chat_model('m')\n", init_chat_model=init_chat_model)])
    assert makes.makes == "it makes a model with init_chat_model"
    for text in ("model.bind(temperature=1)", "model.invoke(s, seed=3)", "model.with_config({'temperature': 1})"):
        assert identify([made(f"def node(s):\n    return {text}\n", model=openai(temperature=0))]).tunes
    assert not identify([made("def node(s):\n    return model.invoke(s)\n", model=openai(temperature=0))]).tunes


def test_what_cannot_be_compared_is_told() -> None:
    """Unless somebody answers for it; then its class stands for it."""
    import threading

    node = made("def node(s):\n    return LOCK\n", LOCK=threading.Lock())
    with pytest.raises(UnidentifiedError, match="it uses a lock, which can't be compared"):
        identify([node])
    assert same(node, made("def node(s):\n    return LOCK\n", LOCK=threading.Lock()), vouched=True)
    empty = made("def outer():\n    def node(s):\n        return late\n    return node\n    late = 1\nnode = outer()\n")
    with pytest.raises(UnidentifiedError, match="'late' has no value yet"):
        identify([empty])
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(UnidentifiedError, match="its code can't be compared"):
        identify([made(BASE, PREFIX=deep)])


class Counting(BaseModel):
    """Counts its own use."""

    kind: str = "a"
    used: int = 0
    seen: list[int] = Field(default_factory=list)

    def use(self) -> None:
        """Count."""
        self.used += 1


def test_what_the_program_does_is_no_code_where_somebody_answers() -> None:
    """Lower-case containers, assigned variables and counters; constants and settings still count."""
    text = "def node(s):\n    global count\n    count += 1\n    calls.append(1)\n    return TABLE, tool.use()\n"

    def node(**changes: Any) -> Any:
        return made(text, **{"count": 0, "calls": [], "TABLE": {"x": 1}, "tool": Counting(), **changes})

    for change in ({"count": 5}, {"calls": [1, 2]}, {"tool": Counting(used=3, seen=[1])}):
        assert same(node(), node(**change), vouched=True)
        assert not same(node(), node(**change))
    for change in ({"TABLE": {"x": 2}}, {"tool": Counting(kind="b")}):
        assert not same(node(), node(**change), vouched=True)
