# Fresh Python processes that look at a store, as few as one and as many as eight.
#
# Rule: they import the same fieldstore as this process does.
"""Children."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import benchmarks
import fieldstore


def command(*words: str | Path, more: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """`python -m words`, spoken to through pipes; more: further environment variables."""
    roots = [str(Path(str(module.__file__)).parents[1]) for module in (benchmarks, fieldstore)]
    path = os.pathsep.join([*roots, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, words)],
        env={**os.environ, "PYTHONPATH": path, **(more or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer(*words: str | Path, more: Mapping[str, str] | None = None) -> Any:
    """What it prints, from JSON, once it has ended; None when it prints nothing. RuntimeError when it fails."""
    child = command(*words, more=more)
    said, _ = child.communicate()
    if child.returncode:
        raise RuntimeError(f"python -m {words[0]} ended with status {child.returncode}")
    return json.loads(said) if said.startswith(("{", "[")) else None


def at_once(commands: Sequence[tuple[str | Path, ...]]) -> list[Any]:
    """What each prints as its second line, all of them alive and past their first line when any prints it."""
    children = [command(*words) for words in commands]
    try:
        for child in children:
            _line(child)
        for child in children:
            _tell(child)
        return [json.loads(_line(child)) for child in children]
    finally:
        for child in children:
            child.communicate()


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise RuntimeError("a reader ended before it was done")
    return line


def _tell(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("go on\n")
    child.stdin.flush()
