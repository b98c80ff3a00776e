"""Dossiers of installed packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from optiflow.errors import InputError
from optiflow.workflow.dossier import read_dossiers

METADATA = """Metadata-Version: 2.4
Name: Odd.Thing
Version: 2.5
Summary: Does odd things.
License-Expression: MIT
Requires-Dist: tiny
Provides-Extra: fast
Author: Ada
{classifiers}

{description}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages with one odd thing in it."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def install(site: Path, description: str = "", classifiers: str = "Typing :: Typed", **files: str) -> Path:
    """Install the odd thing; the files are those of its licences folder."""
    folder = site / "odd_thing-2.5.dist-info"
    (folder / "licenses").mkdir(parents=True)
    lines = "\n".join(f"Classifier: {line}" for line in classifiers.split("; "))
    (folder / "METADATA").write_text(METADATA.format(description=description, classifiers=lines), encoding="utf-8")
    for name, text in files.items():
        (folder / "licenses" / name).write_text(text, encoding="utf-8")
    # Newer libraries count only files that are there.
    (site / "odd").mkdir()
    for name in ("py.typed", "a.pyc"):
        (site / "odd" / name).touch()
    record = [f"{folder.name}/licenses/{name},," for name in files]
    (folder / "RECORD").write_text("\n".join([f"{folder.name}/METADATA,,", "odd/py.typed,,", "odd/a.pyc,,", *record]))
    return folder


def test_a_dossier_has_a_sheet_a_description_and_licences(site: Path) -> None:
    """Each section has what the metadata and the files say."""
    install(
        site,
        "# Odd\n\nIt is odd.",
        "Programming Language :: Python :: 3.9; Programming Language :: Python :: 3.10; "
        "Programming Language :: Python :: 3.11; Programming Language :: Python; Development Status :: 4 - Beta",
        LICENSE="Do what you like.",
        NOTICE="Say so.",
        AUTHORS="Ada",
    )
    documents, truth = read_dossiers(["odd-thing"], 1000)
    assert documents["odd-thing"] == {
        "sheet": "Name: odd-thing\nVersion: 2.5\nSummary: Does odd things.\nLicense: MIT\nRequires-Python: not stated\n"
        "Dependencies: tiny\nMaintainers: Ada\nLicense files: LICENSE, NOTICE\nPython versions: 3.9 to 3.11\n"
        "Development status: 4 - Beta\nTyped: yes\nFiles: 5\nExtras: fast",
        "description": "# Odd\n\nIt is odd.",
        "licence": "Do what you like.\n\nSay so.",
    }
    assert truth["odd-thing"].version == "2.5"


def test_what_is_missing_is_said(site: Path) -> None:
    """A package without description, licence files or record is no error."""
    (install(site, LICENSE="x") / "RECORD").unlink()
    document = read_dossiers(["odd-thing"], 1000)[0]["odd-thing"]
    assert document["description"] == "The package has no description."
    assert document["licence"] == "The package has no licence file."
    assert "License files: none\nPython versions: not stated" in document["sheet"]


def test_few_or_scattered_python_versions_are_listed(site: Path) -> None:
    """A range is only said where no version between is left out."""
    install(site, "", "Programming Language :: Python :: 3.9; Programming Language :: Python :: 3.12")
    assert "Python versions: 3.9, 3.12\n" in read_dossiers(["odd-thing"], 10)[0]["odd-thing"]["sheet"]


def test_badges_and_pictures_are_left_out(site: Path) -> None:
    """They would fill the beginning of a description with addresses."""
    install(
        site,
        '<p align="center"><img src="x"></p>\n[![b](u)](v) ![c][d]\n<!-- no -->\n|a| |b|\n'
        ".. |a| image:: x\n   :target: y\n[English](e) • [中文](c)\n\n\n\nIt is <b>odd</b>, see [docs](d).",
    )
    assert read_dossiers(["odd-thing"], 1000)[0]["odd-thing"]["description"] == "It is <b>odd</b>, see [docs](d)."


def test_long_texts_are_bounded(site: Path) -> None:
    """Neither a description nor all licence texts together exceed the limit, and a lost file is left out."""
    folder = install(site, "x" * 500, COPYING="c" * 60, LICENSE="l" * 60, NOTICE="n" * 60)
    (folder / "licenses" / "COPYING").unlink()
    document = read_dossiers(["odd-thing"], 100)[0]["odd-thing"]
    assert document["description"] == "x" * 100
    assert document["licence"] == "l" * 60 + "\n\n" + "n" * 40


def test_a_package_that_is_not_installed_is_named_with_the_nearest() -> None:
    """A slip of the pen is answered with what was meant."""
    with pytest.raises(InputError, match="'htpx' is not installed; did you mean 'httpx'"):
        read_dossiers(["rich", "htpx"], 1000)


def test_a_package_like_no_other_is_to_be_installed() -> None:
    """The list of everything installed would help nobody."""
    with pytest.raises(InputError, match=r"'zzzqqq' is not installed; install it into this environment first$"):
        read_dossiers(["zzzqqq"], 1000)


def test_a_nameless_distribution_is_no_candidate(site: Path) -> None:
    """Leftovers of a broken uninstall don't break the message."""
    (site / "broken-1.0.dist-info").mkdir()
    assert sys.path[0] == str(site)
    with pytest.raises(InputError, match="did you mean 'httpx'"):
        read_dossiers(["htpx"], 1000)
