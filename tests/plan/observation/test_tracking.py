"""A watched state is, to whoever is given it, the state itself."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, TypeAdapter

from optiflow.plan.observation.tracking import Tracking, track

KEYS = frozenset({"a", "b", "c"})


class Model(BaseModel):
    """State as a pydantic model."""

    a: int = 1
    b: int = 2
    c: int = 3

    @property
    def both(self) -> int:
        """Two fields at once."""
        return self.a + self.b


class Checked(Model):
    """A model that checks what is assigned."""

    model_config = ConfigDict(validate_assignment=True)


@dataclass
class Data:
    """State as a dataclass."""

    a: int = 1
    b: int = 2
    c: int = 3

    @property
    def both(self) -> int:
        """Two fields at once."""
        return self.a + self.b


@dataclass(frozen=True)
class Frozen:
    """State that can't be assigned to."""

    a: int = 1
    b: int = 2
    c: int = 3


@dataclass(slots=True)
class Slotted:
    """State without a ``__dict__``."""

    a: int = 1
    b: int = 2
    c: int = 3


def _watch(state: Any) -> tuple[Tracking, set[str]]:
    read: set[str] = set()
    tracking = track(state, KEYS, read)
    assert tracking is not None
    return tracking, read


def _plain() -> dict[str, Any]:
    return {"a": 1, "b": 2, "c": 3}


def _keywords(**kwargs: Any) -> dict[str, Any]:
    return kwargs


def _matched(state: Any) -> Any:
    match state:
        case {"a": value}:
            return value


DICT_USES: list[tuple[Callable[[Any], Any], str]] = [
    (lambda s: s["a"], "a"),
    (lambda s: s.get("b"), "b"),
    (lambda s: s.get("unheard of", 5), ""),
    (lambda s: "c" in s, "c"),
    (lambda s: {**s}, "abc"),
    (lambda s: dict(s), "abc"),
    (lambda s: _keywords(**s), "abc"),
    (lambda s: "{a}{b}".format_map(s), "ab"),
    (_matched, "abc"),
    (lambda s: list(s), "abc"),
    (lambda s: list(reversed(s)), "abc"),
    (lambda s: [list(s.keys()), list(s.values()), list(s.items())], "abc"),
    (lambda s: (len(s), bool(s)), "abc"),
    (lambda s: (s == {"a": 1}, s != _plain()), "abc"),
    (lambda s: (repr(s), str(s), f"{s}"), "abc"),
    (lambda s: (s | {"d": 4}, {"d": 4} | s), "abc"),
    (lambda s: (s.copy(), copy.copy(s), copy.deepcopy(s)), "abc"),
    (lambda s: json.dumps(s), "abc"),
    (lambda s: pickle.loads(pickle.dumps(s)), "abc"),
    (lambda s: TypeAdapter(dict[str, int]).validate_python({**s}), "abc"),
    (lambda s: (isinstance(s, dict), isinstance(s, Mapping), s.__class__ is dict, type(s).__name__), ""),
    (lambda s: (s.pop("a"), s.pop("a", None), dict.__len__(s)), "a"),
    (lambda s: s.popitem(), "abc"),
    (lambda s: (s.setdefault("a", 9), s.setdefault("z", 9)), "a"),
    (lambda s: s.fromkeys("xy"), ""),
]


@pytest.mark.parametrize(("use", "read"), DICT_USES)
def test_a_dict_answers_as_a_dict_and_tells_what_was_read(use: Callable[[Any], Any], read: str) -> None:
    """Every use gives what it gives on a plain dict, leaves the same behind, and is noticed."""
    expected_state, state = _plain(), _plain()
    expected = use(expected_state)
    tracking, keys = _watch(state)
    got = use(tracking.given)
    tracking.end()
    assert got == expected
    assert type(got) is type(expected)
    assert state == expected_state
    assert keys == set(read)


def test_what_a_node_wrote_itself_is_no_read_of_the_state() -> None:
    """Whichever way it was written; and the changes end up in the state that the next attempt gets."""
    state = _plain()
    tracking, keys = _watch(state)
    given = tracking.given
    given["a"] = 10
    given.update(b=20)
    del given["c"]
    given |= {"c": 30}
    assert (given["a"], given["b"], given["c"]) == (10, 20, 30)
    given.clear()
    assert not keys
    given["a"] = 11
    assert tracking.own(given) is state
    tracking.end()
    assert state == {"a": 11}
    assert tracking.own("other") == "other"


def test_after_the_node_nothing_is_noted_any_more() -> None:
    """A state that was kept somewhere is a dict like any other, for serializers too."""
    tracking, keys = _watch(_plain())
    tracking.end()
    assert tracking.given == _plain()
    assert ormsgpack.unpackb(ormsgpack.packb({"kept": tracking.given})) == {"kept": _plain()}
    assert not keys


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(), max_size=4), st.data())
def test_any_sequence_of_uses_goes_as_on_a_plain_dict(start: dict[str, int], data: st.DataObject) -> None:
    """Reads and changes in any order give the same answers and the same end."""
    uses: list[Callable[[Any], Any]] = [use for use, _ in DICT_USES[1:7]]
    uses += [lambda s: s.pop("a", 0), lambda s: s.update(b=7), lambda s: s.setdefault("c", 3), lambda s: s.clear()]
    chosen = data.draw(st.lists(st.sampled_from(uses), max_size=6))
    plain, state = dict(start), dict(start)
    tracking, _ = _watch(state)
    for use in chosen:
        assert use(tracking.given) == use(plain)
    tracking.end()
    assert state == plain


OBJECTS = [Model, Checked, Data, Frozen, Slotted]

OBJECT_USES: list[tuple[Callable[[Any], Any], str]] = [
    (lambda s: s.a, "a"),
    (lambda s: getattr(s, "b"), "b"),  # noqa: B009
    (lambda s: hasattr(s, "zzz"), ""),
    (lambda s: (s.__class__, type(s).__name__, type(s).__module__, s.__doc__), ""),
    (lambda s: copy.copy(s), "abc"),
    (lambda s: copy.deepcopy(s), "abc"),
    (lambda s: repr(s), "abc"),
    (lambda s: s == copy.copy(s), "abc"),
]


@pytest.mark.parametrize("cls", OBJECTS)
@pytest.mark.parametrize(("use", "read"), OBJECT_USES)
def test_an_object_answers_as_before_and_tells_what_was_read(cls: Any, use: Callable[[Any], Any], read: str) -> None:
    """Fields, copies and comparisons; afterwards the object has its own class again."""
    expected = use(cls())
    state = cls()
    tracking, keys = _watch(state)
    assert tracking.given is state
    assert isinstance(state, cls)
    assert use(tracking.given) == expected
    tracking.end()
    assert type(state) is cls
    assert tracking.own(state) is state
    assert keys == set(read)


@pytest.mark.parametrize("cls", [Model, Data])
def test_a_property_reads_its_fields_and_a_pickle_all(cls: Any) -> None:
    """Methods of the state are looked into, not taken as reading everything; a pickle is of the real class."""
    tracking, keys = _watch(cls())
    assert tracking.given.both == 3
    assert keys == {"a", "b"}
    restored = pickle.loads(pickle.dumps(tracking.given))
    assert type(restored) is cls
    assert keys == KEYS
    tracking.end()


@pytest.mark.parametrize("cls", [Model, Checked, Data, Slotted])
def test_an_assigned_field_is_the_nodes_own(cls: Any) -> None:
    """The assignment runs the class's own checks and shows afterwards."""
    state = cls()
    tracking, keys = _watch(state)
    tracking.given.a = 10
    assert tracking.given.a == 10
    tracking.end()
    assert state == cls(a=10)
    assert not keys


def test_the_class_of_an_object_is_whole_again_once_it_was_read_whole() -> None:
    """There is nothing more to see; what is assigned then is assigned as ever."""
    state = Model()
    tracking, keys = _watch(state)
    assert tracking.given.model_dump() == {"a": 1, "b": 2, "c": 3}
    assert type(state) is Model
    assert keys == KEYS
    state.a = 5
    tracking.end()
    assert state.a == 5


def test_another_object_of_the_class_made_meanwhile_is_not_watched() -> None:
    """Neither one that the node makes of the class it sees, nor a failed assignment leaves traces."""
    state = Frozen()
    tracking, keys = _watch(state)
    assert type(state)(a=7).a == 7
    with pytest.raises(dataclasses.FrozenInstanceError):
        tracking.given.a = 3
    assert not keys
    tracking.end()
    assert state == Frozen()


def test_what_a_node_makes_of_the_class_it_sees_becomes_of_the_real_class() -> None:
    """As soon as it is copied or changed."""
    state = Data()
    tracking, keys = _watch(state)
    copied, changed = type(state)(a=7), type(state)(a=8)
    assert type(copy.copy(copied)) is Data
    changed.a = 9
    assert type(changed) is Data
    assert (changed.a, copied.a) == (9, 7)
    tracking.end()
    assert not keys


class Registry:
    """Told of every subclass."""

    known: list[type] = []  # noqa: RUF012

    def __init_subclass__(cls) -> None:
        Registry.known.append(cls)


@dataclass
class Registered(Registry):
    """Making a subclass of it would show."""

    a: int = 1


@pytest.mark.parametrize("state", [None, 5, [1], "text", Registered(), type("Sub", (dict,), {})(a=1)])
def test_what_cannot_be_watched_unnoticed_is_not(state: Any) -> None:
    """Neither what is no state, nor a class that is told of its subclasses."""
    assert track(state, KEYS, set()) is None
    assert Registry.known == [Registered]


def test_an_object_is_watched_once_at_a_time() -> None:
    """Two nodes that share an object would see each other's reads."""
    state = Model()
    tracking, _ = _watch(state)
    assert track(state, KEYS, set()) is None
    tracking.end()
    _watch(state)[0].end()


def test_other_objects_compare_with_the_class_as_before() -> None:
    """An instance check of a pydantic class looks at its subclasses too."""
    tracking, _ = _watch(Model())
    tracking.end()
    assert not isinstance(Data(), Model)

    class Other(BaseModel):
        """Something else."""

    assert not isinstance(Other(), Model)
