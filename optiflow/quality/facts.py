"""How many of the facts about packages a brief has right, by their own metadata.

A brief states a fact in a Markdown table, in the row of the package and the column of the field, or as a line
``Field: value`` below a heading that is the package's name. Prose is not searched: that a word occurs somewhere
states nothing of a package. A fact is *right* if it is stated and every statement of it is true, *wrong* if any is
not, *missing* if there is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from optiflow.config.workflow import canonical_name
from optiflow.models.material import normalised, table_rows
from optiflow.workflow.truth import NONE, NOT_STATED, PackageTruth

__all__ = ["FIELDS", "Fact", "Outcome", "check_facts"]

Outcome = Literal["right", "missing", "wrong"]
"""What became of a fact."""

_SUMMARY_OVERLAP = 0.8
_HEADING = re.compile(r"^#+\s+(.*?)\s*$")
_STATEMENT = re.compile(r"^(?:[-*] )?(?:\*\*)?([A-Za-z][\w /-]{0,40}?)(?:\*\*)?: +(\S.*?) *$")


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of one package, and what a brief says of it."""

    package: str
    """Normalized name."""

    field: str
    """Field of `PackageTruth`."""

    outcome: Outcome
    """What became of it."""

    stated: tuple[str, ...]
    """Every statement of it."""

    true: str
    """What is true."""


def check_facts(text: str, truth: Mapping[str, PackageTruth]) -> list[Fact]:
    """Judge every fact of every package.

    Args:
        text: The brief, in Markdown.
        truth: What is true, by normalized name.
    """
    stated: dict[tuple[str, str], list[str]] = {}
    for name, label, value in _statements(text):
        for field, (labels, _) in FIELDS.items():
            if normalised(label) in labels:
                stated.setdefault((canonical_name(name), field), []).append(value)
    return [
        _judged(package, field, stated.get((package, field), []), facts)
        for package, facts in truth.items()
        for field in FIELDS
    ]


def _judged(package: str, field: str, stated: list[str], truth: PackageTruth) -> Fact:
    true = getattr(truth, field)
    shown = true if isinstance(true, str) else ", ".join(true) or NONE
    same = FIELDS[field][1]
    outcome: Outcome = "missing"
    if stated:
        outcome = "right" if all(same(value, shown) for value in stated) else "wrong"
    return Fact(package, field, outcome, tuple(stated), shown)


def _statements(text: str) -> Iterator[tuple[str, str, str]]:
    """Every (name, label, value) that a text states."""
    for name, cells in table_rows(text):
        for label, value in cells.items():
            yield name, label, value
    about = ""
    for line in text.splitlines():
        if heading := _HEADING.match(line):
            about = heading[1].strip("*` ")
        elif about and (statement := _STATEMENT.match(line)):
            yield about, statement[1], statement[2]


def _same_text(stated: str, true: str) -> bool:
    return stated.split() == true.split()


def _same_licence(stated: str, true: str) -> bool:
    def key(text: str) -> list[str]:
        words = re.findall(r"[\w.+-]+", text.casefold())
        return [word for word in words if word not in ("license", "licence", "the")]

    return key(stated) == key(true)


def _same_set(stated: str, true: str) -> bool:
    empty = {"", NONE, NOT_STATED.replace(" ", "-")}

    def key(text: str) -> set[str]:
        return {re.sub(r"[\s_.-]+", "-", part.strip().casefold()) for part in text.split(",")} - empty

    return key(stated) == key(true)


def _same_specifiers(stated: str, true: str) -> bool:
    def key(text: str) -> set[str]:
        return {"".join(part.split()) for part in text.split(",")}

    return key(stated) == key(true)


def _same_summary(stated: str, true: str) -> bool:
    """Whether nearly all words of the truth are there: an editor may shorten, and end with a full stop or not."""
    words, told = (set(re.findall(r"\w+", text.casefold())) for text in (true, stated))
    return len(words & told) >= _SUMMARY_OVERLAP * len(words)


FIELDS: Mapping[str, tuple[frozenset[str], Callable[[str, str], bool]]] = {
    "version": (frozenset({"version", "installed version"}), _same_text),
    "licence": (frozenset({"license", "licence", "license expression", "licence expression"}), _same_licence),
    "requires_python": (frozenset({"requires python", "python", "python requirement"}), _same_specifiers),
    "dependencies": (frozenset({"dependencies", "direct dependencies", "requires"}), _same_set),
    "maintainers": (frozenset({"maintainers", "maintainer", "maintained by", "authors", "author"}), _same_set),
    "summary": (frozenset({"summary", "description", "purpose"}), _same_summary),
}
"""For each fact judged: the labels under which a brief may state it, and when a statement of it is true."""
