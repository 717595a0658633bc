"""The nudge: what a method leaves, how it answers, and the solver that a model becomes with it."""

from modicum.nudge.answering import GREEDY, Answering, Asking, Decoding, Direct
from modicum.nudge.folder import NO_SHELF, Shelf, write_folder, write_shared
from modicum.nudge.rules import Surest, TwoStages, Vote
from modicum.nudge.value import Change, Nudge, Solver, read_nudge, weight_bytes

__all__ = [
    "GREEDY",
    "NO_SHELF",
    "Answering",
    "Asking",
    "Change",
    "Decoding",
    "Direct",
    "Nudge",
    "Shelf",
    "Solver",
    "Surest",
    "TwoStages",
    "Vote",
    "read_nudge",
    "weight_bytes",
    "write_folder",
    "write_shared",
]
