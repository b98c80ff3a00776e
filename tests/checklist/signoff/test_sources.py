"""What the sources say about calls."""

from __future__ import annotations

from pathlib import Path

from optiflow.checklist.signoff.sources import calls_of

_SOURCE = """
import tokens
from tokens import count

async def agent(text):
    count(text)
    later = lambda: count(text)
    def inner():
        return tokens.count(text)
    await other(count(text), [count(each) for each in text])

def plain(text):
    async def within():
        return tokens.count(text)
    return count

counted = {"count": count("x")}
"""


def test_finds_calls_by_any_way_of_reaching_the_name(tmp_path: Path) -> None:
    """Plain and attribute calls count, a mere mention does not, and the innermost function decides."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "agents.py").write_text(_SOURCE, encoding="utf-8")
    (tmp_path / "empty.py").write_text("", encoding="utf-8")
    found = [(str(call), call.in_coroutine) for call in calls_of("count", tmp_path)]
    assert found == [
        ("room/agents.py:6", True),
        ("room/agents.py:7", False),
        ("room/agents.py:9", False),
        ("room/agents.py:10", True),
        ("room/agents.py:10", True),
        ("room/agents.py:14", True),
        ("room/agents.py:17", False),
    ]
    assert calls_of("nobody", tmp_path) == []


def test_only_counting_itself_looks_tokenizers_up() -> None:
    """Everything else in the package counts through the seam that toggles change."""
    assert {call.module for call in calls_of("encoding_for_model")} == {"tokens/counting.py"}
