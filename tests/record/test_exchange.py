"""Records to files and back, and to MLflow."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optiflow.errors import ConfigurationError, InputError
from optiflow.record.exchange import export_mlflow, export_records, import_records
from optiflow.record.schema import RunRecord

Make = Callable[..., RunRecord]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_there_and_back(tmp_path: Path, finished_record: Make, ending: str) -> None:
    """Whole records, failed ones too."""
    records = [
        finished_record(statistics={"cache": {"count_hits": 3}}),
        finished_record(runtime_s=4.0, grade=None),
        finished_record(status="failed", timings=None, tokens=None, memory=None, output=None),
    ]
    path = tmp_path / f"records.{ending}"
    assert export_records(records, path) == 3
    assert list(import_records(path)) == records
    assert [each.name for each in tmp_path.glob("*.part")] == []


def test_parquet_has_a_column_for_each_figure(tmp_path: Path, finished_record: Make) -> None:
    """For whoever reads it without us."""
    import pyarrow.parquet

    export_records(
        [finished_record(statistics={"cache": {"count_hits": 3}}), finished_record()], tmp_path / "r.parquet"
    )
    columns = pyarrow.parquet.read_table(tmp_path / "r.parquet").to_pydict()
    assert columns["runtime_s"] == [10.0, 10.0]
    assert columns["cache.count_hits"] == [3, None]
    assert columns["opt.cache"] == [False, False]


def test_a_table_has_figures_and_no_text(tmp_path: Path, finished_record: Make) -> None:
    """One line a run, with what every spreadsheet can read, and nothing of what the run wrote."""
    records = [finished_record(statistics={"cache": {"count_hits": 3, "where": "/home/me/app.py"}}), finished_record()]
    path = tmp_path / "r.csv"
    assert export_records(records, path) == 2
    first, second = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    assert (first["runtime_s"], first["cache.count_hits"], second["cache.count_hits"]) == ("10.0", "3", "")
    text = records[0].output.text if records[0].output else None
    assert text
    assert text not in path.read_text(encoding="utf-8")
    assert "app.py" not in path.read_text(encoding="utf-8")
    assert export_records([], path) == 0
    assert path.read_text(encoding="utf-8").startswith("record_id,status,")


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_nothing_to_export(tmp_path: Path, ending: str) -> None:
    """An empty file, which can be read."""
    path = tmp_path / f"records.{ending}"
    assert export_records([], path) == 0
    assert list(import_records(path)) == []


def test_an_export_that_fails_leaves_what_was_there(tmp_path: Path, finished_record: Make) -> None:
    """The old file stays whole."""
    path = tmp_path / "records.jsonl"
    export_records([finished_record()], path)
    before = path.read_bytes()

    def broken() -> Any:
        yield finished_record()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        export_records(broken(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("r.jsonl", b"\xff\xfe", InputError, "no file of records"),
        ("r.csv", b"record_id", ConfigurationError, "expected a file that ends in .jsonl or .parquet"),
        (
            "r.jsonl",
            b'{"schema_version": 99}',
            InputError,
            "has schema version 99, this OptiFlow knows 1: update OptiFlow",
        ),
        ("r.txt", b"", ConfigurationError, r"ends in \.jsonl or \.parquet"),
        ("r.jsonl", None, InputError, "no such file"),
        ("r.jsonl", b'{"record_id": 1}\n', InputError, "record 1 is damaged at "),
        ("r.jsonl", b"not json\n", InputError, "record 1 is damaged at the top"),
        ("r.parquet", b"not parquet", InputError, "no Parquet file of records"),
    ],
)
def test_files_that_can_t_be_read(
    tmp_path: Path, name: str, content: bytes | None, error: type[Exception], message: str
) -> None:
    """One line: what and where."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=message):
        list(import_records(path))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning")
def test_mlflow(tmp_path: Path, finished_record: Make) -> None:
    """Figures and toggles of runs that ended, each once however often it is exported."""
    import mlflow

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    records = [finished_record(), finished_record(runtime_s=5.0), finished_record(status="running", timings=None)]
    assert export_mlflow(records, "trial", uri) == 2
    assert export_mlflow(records, "trial", uri) == 0
    client = mlflow.MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("trial").experiment_id])
    assert sorted(run.data.metrics["runtime_s"] for run in runs) == [5.0, 10.0]
    assert {run.data.params["opt.cache"] for run in runs} == {"false"}
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_from_the_command_line(
    tmp_path: Path, finished_record: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of one store and into another."""
    from optiflow.cli import main
    from optiflow.record.store import RecordStore
    from optiflow.settings import get_settings

    record = finished_record()
    RecordStore(get_settings().store_url).save(record)
    path = tmp_path / "all.jsonl"
    assert main(["records", "export", str(path)]) == 0
    assert json.loads(path.read_text())["record_id"] == record.record_id
    monkeypatch.setenv("OPTIFLOW_STORE", f"sqlite:///{tmp_path / 'other.sqlite'}")
    get_settings.cache_clear()
    assert main(["records", "import", str(path)]) == 0
    assert RecordStore(get_settings().store_url).get(record.record_id) == record
    assert capsys.readouterr().out.splitlines() == [
        f"1 records written to {path}",
        f"1 records taken in from {path}",
    ]


@pytest.mark.parametrize("arguments", [[], ["frob"], ["export"], ["import", "a", "b"], ["mlflow", "a", "b"]])
def test_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The usage, exit code 2."""
    from optiflow.cli import main

    assert main(["records", *arguments]) == 2
    assert "usage: python -m optiflow records" in capsys.readouterr().err
