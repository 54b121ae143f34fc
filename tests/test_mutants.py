# The mutants themselves: each must still break what it says, or `make mutants` proves nothing.

import ast

import pytest

from integrations.langchain.tests import mutants as langchain
from integrations.llama_index.tests import mutants as llama_index
from tests import mutants as core
from tests.torture import mutants as torture

MUTANTS = [*core.MUTANTS, *(mutant for some in torture.MUTANTS.values() for mutant in some)]
MUTANTS += [*langchain.MUTANTS, *llama_index.MUTANTS]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.breaks)
def test_what_a_mutant_replaces_stands_exactly_once_and_leaves_python(mutant):
    ast.parse(mutant.code())  # refuses what does not stand there exactly once
