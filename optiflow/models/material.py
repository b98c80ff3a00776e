"""Reading a prompt as the offline model does: an instruction, sections of material, and the facts stated in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Facts", "Prompt", "Section", "facts_by_item", "normalised", "parse_prompt", "table_rows"]

Facts = dict[str, dict[str, str]]
"""The facts of each item: normalised field name to value as written; items are named as written."""

# An opening tag at the start of a line; a section that lost its end goes on to the next opening of the same kind.
_SECTION = re.compile(
    r'^<(?P<tag>[a-z]\w*) name="(?P<name>[^"\n]*)">\n(?P<text>.*?)(?:^</(?P=tag)>|(?=^<(?P=tag) name=)|\Z)',
    re.MULTILINE | re.DOTALL,
)
_FACT = re.compile(r"^(?:[-*] )?(?:\*\*)?(?P<field>[A-Z][\w /-]{0,40}?)(?:\*\*)?: +(?P<value>\S.*?) *$", re.MULTILINE)
_RULE = re.compile(r"^\|(?:\s*:?-+:?\s*\|)+\s*$")


@dataclass(frozen=True, slots=True)
class Section:
    """One piece of material, as ``<tag name="...">`` to ``</tag>``."""

    tag: str
    """What kind of material it is, such as ``report``."""
    name: str
    """The item that it is about."""
    text: str
    """Its text."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt taken apart."""

    instruction: str
    """What is asked, each paragraph on one line."""
    sections: tuple[Section, ...]
    """What it is asked about, in the prompt's order; never empty."""

    def tagged(self, tag: str) -> tuple[Section, ...]:
        """The sections of one kind."""
        return tuple(section for section in self.sections if section.tag == tag)


def parse_prompt(text: str) -> Prompt:
    """Take a prompt apart.

    Without tagged sections the first paragraph is the instruction and the rest is the material; a prompt of one
    paragraph is both.
    """
    found = list(_SECTION.finditer(text))
    if found:
        sections = tuple(Section(match["tag"], match["name"], match["text"].strip()) for match in found)
        outside = [text[: found[0].start()]]
        outside += [text[left.end() : right.start()] for left, right in pairwise(found)]
        outside.append(text[found[-1].end() :])
        return Prompt(_unwrapped("\n\n".join(outside)), sections)
    instruction, _, material = text.strip().partition("\n\n")
    return Prompt(_unwrapped(instruction), (Section("", "", (material or instruction).strip()),))


def normalised(field: str) -> str:
    """A field name in the form in which names are compared."""
    return re.sub(r"[\W_]+", " ", field).strip().casefold()


def table_rows(text: str) -> list[tuple[str, dict[str, str]]]:
    """The rows of every Markdown table in a text: first cell, and each further cell by its column's name."""
    rows: list[tuple[str, dict[str, str]]] = []
    header: list[str] | None = None
    previous: list[str] | None = None
    for line in text.splitlines():
        if not line.startswith("|"):
            header = previous = None
        elif _RULE.match(line):
            header = previous
        elif header is None:
            previous = _cells(line)
        else:
            first, *rest = _cells(line)
            rows.append((first.strip("*` "), dict(zip(header[1:], rest, strict=False))))
    return rows


def facts_by_item(sections: Iterable[Section]) -> Facts:
    """Every fact stated in the sections: ``Field: value`` lines about the section's item, and cells of tables.

    Where a field is stated twice of one item, the first statement stands.
    """
    facts: Facts = {}
    for section in sections:
        for match in _FACT.finditer(section.text):
            _state(facts, section.name, {match["field"]: match["value"]})
        for item, cells in table_rows(section.text):
            _state(facts, item, cells)
    return facts


def _unwrapped(text: str) -> str:
    """Each paragraph on one line."""
    return "\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip())


def _state(facts: Facts, item: str, stated: Mapping[str, str]) -> None:
    known = facts.setdefault(item, {})
    for field, value in stated.items():
        known.setdefault(normalised(field), value)


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
