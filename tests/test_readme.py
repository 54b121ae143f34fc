# The README runs as printed: its Python blocks in order, in one session, each against the output printed below it.

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"```python\n(.*?)```(?:\s*```text\n(.*?)```)?", re.DOTALL)


def program_of(section):
    """The blocks that someone runs who came for one section: the first of the page, and the section's own."""
    page = README.read_text()
    text = re.search(rf"^## {section}\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)[1]
    return [BLOCK.findall(page)[0], *BLOCK.findall(text)]


def run(blocks):
    """Execute the blocks in one session, which is returned; each must print what it says."""
    session: dict[str, object] = {}
    for code, printed in blocks:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, str(README), "exec"), session)
        assert said.getvalue() == printed, code
    return session


def test_every_block_of_the_readme_prints_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(README.read_text())
    assert len(blocks) >= 6
    run(blocks)["store"].close()


@pytest.mark.parametrize("section", ["LangChain", "LlamaIndex"])
def test_the_program_of_an_adapter_needs_the_first_one_and_nothing_between(section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(program_of(section))["store"].close()


def test_the_first_program_of_the_readme_has_at_most_twelve_lines():
    code = BLOCK.search(README.read_text())[1]
    assert sum(1 for line in code.splitlines() if line.strip()) <= 12
