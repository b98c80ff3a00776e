"""What the offline model understands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.models.answering import NOT_STATED, NOTHING, answer

SHEETS = """
<sheet name="north">
Colour: red
Size: 5
</sheet>
<sheet name="south">
Colour: green
Size: 5
</sheet>
<sheet name="east">
Colour: red
</sheet>"""


def test_fields_are_copied_as_stated() -> None:
    """One line a field, in the order asked, and the truth about what is not there."""
    text = answer('Copy the fields Size, Colour and Age.\n\n<sheet name="north">\nColour: red\nSize: 5\n</sheet>')
    assert text == f"Size: 5\nColour: red\nAge: {NOT_STATED}"


def test_a_table_has_a_row_for_each_section() -> None:
    """The first column is the item, and a bar in a cell is escaped."""
    text = answer("Give a table with the columns Place, Size.\n" + SHEETS.replace("Size: 5", "Size: 5|6", 1))
    assert text.splitlines() == [
        "| Place | Size |",
        "| --- | --- |",
        "| north | 5\\|6 |",
        "| south | 5 |",
        f"| east | {NOT_STATED} |",
    ]


def test_items_are_grouped_by_a_field() -> None:
    """The most frequent value comes first."""
    assert answer("Group them by Colour.\n" + SHEETS) == "- **red** (2): north, east\n- **green** (1): south"


COMPARISON = (
    """Compare the fields Colour, Size of the claim with the sheet.
Finish with 'Verdict: good' if at least {percent} % of the fields agree, otherwise 'Verdict: bad'.

<claim name="all">
| Place | Colour | Size |
| --- | --- | --- |
| north | red | 5 |
| south | blue | 5 |
</claim>
"""
    + SHEETS
)


def test_a_comparison_finds_what_differs_and_what_is_missing() -> None:
    """Each difference is named with both sides; what the evidence does not say is not judged."""
    text = answer(COMPARISON.format(percent=60))
    assert text.startswith("3 of 5 compared fields agree.")
    assert "| south | 1 | 1 | 0 |" in text
    assert "- south: Colour differs: 'blue' where the sheet says 'green'" in text
    assert "- east: Colour missing: '' where the sheet says 'red'" in text
    assert text.endswith("Verdict: good")


def test_a_verdict_follows_the_comparison() -> None:
    """One step above the share that agrees, the verdict turns."""
    assert answer(COMPARISON.format(percent=61)).endswith("Verdict: bad")
    assert answer("'yes' if at least 1 % agree, otherwise 'no'") == "no"


def test_a_long_list_of_differences_is_cut() -> None:
    """The answer stays readable when everything is wrong."""
    sheets = "\n".join(f'<sheet name="p{n}">\nSize: {n}\n</sheet>' for n in range(50))
    text = answer(
        f'Compare the fields Size of the claim with the sheet.\n<claim name="x">\nSize: 1\n</claim>\n{sheets}'
    )
    assert text.endswith("- and 10 more differences")


def test_vocabularies_are_compared() -> None:
    """Without fields, the words that the material uses most are looked for."""
    prompt = """Compare the vocabulary of the summary with the report.
'fine' if at least 50 % is there, otherwise 'poor'

<summary name="s">
Harvest and rain.
</summary>
<report name="r">
The harvest and the rain and the {word}.
</report>"""
    assert answer(prompt.format(word="harvest")) == "2 of 2 frequent words agree.\n\nfine"
    text = answer(prompt.format(word="mill, the wall, the cat, the dog"))
    assert text == "2 of 6 frequent words agree. Missing: mill, wall, cat, dog.\n\npoor"


SECTION = """<section name="Prices">
| Place | Price |
| --- | --- |
| north | 5 |

- **red** (1): north stays as it was

The price of bread rose in every village of the north. Nobody knows why it did.
</section>"""


def test_tables_and_lists_are_kept_and_not_said_again() -> None:
    """What is kept stands as it stood, and the summary is of the rest."""
    text = answer(f"Keep the tables and lists of the section, then say in at most 12 words what happened.\n{SECTION}")
    assert text == (
        "| Place | Price |\n| --- | --- |\n| north | 5 |\n\n- **red** (1): north stays as it was\n\n"
        "The price of bread rose in every village of the north."
    )


def test_what_is_kept_of_one_kind_of_material_may_be_said_of_another() -> None:
    """Only the sections that are kept are spared a second mention."""
    note = '<note name="n">\n- the river rose in early spring\n</note>'
    text = answer(f"Keep the lists of the section, then say in at most 9 words of the note more.\n{SECTION}\n{note}")
    assert text == "- **red** (1): north stays as it was\n\nthe river rose in early spring."


@pytest.mark.parametrize(("kinds", "kept"), [("tables", "| "), ("lists", "- ")])
def test_one_kind_of_block_may_be_kept_alone(kinds: str, kept: str) -> None:
    """Tables without lists, or lists without tables."""
    assert all(line.startswith(kept) for line in answer(f"Keep the {kinds} of the section.\n{SECTION}").splitlines())


def test_words_are_shared_out_for_each_section() -> None:
    """Each section has its own item; one without a sentence has none."""
    text = answer(
        "Say in at most 20 words, for each place, what happened.\n"
        '<place name="north">\nThe river rose in early spring.\n</place>\n<place name="void">\n-\n</place>\n'
        '<place name="south">\nThe river fell in late autumn.\n</place>'
    )
    assert text == "- **north**: The river rose in early spring.\n- **south**: The river fell in late autumn."


def test_a_summary_may_be_of_one_kind_of_material() -> None:
    """``of the TAG`` leaves the other sections out."""
    material = '<a name="x">\nThe river rose in spring.\n</a>\n<b name="y">\nThe price fell in autumn.\n</b>'
    assert answer(f"Sum up in at most 50 words of the b.\n{material}") == "The price fell in autumn."
    assert answer(f"Sum up in at most 50 words.\n{material}") == "The river rose in spring. The price fell in autumn."


def test_parts_come_in_the_order_of_the_instruction() -> None:
    """What is asked first is answered first."""
    material = '<a name="x">\nColour: red\n\nThe river rose in spring.\n</a>'
    first = answer(f"Sum up in at most 9 words. Then copy the fields Colour.\n{material}")
    assert first == "The river rose in spring.\n\nColour: red"
    assert answer(f"Copy the fields Colour. Sum up in at most 9 words.\n{material}").startswith("Colour: red")


def test_without_a_request_it_summarises() -> None:
    """A plain question over a text is answered with its best sentences; no text, no answer."""
    assert answer("What happened?\n\nThe river rose in spring.") == "The river rose in spring."
    assert answer("") == NOTHING
    assert answer("xxxx") == NOTHING


@given(st.text())
def test_any_prompt_is_answered_and_always_the_same(prompt: str) -> None:
    """Nothing that can be sent makes the model fail or keep silent."""
    assert answer(prompt).strip()
    assert answer(prompt) == answer(prompt)
