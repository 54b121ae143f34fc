"""Follow the READMEs, ours and the first page's program, as a newcomer: a fresh clone and environment, a store beside.

    python -m integrations.llama_index.tests.newcomer [-e] [OTHER]       (in the environment of `make test`)

Clones what is committed, installs it by the README's own command (with -e: editable), and OTHER with it, which is
llama-index-vector-stores-duckdb if not given; imports both stores at once; runs the programs as printed, and compares
what they print. It is no test of pytest because it installs some 700 MB.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.test_readme import BLOCK, README, program_of

INSTALL = "pip install . ./integrations/llama_index "  # as the README has it
OURS = Path(__file__).resolve().parents[1] / "README.md"
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
    programs = {"first page": program_of("LlamaIndex"), "ours": BLOCK.findall(OURS.read_text())}
    ours, other = (f"llama_index.vector_stores.{name}" for name in ("fieldstore", arguments.other.removeprefix(PREFIX)))
    with tempfile.TemporaryDirectory() as scratch:
        clone, python = Path(scratch) / "fieldstore", Path(scratch) / "venv/bin/python"
        _run("git", "clone", "--quiet", str(README.parent), str(clone), cwd=scratch)
        _run(sys.executable, "-m", "venv", str(python.parents[1]), cwd=scratch)
        _run(str(python), "-m", "pip", "install", "--quiet", *packages, cwd=clone)
        _run(str(python), "-m", "pip", "install", "--quiet", arguments.other, "pytest", cwd=clone)
        for first, second in ((ours, other), (other, ours)):
            _run(str(python), "-c", f"import {first}, {second}, llama_index.core", cwd=scratch)
        wrong = []
        for name, blocks in programs.items():
            folder = Path(scratch) / name.replace(" ", "-")
            folder.mkdir()
            (folder / "program.py").write_text("".join(code for code, _ in blocks))
            said = _run(str(python), "program.py", cwd=folder)
            expected = "".join(printed for _, printed in blocks)
            print(said, end="")
            print("as printed" if said == expected else f"NOT as printed, which is:\n{expected}")
            wrong += [name] if said != expected else []
    return len(wrong)


def _run(*command: str, cwd: str | Path) -> str:
    print("$", *command, flush=True)
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    raise SystemExit(main())
