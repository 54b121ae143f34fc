# Torture in small, of what is not a failing disk: limits, damage, many processes, needles, any order of verbs, hostile
# input. `make torture` does the same by the thousand (tests/torture).

import pytest

from tests.torture import runner


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("F6", 12),
        ("F7", 200),
        ("F9", 200),
        ("F10", 10),
        ("F11", 60),
        ("F12", 200),
        ("FUZZ_FILTERS", 400),
        ("FUZZ_METADATA", 120),
    ],
)
def test_want_damage_and_hostility_do_no_harm(name, count):
    figures, _ = runner.run((name, 7, count))
    assert figures.broken == ()
    assert figures.good
    assert figures.trials >= count
