"""Judges a RunResult, alone or compared with another one: PASS, FAIL or INVALID."""

from loadsim.judge.objectives import DEFAULT_OBJECTIVE, objectives_of, parse_objective, texts_of
from loadsim.judge.validity import rules_of
from loadsim.judge.verdict import evaluate, exit_code
from loadsim.judge.vocabulary import Vocabulary, vocabulary_of, vocabulary_of_scenario

__all__ = [
    "DEFAULT_OBJECTIVE",
    "Vocabulary",
    "evaluate",
    "exit_code",
    "objectives_of",
    "parse_objective",
    "rules_of",
    "texts_of",
    "vocabulary_of",
    "vocabulary_of_scenario",
]
