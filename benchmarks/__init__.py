"""How fast fieldstore is, beside what one would use instead; `make bench` or `python -m benchmarks`."""

import os

# One thread each, or numpy would be compared with two or more of itself. Read when numpy is first imported: after this.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows of words as aligned lines, the first of them the heading; numbers go to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *values in rows:
        cells = [value.rjust(width) for value, width in zip(values, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *cells]))
    return "\n".join(lines)
