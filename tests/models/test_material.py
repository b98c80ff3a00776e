"""Reading prompts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optiflow.models.material import Section, facts_by_item, normalised, parse_prompt, table_rows

PROMPT = """Do this
with care.

Then that.

<report name="north">
It rained.

<b>All</b> day.
</report>

<report name="south">
Colour: red
</report>"""


def test_a_prompt_is_an_instruction_and_sections() -> None:
    """Tags at the start of a line delimit material; paragraphs of the instruction become lines."""
    prompt = parse_prompt(PROMPT)
    assert prompt.instruction == "Do this with care.\nThen that."
    assert prompt.sections == (
        Section("report", "north", "It rained.\n\n<b>All</b> day."),
        Section("report", "south", "Colour: red"),
    )
    assert prompt.tagged("report") == prompt.sections
    assert prompt.tagged("letter") == ()


def test_an_instruction_may_stand_behind_the_material() -> None:
    """What is outside of sections is the instruction, wherever it stands."""
    prompt = parse_prompt('<a name="x">\nText.\n</a>\nSum it up.')
    assert prompt.instruction == "Sum it up."


def test_a_section_that_lost_its_end_ends_with_the_prompt_or_the_next() -> None:
    """A prompt that was cut short is still read as far as it goes."""
    prompt = parse_prompt('Go.\n<a name="x">\nOne.\n<a name="y">\nTwo and')
    assert prompt.sections == (Section("a", "x", "One."), Section("a", "y", "Two and"))


def test_a_prompt_without_sections_is_split_at_its_first_paragraph() -> None:
    """The first paragraph asks, the rest is asked about; a single paragraph is both."""
    assert parse_prompt("Ask.\n\nOne.\n\nTwo.").sections == (Section("", "", "One.\n\nTwo."),)
    assert parse_prompt("Only this.").sections == (Section("", "", "Only this."),)


@given(st.text())
def test_any_text_is_a_prompt(text: str) -> None:
    """Nothing that can be sent makes the model fail."""
    assert parse_prompt(text).sections


def test_facts_are_lines_and_cells() -> None:
    """A fact is a line about the section's item or a cell of a table; the first statement stands."""
    sections = [
        Section("sheet", "north", "Colour: red\n**Long name**: the North\n- Colour: blue\nnot a fact"),
        Section("table", "all", "| Town | Colour | Size |\n| --- | --- | --- |\n| **south** | green | a\\|b |"),
    ]
    assert facts_by_item(sections) == {
        "north": {"colour": "red", "long name": "the North"},
        "all": {},
        "south": {"colour": "green", "size": "a|b"},
    } or facts_by_item(sections) == {
        "north": {"colour": "red", "long name": "the North"},
        "south": {"colour": "green", "size": "a|b"},
    }


def test_a_table_ends_with_the_first_other_line() -> None:
    """Rows belong to the header above them, and a rule without a header makes no table."""
    text = "| A | B |\n| - | - |\n| x | 1 |\n\n| --- | --- |\n| C | D |\n| - | :-: |\n| y | 2 |"
    assert table_rows(text) == [("x", {"B": "1"}), ("y", {"D": "2"})]


def test_field_names_are_compared_without_case_and_punctuation() -> None:
    """Requires-Python and requires python are one field."""
    assert normalised(" Requires-Python_") == "requires python"
