"""How fast fieldstore is, beside what one would use instead; `make bench` or `python -m benchmarks`."""

import os

# One thread each, or numpy would be compared with two or more of itself. Read when numpy is first imported: after this.
# Who builds with two threads says so through `timing.threads`.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"
os.environ["LANCE_CPU_THREADS"] = "1"
os.environ["ANONYMIZED_TELEMETRY"] = "False"  # Chroma's
