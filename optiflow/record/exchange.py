"""Records out of a store and into one: JSON Lines, Parquet, tables of figures, and runs of MLflow."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from optiflow.errors import ConfigurationError, InputError
from optiflow.extras import require
from optiflow.record.schema import RunRecord

__all__ = ["FORMATS", "TABLE", "export_mlflow", "export_records", "import_records"]

FORMATS = (".jsonl", ".parquet")
"""Endings of the files that hold whole records."""

TABLE = ".csv"
"""Ending of a table of figures, which holds no text of any run."""

_COLUMNS = ("record_id", "status", "workflow", "sweep_id", "block", "position", "started_at", "comparison_key", "clock")
_BATCH = 500


def export_records(records: Iterable[RunRecord], path: Path) -> int:
    """Write records to a file; a file that is there already is replaced once all is written.

    A Parquet file has a column for each figure, for whoever analyses them elsewhere, and the whole record as JSON,
    from which it can be imported again. A table (CSV) has the figures alone: nothing that a run read or wrote.

    Returns:
        How many were written.

    Raises:
        ConfigurationError: The ending is not understood, or Parquet's library is not installed.
        OSError: The file can't be written.
    """
    _check(path, (*FORMATS, TABLE))
    partial = path.with_name(f"{path.name}.part")
    write = {".parquet": _write_parquet, TABLE: _write_table}.get(path.suffix, _write_lines)
    try:
        count = write(records, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def import_records(path: Path) -> Iterator[RunRecord]:
    """The records of a file that `export_records` wrote.

    Raises:
        ConfigurationError: The ending is not understood, or Parquet's library is not installed.
        InputError: The file is missing, or something in it is no record.
    """
    _check(path, FORMATS)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    texts = _parquet_texts(path) if path.suffix == ".parquet" else _lines(path)
    for number, text in enumerate(texts, start=1):
        try:
            yield RunRecord.model_validate_json(text)
        except ValidationError as error:
            reason = error.errors()[0]
            place = ".".join(map(str, reason["loc"])) or "the top"
            raise InputError(f"{path}: record {number} is damaged at {place}: {reason['msg']}") from error


def export_mlflow(records: Iterable[RunRecord], experiment: str, tracking_uri: str | None) -> int:
    """Log records as runs of MLflow, so that teams see them where they look already.

    What was exported before is not exported again.

    Args:
        records: What is exported; a run that did not end is left out.
        experiment: Name of the experiment in MLflow.
        tracking_uri: Where MLflow keeps its runs; None: what ``MLFLOW_TRACKING_URI`` says.

    Returns:
        How many runs were added.

    Raises:
        ConfigurationError: The extra ``mlflow`` is not installed.
    """
    mlflow: Any = require("mlflow", "mlflow", "records mlflow")
    entities: Any = require("mlflow.entities", "mlflow", "records mlflow")
    from optiflow.analysis.figures import figures

    client = mlflow.MlflowClient(tracking_uri=tracking_uri)
    found = client.get_experiment_by_name(experiment)
    experiment_id = client.create_experiment(experiment) if found is None else found.experiment_id
    added = 0
    for record in records:
        if record.status not in {"ok", "failed"} or record.timings is None:
            continue
        known = f"tags.optiflow_record = '{record.record_id}'"
        if client.search_runs([experiment_id], filter_string=known, max_results=1):
            continue
        started = int(record.started_at.timestamp() * 1000)
        ended = int((record.ended_at or record.started_at).timestamp() * 1000)
        tags = {"optiflow_record": record.record_id, "workflow": record.workflow}
        run = client.create_run(experiment_id, start_time=started, tags=tags, run_name=record.record_id[:12])
        shown = figures(record)
        client.log_batch(
            run.info.run_id,
            metrics=[
                entities.Metric(name, float(value), started, 0)
                for name, value in shown.items()
                if isinstance(value, int | float)
            ],
            params=[entities.Param(f"opt.{name}", str(on).lower()) for name, on in record.toggles.items()],
        )
        client.set_terminated(run.info.run_id, "FINISHED" if record.status == "ok" else "FAILED", end_time=ended)
        added += 1
    return added


def _check(path: Path, endings: tuple[str, ...]) -> None:
    if path.suffix not in endings:
        raise ConfigurationError(f"{path}: expected a file that ends in {' or '.join(endings)}")


def _write_lines(records: Iterable[RunRecord], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(f"{record.model_dump_json()}\n")
            count += 1
    return count


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.strip())
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no file of records: {error}") from error


def _write_table(records: Iterable[RunRecord], path: Path) -> int:
    # Words that toggles report, such as where something blocked, are of the machine and the code.
    told = {*_COLUMNS, "grade"}
    rows = [
        {name: value for name, value in _flat(record).items() if name in told or not isinstance(value, str)}
        for record in records
    ]
    columns = _columns(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return len(columns["record_id"])


def _write_parquet(records: Iterable[RunRecord], path: Path) -> int:
    arrow: Any = require("pyarrow", "experiments", "a Parquet file")
    parquet: Any = require("pyarrow.parquet", "experiments", "a Parquet file")
    rows = [{**_flat(record), "record": record.model_dump_json()} for record in records]
    parquet.write_table(arrow.table(_columns(rows) if rows else {"record": arrow.array([], arrow.string())}), path)
    return len(rows)


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """A figure that only some runs have is empty in the others."""
    names = dict.fromkeys((*_COLUMNS, *(name for row in rows for name in row)))
    return {name: [row.get(name) for row in rows] for name in names}


def _parquet_texts(path: Path) -> Iterator[str]:
    parquet: Any = require("pyarrow.parquet", "experiments", "a Parquet file")
    arrow: Any = require("pyarrow", "experiments", "a Parquet file")
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=["record"]):
                yield from batch.column(0).to_pylist()
    except (arrow.ArrowInvalid, KeyError) as error:
        raise InputError(f"{path}: no Parquet file of records: {str(error).splitlines()[0]}") from error


def _flat(record: RunRecord) -> dict[str, Any]:
    from optiflow.analysis.figures import figures

    shown = {} if record.timings is None else figures(record)
    return {
        **{name: getattr(record, name) for name in _COLUMNS},
        **{f"opt.{name}": on for name, on in record.toggles.items()},
        **shown,
    }
