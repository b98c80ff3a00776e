"""A third party's toggle, installed as a distribution of its own, in the main job."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from optiflow.optimizations.registry import preset
from optiflow.record.store import RecordStore
from optiflow.settings import get_settings

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "toggles.md").read_text(encoding="utf-8")


def _block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert found, f"docs/toggles.md shows no {language}"
    return found.group(1)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder for packages in which the toggle of the documentation is installed, as pip would leave it."""
    site = tmp_path / "site"
    (site / "my_package").mkdir(parents=True)
    (site / "my_package" / "__init__.py").touch()
    (site / "my_package" / "quiet.py").write_text(_block("python"))
    metadata = site / "my_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    entry = _block("toml").replace('[project.entry-points."optiflow.optimizations"]', "[optiflow.optimizations]")
    (metadata / "entry_points.txt").write_text(entry.replace('"', ""))
    return site


def _run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "optiflow", *arguments, "workflow.input.packages=[idna]"],
        cwd=site.parent,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_installed_toggle_is_run(installed: Path) -> None:
    """It is known by its name, takes part, and its statistics are on record."""
    done = _run(installed, "+opt=all", "+opt.quiet.enabled=true", "criteria=none")
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert f"toggles: {', '.join(sorted([*preset('all'), 'quiet']))}" in shown
    with closing(RecordStore(get_settings().store_url)) as store:
        record = store.newest()[0]
    assert record.toggles["quiet"] is True
    assert record.statistics["quiet"].keys() == {"silenced"}


def test_a_file_of_its_own_makes_it_an_option(installed: Path) -> None:
    """Chosen beside the project's own, with options from its file."""
    (installed / "conf" / "opt").mkdir(parents=True)
    (installed / "conf" / "opt" / "quiet.yaml").write_text("quiet:\n  enabled: true\n  category: UserWarning\n")
    done = _run(installed, "--config-dir", str(installed / "conf"), "+opt=[cache,quiet]", "criteria=none")
    assert done.returncode == 0, done.stderr
    assert "toggles: cache, quiet" in done.stdout


def test_its_options_are_validated(installed: Path) -> None:
    """As any toggle's, with the path of the key."""
    done = _run(installed, "+opt.quiet.categorie=UserWarning")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "optiflow: opt.quiet.categorie: no such key; did you mean 'category'?\n"
