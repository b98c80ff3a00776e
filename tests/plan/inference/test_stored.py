"""Names that the application's code assigns to, read off its code."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from optiflow.plan.inference.stored import is_changed, is_stored

CODE = """
TABLE_XYZ = {}
OTHER_XYZ = {}

class Made:
    def __init__(self):
        self.only_made_xyz = 1

    def later(self):
        self.assigned_xyz = 1

    def take_away(self):
        del self.deleted_xyz

    def by_name(self):
        setattr(self, "named_xyz", 1)

def change():
    TABLE_XYZ["a"] = 1

def look():
    return OTHER_XYZ["a"]

def add(values):
    def inner():
        values.append(TABLE_XYZ)
    return inner
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the application's that is loaded."""
    (tmp_path / "stored_xyz.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("stored_xyz")
    monkeypatch.setitem(sys.modules, "stored_xyz", sys.modules["stored_xyz"])
    return "stored_xyz"


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("only_made_xyz", False),
        ("assigned_xyz", True),
        ("deleted_xyz", True),
        ("named_xyz", True),
        ("never_xyz", False),
    ],
)
def test_attributes(name: str, stored: bool, module: str) -> None:
    """Assigned or deleted outside of where objects are made, also by a name in quotes."""
    assert module
    assert is_stored(name) == stored


@pytest.mark.parametrize(("name", "changed"), [("TABLE_XYZ", True), ("OTHER_XYZ", False), ("NOWHERE_XYZ", False)])
def test_containers(name: str, changed: bool, module: str) -> None:
    """Named in a function that changes items of something."""
    assert module
    assert is_changed(name) == changed


def test_code_that_can_not_be_read_may_assign_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the application's whose file is gone, and that no loader knows."""
    assert not is_stored("never_xyz")
    lost = types.ModuleType("lost_xyz")
    lost.__file__ = str(tmp_path / "lost_xyz.py")
    monkeypatch.setitem(sys.modules, "lost_xyz", lost)
    assert is_stored("never_xyz")
    assert is_changed("NOWHERE_XYZ")


def test_a_handler_that_assigns_by_computed_names_may_assign_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere such code is left to the comparison of values."""
    for name, method in (("plain_xyz", "work"), ("handler_xyz", "on_llm_end")):
        (tmp_path / f"{name}.py").write_text(f"def {method}(self, key):\n    setattr(self, key, 1)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("plain_xyz")
    monkeypatch.setitem(sys.modules, "plain_xyz", sys.modules["plain_xyz"])
    assert not is_stored("never_xyz")
    __import__("handler_xyz")
    monkeypatch.setitem(sys.modules, "handler_xyz", sys.modules["handler_xyz"])
    assert is_stored("never_xyz")
