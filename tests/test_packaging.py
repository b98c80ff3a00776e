"""The wheel, the lock file, and what is and is not in the repository."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")

pytest.importorskip("hatchling", reason="the wheel is built with hatchling, a development tool")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout with what is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel is installed, as pip unpacks it."""
    folder = tmp_path_factory.mktemp("site packages ü")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def _run(site: Path, folder: Path, *arguments: str, home: bool = True) -> subprocess.CompletedProcess[str]:
    """From a folder that is not the checkout; the installed copy comes before the checkout on the path."""
    where = "import sys, optiflow.cli as cli; print(cli.__file__, file=sys.stderr); sys.exit(cli.main())"
    # The copy's coverage would be counted as that of other files.
    left_out = ("COVERAGE", "COV_") if home else ("COVERAGE", "COV_", "OPTIFLOW_HOME")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return subprocess.run(
        [sys.executable, "-c", where, *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class TestWheel:
    def test_everything_that_is_needed_is_in_it(self, wheel: Path) -> None:
        """Modules, configuration, rank files, the marker of types, the licence; and nothing of a machine's own."""
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
        own = [*(ROOT / "optiflow").rglob("*.py"), *(ROOT / "conf").rglob("*.yaml")]
        expected = {
            f"optiflow/{path.relative_to(ROOT)}" if path.is_relative_to(ROOT / "conf") else str(path.relative_to(ROOT))
            for path in own
            if path.parent.name != "local"
        }
        assert expected <= names
        assert "optiflow/py.typed" in names
        assert {f"optiflow/tokens/data/{path.name}" for path in (ROOT / "optiflow/tokens/data").iterdir()} <= names | {
            "optiflow/tokens/data/__pycache__"
        }
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
        assert not [name for name in names if "__pycache__" in name or "local/default" in name or "tests/" in name]

    def test_its_metadata(self, wheel: Path) -> None:
        """Name, licence, Python, extras and the console script."""
        with zipfile.ZipFile(wheel) as archive:
            folder = next(name.split("/")[0] for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            metadata = email.message_from_bytes(archive.read(f"{folder}/METADATA"))
            scripts = archive.read(f"{folder}/entry_points.txt").decode()
        assert metadata["Name"] == "optiflow"
        assert metadata["License-Expression"] == "MIT"
        assert metadata["Requires-Python"] == ">=3.11"
        assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"]) >= {"all"}
        assert "optiflow = optiflow.cli:main" in scripts

    def test_help_of_the_installed_copy(self, site: Path, tmp_path: Path) -> None:
        """With the configuration inside the wheel."""
        done = _run(site, tmp_path, "--help")
        assert done.returncode == 0
        assert done.stderr.startswith(str(site)), "not the installed copy"
        assert "opt.cache.max_entries=65536" in done.stdout

    def test_the_main_job_of_the_installed_copy(self, site: Path, tmp_path: Path) -> None:
        """From an empty folder; the records go there and nothing else does."""
        folder = tmp_path / "empty folder"
        folder.mkdir()
        done = _run(site, folder, "+opt=all", "opt.async.blocking_threshold_ms=60000", home=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "PASS" in done.stdout
        assert [path.name for path in folder.iterdir()] == [".optiflow"]
        assert sorted(path.name for path in (folder / ".optiflow").iterdir()) == ["logs", "records.sqlite"]

    def test_a_folder_that_may_not_be_written_needs_a_home(self, site: Path, tmp_path: Path) -> None:
        """With OPTIFLOW_HOME elsewhere the working folder is left alone."""
        folder = tmp_path / "read only"
        folder.mkdir()
        folder.chmod(0o500)
        try:
            done = _run(site, folder, "workflow.input.packages=[idna]")
        finally:
            folder.chmod(0o700)
        assert done.returncode == 0, done.stderr
        assert list(folder.iterdir()) == []


class TestLock:
    def test_every_requirement_is_exact_and_hashed(self) -> None:
        """One version each, with at least one SHA-256."""
        entries = re.split(r"\n(?=\S)", LOCK.strip())
        entries = [entry for entry in entries if not entry.startswith("#")]
        assert len(entries) > 50
        for entry in entries:
            assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==[^\s;]+", entry), entry[:80]
            assert "--hash=sha256:" in entry, entry[:80]

    def test_no_index_is_named(self) -> None:
        """Whoever installs it chooses where from."""
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host| @ ", LOCK)

    def test_it_holds_what_the_project_asks_for(self) -> None:
        """Every direct dependency, of every extra and of development."""
        groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
        asked = [*PROJECT["dependencies"], *groups["dev"], *chain(*PROJECT["optional-dependencies"].values())]
        names = {re.match(r"[\w.-]+", each).group().lower() for each in asked} - {"optiflow"}  # type: ignore[union-attr]
        locked = {line.split("==")[0].split("[")[0].lower() for line in LOCK.splitlines() if "==" in line}
        assert names <= locked


def _files() -> list[Path]:
    """What is or will be under version control."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    return [path for name in listed if (path := ROOT / name).is_file()]


class TestRepository:
    """What is and is not in it."""

    def test_it_has_what_a_project_has(self) -> None:
        """At the top level."""
        for name in [
            "README.md",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "LICENSE",
            "langgraph.json",
            "debug_local.sh",
            ".ci/run",
            "docs/adr",
        ]:
            assert (ROOT / name).exists(), name
        assert (ROOT / "LICENSE").read_text().startswith("MIT License")

    def test_no_path_of_a_machine_is_in_it(self) -> None:
        """Neither somebody's home nor a folder of the machine that it was written on."""
        forbidden = re.compile(rb"(?<![\w.}])(?:/(?:home|Users)/(?!me/)\w+/|/root/)")
        for path in _files():
            if path.suffix not in {".tiktoken", ".png"} and path != Path(__file__):
                found = forbidden.search(path.read_bytes())
                assert not found, f"{path.relative_to(ROOT)}: {found and found.group().decode()}"
