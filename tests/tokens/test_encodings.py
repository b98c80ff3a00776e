"""Tests of encodings, their shipped ranks, and the length of texts."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiktoken
import tiktoken.load
from hypothesis import given, settings
from hypothesis import strategies as st

from optiflow import log
from optiflow.tokens import encodings

O200K = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"


@pytest.fixture
def fresh_patch(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Give tiktoken as it was before `use_shipped_rank_files`, with downloads noted instead of made."""
    downloads: list[str] = []

    def download(blobpath: str, expected_hash: str | None = None) -> bytes:
        downloads.append(blobpath)
        return b"downloaded"

    monkeypatch.setattr(tiktoken.load, "read_file_cached", download)
    encodings.use_shipped_rank_files.cache_clear()
    yield downloads
    encodings.use_shipped_rank_files.cache_clear()


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged."""
    stream = io.StringIO()
    log.configure("INFO", stream)
    yield stream
    log.configure()


def test_tiktoken_itself_works_without_a_network() -> None:
    """In a fresh process without a network, tiktoken finds its ranks, and the environment stays as it was."""
    program = """
import os, socket
def refuse(*_): raise OSError("no network")
socket.socket.connect = refuse
before = dict(os.environ)
from optiflow.tokens import use_shipped_rank_files
use_shipped_rank_files()
import tiktoken
for name in ("o200k_base", "cl100k_base", "o200k_harmony"):
    print(tiktoken.get_encoding(name).encode("hello world"))
print(before == dict(os.environ))
"""
    environment = {key: value for key, value in os.environ.items() if "CACHE_DIR" not in key}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines() == ["[24912, 2375]", "[15339, 1917]", "[24912, 2375]", "True"]


def test_only_files_of_the_very_digest_are_served(fresh_patch: list[str]) -> None:
    """Another digest, or none, is fetched as before; installing twice changes nothing."""
    encodings.use_shipped_rank_files()
    installed = tiktoken.load.read_file_cached
    encodings.use_shipped_rank_files()
    assert tiktoken.load.read_file_cached is installed
    assert tiktoken.load.read_file_cached("https://host/o200k_base.tiktoken", O200K).startswith(b"IQ== 0\n")
    assert tiktoken.load.read_file_cached("https://host/other", "1" * 64) == b"downloaded"
    assert tiktoken.load.read_file_cached("https://host/o200k_base.tiktoken") == b"downloaded"
    assert fresh_patch == ["https://host/other", "https://host/o200k_base.tiktoken"]


def test_a_damaged_file_is_downloaded(
    fresh_patch: list[str], lines: io.StringIO, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A shipped file that is not what it should be is not used, and that is said."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "o200k_base.tiktoken").write_bytes(b"IQ== 1\n")
    monkeypatch.setattr(encodings.resources, "files", lambda _package: tmp_path)
    encodings.use_shipped_rank_files()
    assert tiktoken.load.read_file_cached("https://host/ranks", O200K) == b"downloaded"
    assert "file=o200k_base.tiktoken" in lines.getvalue()


@pytest.mark.parametrize(
    ("model", "name"), [("gpt-4o", "o200k_base"), ("gpt-4-0613", "cl100k_base"), ("gpt-2", "gpt2")]
)
def test_known_models_have_tiktokens_encoding(model: str, name: str) -> None:
    """What tiktoken knows is taken from it."""
    assert encodings.encoding_name(model) == name


def test_an_unknown_model_warns_once(lines: io.StringIO) -> None:
    """An unknown model counts as o200k_base, which is said once."""
    encodings.encoding_name.cache_clear()
    assert [encodings.encoding_name("somebody's-model") for _ in range(3)] == ["o200k_base"] * 3
    assert lines.getvalue().count("level=warning") == 1
    assert "somebody's-model" in lines.getvalue()


@settings(deadline=None)
@given(st.text())
def test_length_is_that_of_the_encoding(text: str) -> None:
    """Any text of ordinary length counts as tiktoken encodes it."""
    encodings.use_shipped_rank_files()
    encoding = tiktoken.get_encoding("o200k_base")
    assert encodings.encoded_length(encoding, text) == len(encoding.encode_ordinary(text))


def test_special_tokens_and_surrogates_count_as_text() -> None:
    """Text that looks special, or is no valid Unicode, counts and raises nothing."""
    encodings.use_shipped_rank_files()
    encoding = tiktoken.get_encoding("o200k_base")
    assert encodings.encoded_length(encoding, "<|endoftext|>") == 7
    assert encodings.encoded_length(encoding, "\ud800") == encodings.encoded_length(encoding, "\ufffd")
    assert encodings.encoded_length(encoding, "") == 0


def test_a_huge_text_counts_in_pieces() -> None:
    """Five million blanks, on which tiktoken alone panics, and five million characters of prose count."""
    encodings.use_shipped_rank_files()
    encoding = tiktoken.get_encoding("o200k_base")
    assert 0 < encodings.encoded_length(encoding, " " * 5_000_000) < 5_000_000
    prose = "The quick brown fox jumps over the lazy dog. " * 20_000
    whole = len(encoding.encode_ordinary(prose))
    assert abs(encodings.encoded_length(encoding, prose) - whole) <= 2


def test_is_built_tells_what_the_process_has() -> None:
    """A tokenizer is built once somebody has asked for it, whoever that was."""
    encodings.use_shipped_rank_files()
    tiktoken.get_encoding("o200k_base")
    assert encodings.is_built("o200k_base")
    assert not encodings.is_built("no-such-encoding")


def test_installing_from_many_threads_is_harmless(fresh_patch: list[str]) -> None:
    """However often it is installed, files are served and downloads pass."""
    threads = [threading.Thread(target=encodings.use_shipped_rank_files) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tiktoken.load.read_file_cached("https://host/ranks", O200K)) > 1_000_000
    assert fresh_patch == []
