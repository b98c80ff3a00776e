"""The same run at two revisions of a git repository, in interleaved blocks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from optiflow.errors import ConfigurationError, RunFailedError, StoreVersionError
from optiflow.record.schema import RunRecord
from optiflow.record.store import RecordStore
from optiflow.settings import Settings

__all__ = ["is_revision", "run_revisions"]


def is_revision(name: str, folder: Path) -> bool:
    """Whether git knows a commit by this name."""
    return _git(folder, "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}").returncode == 0


def run_revisions(
    first: str,
    second: str,
    overrides: Sequence[str],
    settings: Settings,
    *,
    folder: Path,
    blocks: int,
    say: Callable[[str], None] = lambda _text: None,
) -> tuple[list[RunRecord], list[RunRecord]]:
    """Run a configuration at two revisions, each in a checkout and processes of its own.

    The order turns round from block to block. What is not committed does not take part. Each revision writes to a
    store of its own, for which another version of OptiFlow may have another schema; the records of the runs that are
    compared are then taken over into ours.

    Args:
        first: A commit, as git names it.
        second: Another.
        overrides: What is run, as for the main job.
        settings: Where records go.
        folder: Inside the repository.
        blocks: Times that each is run.
        say: Told what is going on.

    Returns:
        The records of each, by block.

    Raises:
        ConfigurationError: The folder is in no repository, or a revision writes records that we are too old to read.
        RunFailedError: A run failed.
    """
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top.returncode:
        raise ConfigurationError(f"compare: {folder} is in no git repository")
    below = folder.resolve().relative_to(Path(top.stdout.strip()).resolve())
    made: dict[str, list[str]] = {first: [], second: []}
    with _checkout(folder, first) as at_first, _checkout(folder, second) as at_second:
        places = {first: at_first, second: at_second}
        for block in range(blocks):
            for revision in (first, second) if block % 2 == 0 else (second, first):
                say(f"block {block}: {revision}")
                made[revision].append(_run(places[revision], below, revision, overrides))
        # Only now: opened by us, a store of an older schema is brought up to ours, and shut to the revision.
        records = {revision: _taken(places[revision], revision, ids) for revision, ids in made.items()}
    with closing(RecordStore(settings.store_url)) as store:
        store.save_all([*records[first], *records[second]])
    return records[first], records[second]


@contextmanager
def _checkout(folder: Path, revision: str) -> Iterator[Path]:
    """A temporary folder with the revision in ``checkout``, and room for its store."""
    with tempfile.TemporaryDirectory(prefix="optiflow-") as temporary:
        place = Path(temporary) / "checkout"
        made = _git(folder, "worktree", "add", "--quiet", "--detach", str(place), revision)
        if made.returncode:
            raise ConfigurationError(f"compare: git can't check out {revision!r}: {made.stderr.strip()}")
        try:
            yield Path(temporary)
        finally:
            _git(folder, "worktree", "remove", "--force", str(place))


def _run(place: Path, below: Path, revision: str, overrides: Sequence[str]) -> str:
    command = [sys.executable, "-m", "optiflow", *overrides, "report=json"]
    folder = place / "checkout" / below
    environment = os.environ | {
        "OPTIFLOW_STORE": _store_url(place),
        "OPTIFLOW_HOME": str(place / "home"),
        # A package of the repository itself is taken from the checkout, not from where it is installed.
        "PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))),
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    try:
        record_id: str = json.loads(done.stdout)["record_id"]
    except (ValueError, KeyError) as error:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise RunFailedError(f"compare: the run at {revision} failed: {said}") from error
    return record_id


def _taken(place: Path, revision: str, ids: Sequence[str]) -> list[RunRecord]:
    try:
        with closing(RecordStore(_store_url(place))) as store:
            return [store.get(record_id) for record_id in ids]
    except StoreVersionError as error:
        raise ConfigurationError(
            f"compare: {revision!r} keeps its records as a newer OptiFlow does than this one: run compare there"
        ) from error


def _store_url(place: Path) -> str:
    return f"sqlite:///{place / 'records.sqlite'}"


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
