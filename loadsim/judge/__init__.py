"""Decides pass, fail or invalid from a RunResult, alone or against another run."""

from loadsim.judge.evaluate import evaluate, exit_code
from loadsim.judge.objectives import objectives_of, parse_objective
from loadsim.judge.vocabulary import Vocabulary, vocabulary_of

__all__ = ["Vocabulary", "evaluate", "exit_code", "objectives_of", "parse_objective", "vocabulary_of"]
