"""Packing excerpts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.tokens import count_tokens
from optiflow.tokens.counting import use_counter
from optiflow.workflow.excerpt import LONGEST_PIECE, excerpt, pieces_of

TEXT = "One sentence here. Another one!\nA line without end\n\n  - an item\nLast?"


class TallyCounter:
    """Counts words, and how often it was asked for which text."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def count(self, text: str, model: str) -> int:
        self.asked.append(text)
        return len(text.split())

    def holds(self, text: str, model: str) -> bool:
        return False


def test_pieces_are_sentences_and_lines() -> None:
    """Each keeps the blanks behind it."""
    assert pieces_of(TEXT) == [
        "One sentence here. ",
        "Another one!\n",
        "A line without end\n\n  ",
        "- an item\n",
        "Last?",
    ]


@given(st.text())
def test_pieces_make_up_the_text(text: str) -> None:
    """Nothing is lost or added but blanks at the beginning, and no piece is long but for blanks."""
    pieces = pieces_of(text)
    assert "".join(pieces) == text.lstrip()
    assert all(len(piece.rstrip()) <= LONGEST_PIECE for piece in pieces)


def test_text_without_an_end_is_cut_into_pieces() -> None:
    """A document of one endless line is packed as well."""
    pieces = pieces_of("x" * 3000)
    assert len(pieces) > 9
    assert "".join(pieces) == "x" * 3000


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (3, "One sentence here."),
        (4, "One sentence here."),
        (5, "One sentence here. Another one!"),
        (99, TEXT),
        (1, "One sentence here."),
    ],
)
async def test_an_excerpt_is_the_beginning_that_fits(tokens: int, expected: str) -> None:
    """Whole pieces up to the budget; the first in any case."""
    with use_counter(TallyCounter()):
        assert await excerpt(TEXT, tokens, "gpt-4o") == expected


async def test_every_piece_is_counted_for_every_excerpt() -> None:
    """That is the naive way of a first version: nothing is remembered here."""
    counter = TallyCounter()
    with use_counter(counter):
        await excerpt(TEXT, 5, "gpt-4o")
        await excerpt(TEXT, 3, "gpt-4o")
    assert counter.asked == pieces_of(TEXT) * 2


async def test_an_excerpt_keeps_to_real_tokens() -> None:
    """With the real tokenizer the budget holds too."""
    text = "The river rose in spring. " * 100
    packed = await excerpt(text, 50, "gpt-4o")
    assert 40 <= count_tokens(packed, "gpt-4o") <= 50
    assert await excerpt("", 5, "gpt-4o") == ""
