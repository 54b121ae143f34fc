# The examples that are programs of their own run as they are, in a small size.

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_founding_experiment_shows_what_it_claims_beside_faiss():
    command = [sys.executable, str(ROOT / "examples/destructive_interference.py"), "--points", "2000"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    rows = [line.split("|") for line in printed.splitlines() if re.match(r" +[\d,]+ +\|", line)]
    assert [row[0].strip() for row in rows] == ["42", "1,000"]  # of the five targets, those below 2,000
    for _, selected, felt in rows:
        rank, rank_after, similarity, similarity_after = re.findall(r"[\d.]+", selected)
        assert (rank, rank_after) == ("1", "1")  # FAISS: inserting -v changes nothing
        assert similarity == similarity_after
        assert "1 -> 0 " in felt
        assert "bit for bit" in felt
        assert felt.rstrip().endswith("yes")
        phi, phi_after = (float(word) for word in re.search(r"([\d.]+) -> ([\d.e-]+) +bit", felt).groups())
        assert (round(phi, 6), phi_after < 1e-20) == (1.0, True)
        arrives, arrives_after = (float(word) for word in re.search(r"bit +([\d.]+) -> ([\d.]+)", felt).groups())
        assert arrives > 0.9999
        assert arrives_after < 0.7
    assert "verify: all is well" in printed
