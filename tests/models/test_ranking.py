"""Sentences, and which of them matter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.models.ranking import best_sentences, content_words, sentences_of


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("The river rose in spring. It fell again in the autumn!", None),
        ("Rivers rise in spring\nand fall in autumn as ever.", ["Rivers rise in spring and fall in autumn as ever."]),
        ("# The river rises in spring.\n\nIt falls again in the autumn.", ["It falls again in the autumn."]),
        ("```\nthe river = Spring rising now.\n```\nIt falls again in the autumn.", ["It falls again in the autumn."]),
        (".. note:: x\n   The river rises now in spring.\n\nIt falls again in the autumn.", None),
        ("| The river | rises now in spring. |\n\nIt falls again in the autumn.", ["It falls again in the autumn."]),
        ("Name: the river of the north\nIt falls again in the autumn.", ["It falls again in the autumn."]),
        ("River Report\nIt falls again in the autumn.", ["It falls again in the autumn."]),
        ("> The [river](http://x.y) *rises* in `spring`, <b>now</b>.", ["The river rises in spring, now."]),
        ("The `river <http://x.y>`_ rises in Spring_ now.", ["The river rises in Spring now."]),
        ("- the river rises in early spring\n- too short", ["the river rises in early spring."]),
        ("- here is what the river does:\n- it rises in early spring,", ["it rises in early spring."]),
        ("The river rises in spring and then it is cut", []),
        ("THE RIVER RISES IN SPRING AND FALLS.", []),
        ("x = f(a[1], b[2]) == {3: 4} and (5, 6).", []),
    ],
)
def test_prose_is_told_from_everything_else(text: str, sentences: list[str] | None) -> None:
    """Markup goes, code and headings and facts are left out, what was cut off is no sentence."""
    found = sentences_of(text)
    if sentences is None:
        assert found[-1] in ("It fell again in the autumn!", "It falls again in the autumn.")
        assert all("note" not in sentence for sentence in found)
    else:
        assert found == sentences


SENTENCES = [
    "The harvest was good in every village of the valley.",
    "A cat slept on the wall of the old mill.",
    "Traders paid low prices for the harvest everywhere.",
    "The harvest was good in every village of this valley.",
]


def test_central_sentences_come_first_and_in_order() -> None:
    """What the text is about is kept, in the text's order, and nothing twice."""
    assert best_sentences(SENTENCES, "", 20) == [SENTENCES[0], SENTENCES[2]]


def test_the_question_decides_between_sentences() -> None:
    """A sentence that shares words with the question wins."""
    assert best_sentences(SENTENCES, "What did the cat do at the old mill?", 10) == [SENTENCES[1]]


def test_a_sentence_that_does_not_fit_is_cut_where_none_does() -> None:
    """There is always something to say."""
    assert best_sentences(SENTENCES[:1], "", 4) == ["The harvest was good …"]
    assert best_sentences([], "", 4) == []
    assert best_sentences(["To be or to be."], "", 9) == ["To be or to be."]


@given(st.lists(st.text(min_size=1), max_size=8), st.text(), st.integers(1, 60))
def test_a_summary_is_never_longer_than_asked(sentences: list[str], question: str, words: int) -> None:
    """The budget of words holds for any text; the mark of a cut is not a word."""
    kept = best_sentences(sentences, question, words)
    assert sum(len(sentence.removesuffix(" …").split()) for sentence in kept) <= words


@given(st.text())
def test_any_text_has_sentences_or_none(text: str) -> None:
    """Nothing that can be sent makes the model fail."""
    assert all(sentence.strip() for sentence in sentences_of(text))


def test_content_words_are_folded() -> None:
    """Case, plural and words without meaning make no difference."""
    assert content_words("The Rivers of this river") == ["river", "river"]
