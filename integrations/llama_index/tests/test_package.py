"""The package beside others of the same namespace, and the README as printed."""

import contextlib
import importlib
import io
import os
import pkgutil
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import llama_index.core
import llama_index.vector_stores
import pytest
from hatchling.builders.wheel import WheelBuilder

from llama_index.vector_stores.fieldstore import FieldQueryResult, FieldVectorStore

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\s*^```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)


def test_the_shared_folders_have_no_init_file() -> None:
    """A stray one breaks `import llama_index.core` for the whole environment, or hides the other stores."""
    assert (ROOT / "llama_index" / "vector_stores" / "fieldstore" / "__init__.py").exists()
    for folder in (ROOT / "llama_index", ROOT / "llama_index" / "vector_stores"):
        assert [file.name for file in folder.iterdir() if file.is_file()] == []


def test_the_wheel_holds_the_package_and_nothing_of_the_shared_folders(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        files = [name for name in archive.namelist() if ".dist-info/" not in name]
    own = "llama_index/vector_stores/fieldstore/"
    assert own + "__init__.py" in files
    assert own + "py.typed" in files
    assert [name for name in files if not name.startswith(own)] == []


def test_core_and_all_installed_stores_import_side_by_side() -> None:
    """Ours here is the editable install."""
    assert llama_index.core.__file__
    installed = {module.name for module in pkgutil.iter_modules(llama_index.vector_stores.__path__)}
    assert installed >= {"faiss", "fieldstore"}
    for name in sorted(installed):
        assert importlib.import_module(f"llama_index.vector_stores.{name}").__file__
    assert getattr(llama_index.vector_stores, "__file__", None) is None
    module = importlib.import_module("llama_index.vector_stores.fieldstore")
    assert module.__all__ == ["FieldQueryResult", "FieldRetriever", "FieldVectorStore", "PastVectorStore"]
    assert (module.FieldQueryResult, module.FieldVectorStore) == (FieldQueryResult, FieldVectorStore)
    assert (Path(str(module.__file__)).parent / "py.typed").exists()


def test_the_wheel_imports_beside_core_and_another_store(tmp_path: Path) -> None:
    """Its files alone, in a process of their own; newcomer.py installs it, too, in an environment of its own."""
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = (
        "import llama_index.vector_stores.faiss, llama_index.core\n"
        "import llama_index.vector_stores.fieldstore as ours, llama_index.vector_stores.fieldstore.testing\n"
        "print(ours.__file__, ours.FieldVectorStore().class_name())\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(tmp_path / "site/llama_index/vector_stores/fieldstore/__init__.py"), "FieldVectorStore"]


def test_every_example_of_the_readme_runs_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(page)
    assert len(blocks) == page.count("```python") >= 10
    session: dict[str, Any] = {"__name__": "example"}
    for code, printed in blocks:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(code, "README.md", "exec"), session)
        assert output.getvalue() == printed, code
    session["vector_store"].close()
