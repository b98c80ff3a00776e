"""The facts of installed packages."""

from __future__ import annotations

from email.message import Message
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from optiflow.workflow.truth import NOT_STATED, PackageTruth, package_truth

PLAIN = PackageTruth("some-thing", "1.0", NOT_STATED, NOT_STATED, (), (), NOT_STATED)


def truth(tmp_path: Path, *headers: str) -> PackageTruth:
    """The facts of a distribution with these headers."""
    folder = tmp_path / "some_thing-1.0.dist-info"
    folder.mkdir()
    lines = ("Metadata-Version: 2.4", "Name: Some_Thing", "Version: 1.0", *headers)
    (folder / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
    distribution = Distribution.at(folder)
    return package_truth(distribution, distribution.metadata)


def test_what_the_metadata_lacks_is_not_stated(tmp_path: Path) -> None:
    """A bare distribution has a name and a version."""
    assert truth(tmp_path) == PLAIN


@pytest.mark.parametrize(
    ("headers", "licence"),
    [
        (("License-Expression: MIT OR Apache-2.0", "License: other"), "MIT OR Apache-2.0"),
        (("License: BSD", "Classifier: License :: OSI Approved :: MIT License"), "BSD"),
        (("License: MIT License", "        ", "        Copyright (c) 2020"), "MIT License"),
        (("License: " + "x" * 200, "Classifier: License :: OSI Approved :: MIT License"), "MIT License"),
        (
            ("Classifier: License :: OSI Approved", "Classifier: License :: Public Domain"),
            "OSI Approved, Public Domain",
        ),
        (("Classifier: Topic :: Utilities",), NOT_STATED),
    ],
)
def test_the_licence_is_the_most_exact_statement(tmp_path: Path, headers: tuple[str, ...], licence: str) -> None:
    """Expression before field before classifiers; a whole text in the field counts by its title."""
    assert truth(tmp_path, *headers).licence == licence


def test_dependencies_leave_extras_out(tmp_path: Path) -> None:
    """Markers of platforms stay, those of extras go, and a name is given once."""
    facts = truth(
        tmp_path,
        "Requires-Dist: Some.Other (>=1.0)",
        "Requires-Dist: tiny[extra]; python_version < '3.9'",
        "Requires-Dist: tiny>=2; python_version >= '3.9'",
        "Requires-Dist: pytest; extra == 'test'",
    )
    assert facts.dependencies == ("some-other", "tiny")


@pytest.mark.parametrize(
    ("headers", "people"),
    [
        (("Author: Ada Lovelace and Bob Roe, Cy",), ("Ada Lovelace", "Bob Roe", "Cy")),
        (("Author-email: Ada Lovelace <ada@x.org>, Bob <bob@x.org>",), ("Ada Lovelace", "Bob")),
        (("Author: Ada", "Maintainer-email: Bob Roe <bob@x.org>"), ("Bob Roe",)),
        (("Author: Ada", "Author-email: ada@x.org"), ("Ada",)),
        (("Author-email: ada@x.org",), ("ada",)),
    ],
)
def test_maintainers_are_names(tmp_path: Path, headers: tuple[str, ...], people: tuple[str, ...]) -> None:
    """Maintainers before authors, each once, and no address of anybody."""
    assert truth(tmp_path, *headers).maintainers == people


def test_summary_and_python_are_as_stated(tmp_path: Path) -> None:
    """Blanks are evened out."""
    facts = truth(tmp_path, "Summary: A  fine thing.", "Requires-Python: >=3.9, !=3.10.1")
    assert (facts.summary, facts.requires_python) == ("A fine thing.", ">=3.9, !=3.10.1")


def test_real_metadata_is_a_message() -> None:
    """What is relied on of importlib.metadata holds for an installed distribution."""
    distribution = Distribution.from_name("rich")
    assert isinstance(distribution.metadata, Message)
    assert package_truth(distribution, distribution.metadata).maintainers
