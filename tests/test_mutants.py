# The mutants themselves: each must still break what it says, or `make mutants` proves nothing.

import ast

import pytest

from tests.mutants import MUTANTS, ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.breaks)
def test_what_a_mutant_replaces_stands_exactly_once_and_leaves_python(mutant):
    code = (ROOT / mutant.file).read_text()
    assert code.count(mutant.old) == 1
    ast.parse(code.replace(mutant.old, mutant.new))
