"""What is true of an installed package, from its own metadata."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import getaddresses
from importlib.metadata import Distribution, PackageMetadata

from optiflow.config.workflow import canonical_name

__all__ = ["NONE", "NOT_STATED", "PackageTruth", "package_truth"]

NOT_STATED = "not stated"
"""How a dossier and a brief say that the metadata has no such entry."""

NONE = "none"
"""How a dossier and a brief say that a list is empty."""

_LONGEST_LICENCE = 80
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")


@dataclass(frozen=True, slots=True)
class PackageTruth:
    """The facts of one package by which a brief is judged; an entry that the metadata lacks is `NOT_STATED`."""

    name: str
    """Normalized name."""

    version: str
    """Installed version."""

    licence: str
    """Licence expression, else the short licence field, else the licence classifiers."""

    requires_python: str
    """Specifier of the Python versions that it runs on."""

    dependencies: tuple[str, ...]
    """Normalized names of direct dependencies, those of extras left out, markers of platforms not."""

    maintainers: tuple[str, ...]
    """Names of the maintainers, else of the authors, without their addresses."""

    summary: str
    """The one-line description."""


def package_truth(distribution: Distribution, metadata: PackageMetadata) -> PackageTruth:
    """Read the facts of an installed distribution.

    Args:
        distribution: Where it is installed.
        metadata: Its metadata, which whoever asks has parsed already.
    """
    maintainers = _people(metadata.get_all("Maintainer"), metadata.get_all("Maintainer-email"))
    return PackageTruth(
        name=canonical_name(metadata["Name"]),
        version=metadata["Version"],
        licence=_licence(metadata),
        requires_python=_entry(metadata, "Requires-Python") or NOT_STATED,
        dependencies=_dependencies(metadata.get_all("Requires-Dist") or distribution.requires or ()),
        maintainers=maintainers or _people(metadata.get_all("Author"), metadata.get_all("Author-email")),
        summary=_entry(metadata, "Summary") or NOT_STATED,
    )


def _entry(metadata: PackageMetadata, key: str) -> str:
    """The first line of an entry, blanks evened out; empty where there is none."""
    for text in metadata.get_all(key) or ():
        return " ".join(text.strip().partition("\n")[0].split())
    return ""


def _licence(metadata: PackageMetadata) -> str:
    if expression := _entry(metadata, "License-Expression"):
        return expression
    # Some put the whole licence text here, of which the first line is its title.
    title = _entry(metadata, "License")
    if title and len(title) <= _LONGEST_LICENCE:
        return title
    classifiers = [
        line.rsplit(" :: ", 1)[-1] for line in metadata.get_all("Classifier") or () if line.startswith("License ::")
    ]
    return ", ".join(classifiers) or NOT_STATED


def _dependencies(requirements: Iterable[str]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for requirement in requirements:
        text, _, marker = requirement.partition(";")
        match = _REQUIREMENT.match(text)
        if match and not re.search(r"\bextra\b", marker):
            names[canonical_name(match[1])] = None
    return tuple(names)


def _people(names: Iterable[str] | None, addresses: Iterable[str] | None) -> tuple[str, ...]:
    people: dict[str, None] = {}
    for listed in names or ():
        for name in re.split(r",| and ", listed):
            people[" ".join(name.split())] = None
    for name, address in getaddresses(list(addresses or ())):
        # Without a name beside it, an address adds nobody to those who are named already.
        if name or not people:
            people[" ".join(name.split()) or address.partition("@")[0]] = None
    people.pop("", None)
    return tuple(people)
