"""What is printed in the README and in the class's docstring runs as printed, in order, and prints what it says."""

import contextlib
import inspect
import io
import re
from pathlib import Path
from typing import Any

import pytest

from langchain_fieldstore import FieldVectorStore

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
DOCSTRING = "\n".join(line.removeprefix("    ") for line in inspect.getdoc(FieldVectorStore).split("\n"))  # type: ignore[union-attr]
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\s*^```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [README, DOCSTRING], ids=["README", "docstring"])
def test_every_example_runs_as_printed(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(page)
    assert len(blocks) == page.count("```python") >= 5
    names: dict[str, Any] = {"__name__": "example"}
    for code, printed in blocks:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(code, "example", "exec"), names)
        assert output.getvalue() == printed, code
    names["vector_store"].close()
