"""Extractive summaries: the sentences of a text that say most about it and about what was asked.

A sentence scores by the words that it shares with the centroid of its text (Radev et al., "Centroid-based
summarization of multiple documents", 2004), by those that it shares with the question, and by standing early. The
best sentences that fit are given in the order of the text, none of them saying again what another one said.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

__all__ = ["best_sentences", "content_words", "sentences_of"]

_LONGEST_SENTENCE = 45
_SHORTEST_SENTENCE = 5
_LONGEST_TITLE = 7
_REDUNDANT = 0.85
_QUESTION_WEIGHT = 1.5
_EARLY_WEIGHT = 0.8

_WORD = re.compile(r"[^\W\d_]{3,}")
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        about all also and any are been both but can each for from had has have her his how into its may more most
        not one only other our out over own same she should some such than that the their them then there these they
        this those use used using very was were what when where which while who will with would you your answer
        describe give question quote said say says summarise word write
        """,
    )
)
_FENCE = re.compile(r"^(```|~~~).*?(?:^\1\s*$|\Z)", re.MULTILINE | re.DOTALL)
_DIRECTIVE = re.compile(r"^\.\. .*\n?(?:[ \t]+\S.*\n?|\n(?=[ \t]))*", re.MULTILINE)
_MARKUP = (
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(r"</?\w[^<>]*>"), ""),
    (re.compile(r"\[?!\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])(?:\]\([^)]*\)|\]\[[^\]]*\])?"), ""),
    (re.compile(r"\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])"), r"\1"),
    (re.compile(r"`([^`<]*?)\s*<[^>]*>`_+"), r"\1"),
    (re.compile(r":\w+:`([^`]*)`"), r"\1"),
    (re.compile(r"`([^`]*)`_+"), r"\1"),
    (re.compile(r"\*\*|__|``?"), ""),
    (re.compile(r"(?<!\w)([*_])(\w[^*\n]*?)\1(?!\w)"), r"\2"),
    (re.compile(r"\b([^\W_]\w*)_(?=[\s.,;:)])"), r"\1"),
    (re.compile(r"^(?:> ?)+", re.MULTILINE), ""),
)
_NOT_PROSE = re.compile(r"^(?:#|\||={3,}|-{3,}|~{3,}|\s{4,}|>>>|\$ |\[[^\]]+\]:|[A-Z][\w /-]{0,40}: .{0,160}$)")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)]) +")
_FULL_STOPS = (".", "!", "?", "…", '."', ".)", '!"', '?"')
_END = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[\"'(]?[^\sa-z])")


def content_words(text: str) -> list[str]:
    """The words that carry meaning, in lower case and without the s of the plural."""
    words = (word.removesuffix("s") if len(word) > 4 else word for word in _WORD.findall(text.lower()))
    return [word for word in words if word not in _STOP_WORDS]


def sentences_of(text: str) -> list[str]:
    """The sentences of the prose in a text; code, markup, headings, tables and ``Field: value`` lines are left out.

    Only an item of a list may end without a full stop: elsewhere the text was cut off there, or leads over to code.
    """
    text = _DIRECTIVE.sub("\n", _FENCE.sub("\n", text))
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    sentences: list[str] = []
    for paragraph, is_item in _paragraphs(text.splitlines()):
        for sentence in filter(_is_prose, _END.split(paragraph)):
            if sentence.endswith(_FULL_STOPS):
                sentences.append(sentence)
            elif is_item and not sentence.endswith(":"):
                sentences.append(f"{sentence.rstrip(',;')}.")
    return sentences


def best_sentences(sentences: Sequence[str], question: str, words: int) -> list[str]:
    """The sentences to keep, in their order.

    Args:
        sentences: The sentences of one text.
        question: What was asked; its words count extra.
        words: The most words to keep; where not even the best sentence fits, it is cut short.
    """
    bags = [set(content_words(sentence)) for sentence in sentences]
    centroid = Counter(word for bag in bags for word in bag)
    asked = set(content_words(question))

    def score(index: int) -> float:
        bag = bags[index]
        if not bag:
            return 0.0
        central: float = sum(math.log1p(centroid[word]) for word in bag) / math.sqrt(len(bag))
        return central + _QUESTION_WEIGHT * len(bag & asked) + _EARLY_WEIGHT * math.sqrt(len(bag)) / (1 + index)

    ranked = sorted(range(len(sentences)), key=lambda index: (-score(index), index))
    kept: list[int] = []
    left = words
    for index in ranked:
        length = len(sentences[index].split())
        if length <= left and not any(_says_again(bags[index], bags[other]) for other in kept):
            kept.append(index)
            left -= length
    if ranked and not kept:
        return [" ".join(sentences[ranked[0]].split()[:words]).rstrip(".,;:") + " …"]
    return [sentences[index] for index in sorted(kept)]


def _says_again(bag: set[str], other: set[str]) -> bool:
    return len(bag & other) >= _REDUNDANT * max(1, min(len(bag), len(other)))


def _paragraphs(lines: Iterable[str]) -> list[tuple[str, bool]]:
    """The paragraphs, each on one line, and whether each is an item of a list."""
    paragraphs: list[tuple[list[str], bool]] = [([], False)]
    for line in lines:
        item = _ITEM.match(line)
        if not line.strip() or (not item and (_NOT_PROSE.match(line) or _is_title(line))):
            paragraphs.append(([], False))
        elif item:
            paragraphs.append(([line[item.end() :]], True))
        else:
            paragraphs[-1][0].append(line)
    return [(" ".join(" ".join(words).split()), is_item) for words, is_item in paragraphs if words]


def _is_title(line: str) -> bool:
    """Whether a line is a heading without any mark: a few words, the long ones capitalized, and no stop at the end."""
    words = line.split()
    short = len(words) <= _LONGEST_TITLE and not line.rstrip().endswith((".", ",", ";", ":", "!", "?", ")"))
    return short and all(word[0].isupper() for word in words if len(word) > 3)


def _is_prose(sentence: str) -> bool:
    words = sentence.split()
    letters = sum(map(str.isalpha, sentence)) + sentence.count(" ")
    shouted = sum(map(str.isupper, words))
    readable = letters >= 0.85 * len(sentence) and shouted < 0.5 * len(words)
    return readable and _SHORTEST_SENTENCE <= len(words) <= _LONGEST_SENTENCE
