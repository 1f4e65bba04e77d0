"""Coverage-guided fuzzing of everything that reads a directory; runs where atheris is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

#: Run in a process of its own: atheris instruments the interpreter and ends it when the runs are done.
FUZZER = """
import sys
import atheris
with atheris.instrument_imports(include=["goldroot.zvm.directory"]):
    from goldroot.zvm.directory import Directory, check, differences, keyword_form, meaning, redact
    from goldroot.zvm.directory.asdata import entry_data
    from goldroot.zvm.directory.files import why_no_directory

def one(data):
    directory = Directory.parse(data)
    assert directory.to_bytes() == data
    why_no_directory(data, directory)
    redact.text(data)
    check(directory)
    for entry in directory.entries:
        entry_data(entry)
        meaning(entry)
        keyword_form(directory, entry)
        assert not differences(entry, entry)

atheris.Setup(sys.argv, one)
atheris.Fuzz()
"""
#: The fuzzer ends after so many runs or seconds, whichever comes first: a slow machine does less and does not fail.
RUNS, SECONDS = 20_000, 60


@pytest.mark.slow
def test_no_input_crashes_what_reads_a_directory(tmp_path: Path, modern_bytes: bytes) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for at, line in enumerate(modern_bytes.split(b"\n")):
        (corpus / str(at)).write_bytes(b"USER A B\n" + line + b"\n")
    (corpus / "all").write_bytes(modern_bytes)
    script = tmp_path / "fuzzer.py"
    script.write_text(FUZZER)
    command = [
        sys.executable,
        str(script),
        f"-runs={RUNS}",
        f"-max_total_time={SECONDS}",
        "-seed=1",
        "-max_len=2500",
        str(corpus),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done " in done.stderr
