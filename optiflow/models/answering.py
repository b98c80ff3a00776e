"""What the offline model understands of an instruction, and how it answers.

It knows nothing but its prompt. Each phrase below that the instruction contains adds a part to the answer, in the
order of the phrases; ``TAG`` is the tag of some sections of the prompt, ``A, B and C`` are names of fields:

- ``copy the fields A, B and C``: a line ``A: value`` for each, as the material states them;
- ``a table with the columns ITEM, A, B and C``: a Markdown table with a row for each section;
- ``group them by A``: the items that share a value, most frequent value first;
- ``compare the fields A, B and C of the TAG with the TAG``: a table of what agrees, differs and is missing, and each
  difference;
- ``compare the vocabulary of the TAG with the TAG``: how many of the words that the latter uses most the former has,
  and which it lacks;
- ``'X' if at least N % agree, otherwise 'Y'``: X or Y, by the comparison;
- ``keep the tables and lists of the TAG``, or one of both: its table rows and list items as they stand;
- ``at most N words``: a summary; with ``for each`` in the same sentence, a share of the words for every section; with
  ``of the TAG`` behind it, only of those sections.

Where it understands nothing of the kind it gives a summary of ``DEFAULT_WORDS`` words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

from optiflow.models.material import Facts, Prompt, Section, facts_by_item, normalised, parse_prompt
from optiflow.models.ranking import best_sentences, content_words, sentences_of

__all__ = ["DEFAULT_WORDS", "NOTHING", "NOT_STATED", "answer"]

DEFAULT_WORDS = 120
"""Length of a summary of which no length was asked."""

NOTHING = "The material has nothing on this."
"""The answer where the material has no sentence and no fact to give."""

NOT_STATED = "not stated"
"""What the model says of a field that the material does not mention."""

_LONGEST_LIST = 40
_FREQUENT_WORDS = 60

_Writer = Callable[[re.Match[str], Prompt], str]


def answer(text: str) -> str:
    """Answer a prompt; the same prompt always has the same answer."""
    prompt = parse_prompt(text)
    parts = [
        (match.start(), writer(match, prompt))
        for pattern, writer in _REQUESTS
        for match in pattern.finditer(prompt.instruction)
    ]
    if not parts:
        parts = [(0, _summary(prompt.sections, prompt.instruction, DEFAULT_WORDS))]
    return "\n\n".join(part for _, part in sorted(parts, key=lambda part: part[0]) if part) or NOTHING


def _copied_fields(match: re.Match[str], prompt: Prompt) -> str:
    facts = facts_by_item(prompt.sections)
    known: dict[str, str] = {}
    for stated in facts.values():
        known = stated | known
    return "\n".join(f"{field}: {known.get(normalised(field), NOT_STATED)}" for field in _names(match["fields"]))


def _table(match: re.Match[str], prompt: Prompt) -> str:
    item, *fields = _names(match["fields"])
    facts = facts_by_item(prompt.sections)
    rows = [
        [name, *(facts.get(name, {}).get(normalised(field), NOT_STATED) for field in fields)]
        for name in _items(prompt.sections)
    ]
    return _markdown_table([item, *fields], rows)


def _groups(match: re.Match[str], prompt: Prompt) -> str:
    field = match["field"].strip()
    facts = facts_by_item(prompt.sections)
    groups: dict[str, list[str]] = {}
    for name in _items(prompt.sections):
        groups.setdefault(facts.get(name, {}).get(normalised(field), NOT_STATED), []).append(name)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    return "\n".join(f"- **{value}** ({len(names)}): {', '.join(names)}" for value, names in ordered)


def _comparison(match: re.Match[str], prompt: Prompt) -> str:
    fields = _names(match["fields"])
    rows: list[list[str]] = []
    differences: list[str] = []
    for item, outcomes in _compared(match, prompt).items():
        counts = {kind: sum(outcome[0] == kind for outcome in outcomes) for kind in ("agrees", "differs", "missing")}
        rows.append([item, *(str(count) for count in counts.values())])
        differences += [
            f"- {item}: {fields[position]} {kind}: {said!r} where the {match['second']} says {evidence!r}"
            for position, (kind, said, evidence) in enumerate(outcomes)
            if kind in ("differs", "missing")
        ]
    agreeing, total = _agreement(match, prompt)
    verdict = f"{agreeing} of {total} compared fields agree."
    if len(differences) > _LONGEST_LIST:
        differences[_LONGEST_LIST:] = [f"- and {len(differences) - _LONGEST_LIST} more differences"]
    table = _markdown_table(["Item", "Agree", "Differ", "Missing"], rows)
    return "\n\n".join(part for part in (verdict, table, "\n".join(differences)) if part)


def _vocabulary(match: re.Match[str], prompt: Prompt) -> str:
    has, lacks = _shared_words(match, prompt)
    text = f"{len(has)} of {len(has) + len(lacks)} frequent words agree."
    return f"{text} Missing: {', '.join(lacks)}." if lacks else text


def _shared_words(match: re.Match[str], prompt: Prompt) -> tuple[list[str], list[str]]:
    """The most frequent words of the evidence: those that are said, and those that are not."""
    said = {word for section in prompt.tagged(match["first"]) for word in content_words(section.text)}
    evidence = Counter(word for section in prompt.tagged(match["second"]) for word in content_words(section.text))
    frequent = [word for word, _ in evidence.most_common(_FREQUENT_WORDS)]
    return [word for word in frequent if word in said], [word for word in frequent if word not in said]


def _verdict(match: re.Match[str], prompt: Prompt) -> str:
    agreeing = total = 0
    if asked := _COMPARE.search(prompt.instruction):
        agreeing, total = _agreement(asked, prompt)
    elif asked := _COMPARE_WORDS.search(prompt.instruction):
        has, lacks = _shared_words(asked, prompt)
        agreeing, total = len(has), len(has) + len(lacks)
    return match["yes"] if total and 100 * agreeing >= int(match["percent"]) * total else match["no"]


def _kept(match: re.Match[str], prompt: Prompt) -> str:
    marks = _marks(match)
    blocks: list[str] = []
    previous = ""
    for section in prompt.tagged(match["tag"]):
        for line in section.text.splitlines():
            kind = line[:1] if line.startswith(marks) else ""
            if kind:
                blocks.append(line if kind == previous else f"\n{line}")
            previous = kind
    return "\n".join(blocks).strip()


def _marks(kept: re.Match[str]) -> tuple[str, ...]:
    """How the lines that are kept begin."""
    return tuple(mark for mark, kind in (("|", "table"), ("- ", "list")) if kind in kept["kinds"].lower())


def _without_kept(section: Section, instruction: str) -> Section:
    """A section without what another part of the answer repeats anyway."""
    for kept in _KEEP.finditer(instruction):
        if kept["tag"] == section.tag:
            lines = (line for line in section.text.splitlines() if not line.startswith(_marks(kept)))
            section = Section(section.tag, section.name, "\n".join(lines))
    return section


def _asked_summary(match: re.Match[str], prompt: Prompt) -> str:
    start, end = match.span()
    after = _SENTENCE_END.split(prompt.instruction[end:])[0]
    sentence = _SENTENCE_END.split(prompt.instruction[:start])[-1] + match[0] + after
    of_tag = [section for section in prompt.sections if re.search(rf"\bof the {section.tag}\b", after)]
    sections = [_without_kept(section, prompt.instruction) for section in of_tag or prompt.sections]
    words = int(match["words"])
    return _each(sections, sentence, words) if "for each" in sentence else _summary(sections, sentence, words)


def _summary(sections: Iterable[Section], question: str, words: int) -> str:
    sentences = [sentence for section in sections for sentence in sentences_of(section.text)]
    return " ".join(best_sentences(sentences, question, words))


def _each(sections: Iterable[Section], question: str, words: int) -> str:
    """One list item for each section, each with its share of the words; what one leaves goes to the next."""
    remaining = [(section, sentences_of(section.text)) for section in sections]
    lines: list[str] = []
    left = words
    while remaining:
        section, sentences = remaining.pop(0)
        text = " ".join(best_sentences(sentences, question, max(1, left // (len(remaining) + 1))))
        left -= len(text.split())
        if text:
            lines.append(f"- **{section.name}**: {text}")
    return "\n".join(lines)


_Outcomes = dict[str, list[tuple[str, str, str]]]


def _compared(match: re.Match[str], prompt: Prompt) -> _Outcomes:
    """For each item of the evidence and each field: the outcome, what is said, and what the evidence says."""
    said = facts_by_item(prompt.tagged(match["first"]))
    evidence: Facts = facts_by_item(prompt.tagged(match["second"]))
    outcomes: _Outcomes = {}
    for item, stated in evidence.items():
        for field in map(normalised, _names(match["fields"])):
            true, claimed = stated.get(field, ""), said.get(item, {}).get(field, "")
            kind = "unknown" if not true else "missing" if not claimed else _same(claimed, true)
            outcomes.setdefault(item, []).append((kind, claimed, true))
    return outcomes


def _same(one: str, other: str) -> str:
    return "agrees" if one.split() == other.split() else "differs"


def _agreement(match: re.Match[str], prompt: Prompt) -> tuple[int, int]:
    kinds = [kind for outcomes in _compared(match, prompt).values() for kind, _, _ in outcomes if kind != "unknown"]
    return kinds.count("agrees"), len(kinds)


def _items(sections: Iterable[Section]) -> list[str]:
    return list(dict.fromkeys(section.name for section in sections))


def _names(listed: str) -> list[str]:
    return [name.strip() for name in re.split(r",| and ", listed) if name.strip()]


def _markdown_table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_LIST_OF_FIELDS = r"(?P<fields>[^.:;()\n]+?)"
_COMPARE = re.compile(
    rf"compare the fields {_LIST_OF_FIELDS} of the (?P<first>\w+) with the (?P<second>\w+)", re.IGNORECASE
)
_COMPARE_WORDS = re.compile(r"compare the vocabulary of the (?P<first>\w+) with the (?P<second>\w+)", re.IGNORECASE)
_KEEP = re.compile(r"keep the (?P<kinds>tables and lists|tables|lists) of the (?P<tag>\w+)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.?!](?:\s|$)|\n")
_REQUESTS: tuple[tuple[re.Pattern[str], _Writer], ...] = (
    (re.compile(rf"copy the fields {_LIST_OF_FIELDS}(?=[.:;(\n]|\Z)", re.IGNORECASE), _copied_fields),
    (re.compile(rf"table with the columns {_LIST_OF_FIELDS}(?=[.:;(\n]|\Z)", re.IGNORECASE), _table),
    (re.compile(r"group them by (?P<field>[\w -]+?)(?=[.,:;(\n]|\Z)", re.IGNORECASE), _groups),
    (_COMPARE, _comparison),
    (_COMPARE_WORDS, _vocabulary),
    (re.compile(r"'(?P<yes>[^'\n]+)' if at least (?P<percent>\d+) ?%[^'\n]*otherwise '(?P<no>[^'\n]+)'"), _verdict),
    (_KEEP, _kept),
    (re.compile(r"at most (?P<words>\d+) words", re.IGNORECASE), _asked_summary),
)
