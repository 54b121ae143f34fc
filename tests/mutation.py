"""What `make mutants` does: break a copy of the code, one thing at a time, and see the tests go red.

The untouched copy runs first, and must be green. A mutant that no test notices is a hole in the tests.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("fieldstore", "integrations", "tests", "pyproject.toml")
ON_PATH = ("integrations/langchain", "integrations/llama_index")  # before the editable installs, which stay whole


class Mutant(NamedTuple):
    """What is broken; the file; what is replaced, and by what. The old text stands exactly once in the file."""

    breaks: str
    file: str
    old: str
    new: str

    def code(self, tree: Path = ROOT) -> str:
        """The file of a tree as the mutant leaves it."""
        code = (tree / self.file).read_text()
        if code.count(self.old) != 1:
            raise ValueError(f"{self.file} no longer holds, exactly once:\n{self.old}")
        return code.replace(self.old, self.new)


def unnoticed(mutants: Sequence[Mutant], tests: Sequence[str]) -> int:
    """Try every mutant against these test files, and print what became of it; how many no test noticed."""
    green = 0
    for mutant in [None, *mutants]:
        with tempfile.TemporaryDirectory() as scratch:
            tree = _copy(Path(scratch))
            if mutant is not None:
                (tree / mutant.file).write_text(mutant.code(tree))
            result = _run(tree, tests)
        red = [line for line in result.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        if mutant is None:
            if result.returncode != 0:
                raise SystemExit(f"red without any mutant:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
            continue
        noticed = result.returncode == 1 and bool(red)
        green += not noticed
        why = next((line[1:].strip() for line in result.stdout.splitlines() if line.startswith("E  ")), "")
        print(f"{'red  ' if noticed else 'GREEN'}  {mutant.breaks}", flush=True)
        print(f"       {red[0].split(' - ')[0] if red else ''}\n       {why[:150]}", flush=True)
    print(f"{len(mutants) - green} of {len(mutants)} mutants were noticed")
    return green


def _copy(tree: Path) -> Path:
    for name in COPIED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, tree / name)
    return tree


def _run(tree: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The tests in a tree, until the first failure."""
    path = [*(str(tree / folder) for folder in ON_PATH), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
