"""Follow the README to its LlamaIndex program as a newcomer: a fresh clone, a fresh environment, another store beside.

    python -m integrations.llama_index.tests.newcomer [-e] [OTHER]       (in the environment of `make test`)

Clones what is committed, installs it by the README's own command (with -e: editable), and OTHER with it, which is
llama-index-vector-stores-duckdb if not given; imports both stores at once; runs the program as printed, and compares
what it prints. It is no test of pytest because it installs some 700 MB.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.test_readme import README, program_of

INSTALL = "pip install . ./integrations/llama_index "  # as the README has it
PREFIX = "llama-index-vector-stores-"


def main() -> int:
    """0 if everything is as the README says."""
    parser = argparse.ArgumentParser(description="Follow the README to its LlamaIndex program.")
    parser.add_argument("-e", "--editable", action="store_true", help="install editable instead of as wheels")
    parser.add_argument("other", nargs="?", default=PREFIX + "duckdb", help="the distribution of another store")
    arguments = parser.parse_args()
    assert f"\n{INSTALL}" in README.read_text()
    packages = INSTALL.split()[2:]
    if arguments.editable:
        packages = [word for package in packages for word in ("-e", package)]
    blocks = program_of("LlamaIndex")
    ours, other = (f"llama_index.vector_stores.{name}" for name in ("fieldstore", arguments.other.removeprefix(PREFIX)))
    with tempfile.TemporaryDirectory() as scratch:
        clone, python = Path(scratch) / "fieldstore", Path(scratch) / "venv/bin/python"
        _run("git", "clone", "--quiet", str(README.parent), str(clone), cwd=scratch)
        _run(sys.executable, "-m", "venv", str(python.parents[1]), cwd=scratch)
        _run(str(python), "-m", "pip", "install", "--quiet", *packages, cwd=clone)
        _run(str(python), "-m", "pip", "install", "--quiet", arguments.other, cwd=clone)
        for first, second in ((ours, other), (other, ours)):
            _run(str(python), "-c", f"import {first}, {second}, llama_index.core", cwd=scratch)
        program = Path(scratch) / "program.py"
        program.write_text("".join(code for code, _ in blocks))
        said = _run(str(python), str(program), cwd=scratch)
    expected = "".join(printed for _, printed in blocks)
    print(said, end="")
    print("as printed" if said == expected else f"NOT as printed, which is:\n{expected}")
    return int(said != expected)


def _run(*command: str, cwd: str | Path) -> str:
    print("$", *command, flush=True)
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    raise SystemExit(main())
