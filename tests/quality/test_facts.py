"""Facts of a brief against the truth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optiflow.quality.facts import FIELDS, check_facts
from optiflow.workflow.truth import NOT_STATED, PackageTruth

RICH = PackageTruth(
    name="rich",
    version="15.0.0",
    licence="MIT",
    requires_python=">=3.9, <4",
    dependencies=("markdown-it-py", "pygments"),
    maintainers=("Will McGugan",),
    summary="Render rich text in the terminal",
)
ROW = (
    "| Package | Version | License | Requires-Python | Dependencies | Maintainers | Summary |\n"
    "| --- | --- | --- | --- | --- | --- | --- |\n"
    "| Rich | 15.0.0 | MIT License | <4,>=3.9 | Pygments, markdown_it_py | will mcgugan | "
    "Render rich text in the terminal. |"
)


def outcomes(text: str, truth: PackageTruth = RICH) -> dict[str, str]:
    """What becomes of each fact of a package."""
    return {fact.field: fact.outcome for fact in check_facts(text, {truth.name: truth})}


def test_a_row_of_a_table_states_facts() -> None:
    """Spelling that means the same is right."""
    assert set(outcomes(ROW).values()) == {"right"}
    assert set(outcomes(ROW)) == set(FIELDS)


def test_lines_below_a_heading_state_facts() -> None:
    """Until the next heading; the name may be emphasized, the line an item."""
    text = "# `Rich`\n\n- **Version**: 15.0.0\nLicence: MIT\n\n## Other\n\nRequires-Python: >=3.9, <4"
    found = outcomes(text)
    assert (found["version"], found["licence"], found["requires_python"]) == ("right", "right", "missing")


def test_prose_states_nothing() -> None:
    """That a word occurs is no statement about a package."""
    assert set(outcomes("rich 15.0.0 is licensed under MIT.\n\nVersion: 15.0.0").values()) == {"missing"}


def test_one_false_statement_makes_a_fact_wrong() -> None:
    """A brief that contradicts itself is not half right."""
    facts = check_facts(f"{ROW}\n\n## rich\n\nVersion: 14.0", {"rich": RICH})
    version = next(fact for fact in facts if fact.field == "version")
    assert (version.outcome, version.stated, version.true) == ("wrong", ("15.0.0", "14.0"), "15.0.0")


@pytest.mark.parametrize(
    ("right", "wrong", "field"),
    [
        ("MIT License", "MIT-0", "licence"),
        ("15.0.0", "15.0", "version"),
        ("<4,>=3.9", ">=3.9", "requires_python"),
        ("Pygments, markdown_it_py", "pygments", "dependencies"),
        ("Pygments, markdown_it_py", "none", "dependencies"),
        ("will mcgugan", "Ada Lovelace", "maintainers"),
        ("Render rich text in the terminal.", "Structured logging for Python", "summary"),
    ],
)
def test_what_differs_is_wrong(right: str, wrong: str, field: str) -> None:
    """Each field by its own measure, and no other field suffers."""
    found = outcomes(ROW.replace(f"| {right} |", f"| {wrong} |"))
    assert {name for name, outcome in found.items() if outcome == "wrong"} == {field}


def test_saying_that_there_is_nothing_is_a_fact() -> None:
    """Where the metadata says nothing, the brief has to say so."""
    bare = replace(RICH, licence=NOT_STATED, requires_python=NOT_STATED, dependencies=(), maintainers=())
    text = "# rich\nLicense: not stated\nRequires-Python: not stated\nDependencies: none\nMaintainers: not stated"
    assert list(outcomes(text, bare).values()).count("right") == 4
    assert outcomes("# rich\nLicense: MIT\nDependencies: attrs", bare)["licence"] == "wrong"
    assert outcomes("# rich\nLicense: MIT\nDependencies: attrs", bare)["dependencies"] == "wrong"
    assert outcomes("# rich", bare)["maintainers"] == "missing"


def test_facts_of_others_are_not_counted() -> None:
    """A brief may speak of more packages than are judged."""
    assert len(check_facts(ROW.replace("Rich", "poor"), {"rich": RICH})) == 6
