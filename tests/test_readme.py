# The README runs as printed: its Python blocks in order, in one session, each against the output printed below it.

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"```python\n(.*?)```(?:\s*```text\n(.*?)```)?", re.DOTALL)


def test_every_block_of_the_readme_prints_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(README.read_text())
    assert len(blocks) >= 5
    session: dict[str, object] = {}
    for code, printed in blocks:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, str(README), "exec"), session)
        assert said.getvalue() == printed, code
    session["store"].close()
    session["vector_store"].close()


def test_the_first_program_of_the_readme_has_at_most_twelve_lines():
    code = BLOCK.search(README.read_text())[1]
    assert sum(1 for line in code.splitlines() if line.strip()) <= 12
