"""The dossiers of installed packages: a data sheet, the long description and the licence texts of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import Distribution, PackageMetadata, PackagePath, distributions
from pathlib import Path

from optiflow.config.workflow import canonical_name
from optiflow.errors import InputError, nearest_name
from optiflow.workflow.base import Documents
from optiflow.workflow.truth import NONE, NOT_STATED, PackageTruth, package_truth

__all__ = ["read_dossiers"]

_LICENCE_FILE = re.compile(r"licen[cs]e|copying|notice", re.IGNORECASE)
# Badges, logos and rows of links say nothing to a reader of text.
_DECORATION = (
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"</?(?:p|a|img|picture|source|div|h\d|strong|em|br|code)\b[^<>]*>", re.IGNORECASE),
    re.compile(r"\[!\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])\](?:\([^)]*\)|\[[^\]]*\])|!\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])"),
    re.compile(r"^\.\. (?:\|[^|]+\| )?image::.*\n(?:[ \t]+\S.*\n)*", re.MULTILINE),
    re.compile(r"^(?:[ \t]*\|[\w -]+\|)+[ \t]*$", re.MULTILINE),
    re.compile(r"^(?:[ \t•·|]*\[[^\]\n]*\]\([^)\n]*\))+[ \t•·|]*$", re.MULTILINE),
)
_BLANK_LINES = re.compile(r"(?:[ \t]*\n){3,}")


def read_dossiers(packages: Sequence[str], max_chars: int) -> tuple[Documents, dict[str, PackageTruth]]:
    """Read the dossier of each package, and what is true of it.

    Args:
        packages: Normalized names of installed distributions.
        max_chars: The most characters of a description, and of all licence texts of a package together.

    Raises:
        InputError: A package is not installed.
    """
    documents: Documents = {}
    truth: dict[str, PackageTruth] = {}
    for package in packages:
        distribution = _distribution(package)
        # A distribution parses its files anew whenever it is asked.
        metadata, files = distribution.metadata, distribution.files or []
        facts = truth[package] = package_truth(distribution, metadata)
        licences = _licence_files(files)
        documents[package] = {
            "sheet": _sheet(metadata, files, facts, licences),
            "description": _description(metadata)[:max_chars],
            "licence": _licence_text(licences, max_chars),
        }
    return documents, truth


def _distribution(package: str) -> Distribution:
    try:
        return Distribution.from_name(package)
    except ModuleNotFoundError:
        nearest = nearest_name(package, set(_installed()))
        hint = nearest if nearest.startswith("did") else "install it into this environment first"
        raise InputError(f"workflow.input.packages: {package!r} is not installed; {hint}") from None


def _installed() -> Iterator[str]:
    """The names of what is installed; the leftovers of a broken uninstall have none."""
    for found in distributions():
        # The backport importlib_metadata, once any library has loaded it, finds distributions here too and raises this
        # where the standard library's metadata is empty.
        with suppress(FileNotFoundError):
            yield from map(canonical_name, found.metadata.get_all("Name") or ())


def _sheet(
    metadata: PackageMetadata, files: Sequence[PackagePath], facts: PackageTruth, licences: Sequence[PackagePath]
) -> str:
    classifiers = [line.split(" :: ") for line in metadata.get_all("Classifier") or ()]
    pythons = [parts[-1] for parts in classifiers if parts[:2] == ["Programming Language", "Python"]]
    status = [parts[-1] for parts in classifiers if parts[0] == "Development Status"]
    entries = {
        "Name": facts.name,
        "Version": facts.version,
        "Summary": facts.summary,
        "License": facts.licence,
        "Requires-Python": facts.requires_python,
        "Dependencies": ", ".join(facts.dependencies) or NONE,
        "Maintainers": ", ".join(facts.maintainers) or NOT_STATED,
        "License files": ", ".join(path.name for path in licences) or NONE,
        "Python versions": _python_versions(pythons) or NOT_STATED,
        "Development status": ", ".join(status) or NOT_STATED,
        "Typed": "yes" if any(path.name == "py.typed" for path in files) else "no",
        "Files": str(len([path for path in files if path.suffix != ".pyc"])),
        # Last, because it may be long and the least is lost where a budget cuts it.
        "Extras": ", ".join(metadata.get_all("Provides-Extra") or ()) or NONE,
    }
    return "\n".join(f"{field}: {value}" for field, value in entries.items())


def _python_versions(classified: Sequence[str]) -> str:
    """The minor versions among the classifiers, from first to last where none between is left out."""
    minors = [int(version[2:]) for version in classified if re.fullmatch(r"3\.\d+", version)]
    if len(minors) > 2 and sorted(minors) == list(range(min(minors), max(minors) + 1)):
        return f"3.{min(minors)} to 3.{max(minors)}"
    return ", ".join(f"3.{minor}" for minor in minors)


def _description(metadata: PackageMetadata) -> str:
    text = "\n".join(metadata.get_all("Description") or ())
    for pattern in _DECORATION:
        text = pattern.sub("", text)
    return _BLANK_LINES.sub("\n\n", text).strip() or "The package has no description."


def _licence_files(files: Sequence[PackagePath]) -> list[PackagePath]:
    found = [
        path
        for path in files
        if _LICENCE_FILE.search(path.name) and path.parts[0].endswith((".dist-info", ".egg-info"))
    ]
    return sorted(found, key=str)


def _licence_text(licences: Sequence[PackagePath], max_chars: int) -> str:
    texts: list[str] = []
    left = max_chars
    for path in licences:
        # A file that the record names may have been removed by whoever packed the environment.
        located = Path(str(path.locate()))
        if left > 0 and located.is_file():
            text = located.read_text(encoding="utf-8", errors="replace")[:left]
            texts.append(text.strip())
            left -= len(text)
    return "\n\n".join(texts) or "The package has no licence file."
