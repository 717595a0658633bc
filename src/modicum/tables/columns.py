"""Which column of a user's table is what: guessed by name where it is not said, decided for all rows."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from modicum.errors import ConfigError, UnknownNameError
from modicum.tables.cells import OddCellError, is_blank, turns
from modicum.tables.records import Row

__all__ = [
    "NEAR",
    "NONE",
    "TURN",
    "Choices",
    "Columns",
    "choose_columns",
    "guesses",
    "plain_name",
    "shown_names",
]

NONE = "none"
"""What a user names instead of a column where there is to be none."""
NEAR = "near_equal"
"""What a user names instead of a column of clusters where near-equal questions hang together."""
TURN = "(last assistant turn)"
"""Stands for the column of an answer that is the last turn of the question's chat."""
GUESSES: Mapping[str, tuple[str, ...]] = {
    "question": (
        *("question", "problem", "prompt", "input", "query"),
        *("question_stem", "problem_text", "question_text", "instruction", "instructions"),
        *("messages", "conversations", "conversation", "ctx", "goal", "sentence", "squestion"),
        *("inputs", "question_concat", "body"),
    ),
    "answer": (
        *("answer", "target", "gold", "output", "completion", "label", "final_answer"),
        *("answerkey", "answer_key", "correct_answer", "best_answer", "correct"),
        *("correct_option", "correct_choice", "answer_letter", "answer_idx", "answer_index"),
        *("ground_truth", "reward_model.ground_truth", "reference_answer", "expected_answer"),
        *("expected", "expected_output", "ideal", "response", "answers", "golden_answers"),
        *("possible_answers", "correct_answers", "targets", "answers_spans", "final_ans"),
        *("cop", "final_decision", "lsolutions", "chosen"),
    ),
    "solution": ("solution", "rationale", "reasoning"),
}
"""Names under which a column is looked for where the user gave none, in this order; case, and what
parts its words, do not matter."""
CONTEXT = (
    *("system", "system_prompt", "instruction", "instructions", "background", "theory"),
    *("premises", "article", "document", "story", "scenario", "context", "passage"),
    *("paragraph", "body"),
)
"""Names of columns that belong above the question, in the order in which they stand there."""
OPTIONS = (
    *("choices", "options", "question.choices", "endings", "candidates", "alternatives"),
    *("answer_choices", "multiple_choice_targets", "choice_list", "option_list"),
)
"""Names of columns that hold all options of a question."""
SCORED = ("target_scores", "mc1_targets")
"""Names of columns that hold the options with their scores; the one scored highest is right."""
RIGHTS = frozenset({"is_correct", "correct", "isCorrect", "is_right"})
"""Keys of an option that say whether it is right."""
_SHOWN = 30
"""Columns that a message names."""
_INSTRUCTIONS = ("instruction", "instructions")
_STEMS = ("stem", "question", "text", "content")
"""Keys of a question that is a table, under which its text stands."""
_LETTERED = re.compile(
    r"(?P<stem>|options?|choices?|answers?|ans|endings?|sol|op|opt|alternatives?|candidates?)_?"
    r"(?P<label>[a-j]|[0-9]{1,2})"
)
_WRONG = re.compile(
    r"(?:incorrect|wrong|distractor|false)(?:_?(?:answer|option|choice))?s?_?[0-9]*"
)
_RIGHT = ("correct_answer", "correct", "right_answer", "best_answer", "answer")


@dataclass(frozen=True)
class Choices:
    """Where the options of a question stand."""

    kind: str = ""
    """`cell`: in one column; `columns`: in several; `wrong`: the wrong ones, the right one being the
    answer; `scores`: in one column that says which is right; `text`: in the question's own text; or
    empty."""
    names: tuple[str, ...] = ()
    """The columns."""
    labels: tuple[str, ...] = ()
    """With `columns`: their labels."""
    is_guessed: bool = False

    @property
    def is_labelled(self) -> bool:
        """Whether the names of several columns are letters, as the golds then are too."""
        return bool(self.labels) and all(label.isalpha() for label in self.labels)


@dataclass(frozen=True)
class Columns:
    """The columns that were chosen; empty where there is none."""

    question: str
    answer: str = ""
    """A column, or `TURN`."""
    solution: str = ""
    id: str = ""
    cluster: str = ""
    difficulty: str = ""
    before: tuple[str, ...] = ()
    """What stands above the question."""
    after: tuple[str, ...] = ()
    """What stands below it: the `input` of an `instruction`."""
    choices: Choices = field(default_factory=Choices)
    preset: str = ""
    """`gsm8k`, `math` or empty."""
    has_lists: bool = False
    """Whether a gold may be a list, of which every member counts."""
    verdict: str = ""
    """A column that says of each answer whether it is right; rows of wrong ones are odd."""
    candidates: tuple[str, ...] = ()
    """Other columns that may hold the answer, where it was guessed."""


def plain_name(name: str) -> str:
    """Return a column's name as names are compared.

    >>> plain_name("Correct Answer")
    'correct_answer'
    """
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def shown_names(names: Iterable[str]) -> str:
    """Return names for a message: the first ones, without hidden characters."""
    every = list(names)
    shown = [n if n.isprintable() else ascii(n) for n in every[:_SHOWN]]
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return (", ".join(shown) or "(none)") + more


def guesses(role: str, columns: Mapping[str, str], taken: Sequence[str] = ()) -> list[str]:
    """Return the columns whose names fit a role, the likeliest first.

    Args:
        role: `question`, `answer` or `solution`.
        columns: Filled columns by their plain name.
        taken: Columns that are something else already.
    """
    return [columns[n] for n in GUESSES[role] if n in columns and columns[n] not in taken]


def choose_columns(where: str, rows: Sequence[Row], wanted: Mapping[str, str]) -> Columns:
    """Take the columns that the user named, and guess the others among common names.

    Args:
        where: The file, for messages.
        rows: Its records, at least one.
        wanted: Columns by role, empty where not named; `none` for no solution, context or
            choices; `context` and `choices` may name several, parted by commas.

    Raises:
        UnknownNameError: a named column that does not exist, with the nearest one.
        ConfigError: no column could be guessed.
    """
    whole = [row for row in rows if not row.fault]
    names = list(dict.fromkeys(name for row in whole for name in row.values))
    named = _named(where, names, wanted)
    filled = {
        plain_name(name): name
        for name in reversed(names)
        if any(not is_blank(row.values.get(name)) for row in whole)
    }
    single = {r: next(iter(named.get(r, ())), "") for r in ("id", "cluster", "difficulty")}
    question = _question(where, whole, filled, named.get("question", ()), list(single.values()))
    before, after = _around(filled, question, named, wanted)
    choices = _choices(whole, filled, named, wanted)
    taken = [question, *before, *after, *single.values()]
    solution = next(iter(named.get("solution", ())), "")
    if not solution and wanted.get("solution") != NONE:
        solution = next(iter(guesses("solution", filled, taken)), "")
    answers = list(named.get("answer", ()))
    if not answers:
        held = [*taken, solution, *(n for n in choices.names if choices.kind != "scores")]
        answers = guesses("answer", filled, held)
        if choices.kind == "wrong":
            right = [filled[n] for n in _RIGHT if n in filled]
            answers = right or answers
        if not answers and _ends_in_answers(whole, question):
            answers = [TURN]
        if not answers and not solution:  # a blank column is better named than none
            answers = guesses("answer", {plain_name(n): n for n in reversed(names)}, held)
    return Columns(
        question=question,
        answer=answers[0] if answers else "",
        solution=solution,
        before=before,
        after=after,
        choices=choices,
        candidates=() if "answer" in named else tuple(answers[1:]),
        id=single["id"],
        cluster=single["cluster"],
        difficulty=single["difficulty"],
    )


def _named(
    where: str, names: Sequence[str], wanted: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """The columns that the user named, by role.

    Raises:
        UnknownNameError: one that does not exist.
    """
    found: dict[str, tuple[str, ...]] = {}
    for role, text in wanted.items():
        if not text or role == "preset" or (text == NONE and text not in names):
            continue
        if role == "cluster" and text == NEAR and text not in names:
            continue
        parts: tuple[str, ...] = (text,)
        if role in ("context", "choices") and text not in names:
            parts = tuple(part.strip() for part in text.split(",") if part.strip())
        for name in parts:
            if name not in names:
                raise UnknownNameError(f"{role} column of {where}", name, names)
        found[role] = parts
    return found


def _question(
    where: str,
    rows: Sequence[Row],
    filled: Mapping[str, str],
    named: Sequence[str],
    taken: Sequence[str],
) -> str:
    """The column of the question; of a table within it, the key that holds its text.

    Raises:
        ConfigError: none could be guessed, or a table without a usual key.
    """
    found = [*named, *guesses("question", filled, taken)]
    if not found:
        raise ConfigError(
            f"{where} with the columns {shown_names(filled.values())}",
            f"a column for the question, such as {', '.join(GUESSES['question'][:4])}",
            "name it: --question COLUMN",
        )
    chosen = found[0]
    if not named and plain_name(chosen) == "input":  # Alpaca: what to do, and below it with what
        chosen = next((filled[n] for n in _INSTRUCTIONS if n in filled), chosen)
    held = [row.values.get(chosen) for row in rows]
    if 2 * sum(isinstance(v, Mapping) for v in held) <= len(held):
        return chosen
    keys = [k for k in _STEMS if plain_name(f"{chosen}.{k}") in filled]
    if not keys:
        raise ConfigError(
            f"{where}: the column {chosen!r} holds tables",
            "a question that is a text or a chat",
            f"name its key: --question {chosen}.KEY",
        )
    return filled[plain_name(f"{chosen}.{keys[0]}")]


def _around(
    filled: Mapping[str, str],
    question: str,
    named: Mapping[str, tuple[str, ...]],
    wanted: Mapping[str, str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What stands above the question, and what below an instruction."""
    if wanted.get("context"):
        return named.get("context", ()), ()
    is_instruction = plain_name(question) in _INSTRUCTIONS
    below = (filled["input"],) if is_instruction and "input" in filled else ()
    above = tuple(filled[n] for n in CONTEXT if n in filled and filled[n] != question)
    return above, below


def _choices(
    rows: Sequence[Row],
    filled: Mapping[str, str],
    named: Mapping[str, tuple[str, ...]],
    wanted: Mapping[str, str],
) -> Choices:
    """Where the options stand: as the user said, else in columns of usual names."""
    if "choices" in named:
        return _said_choices(rows, named["choices"])
    if wanted.get("choices") == NONE:
        return Choices()
    taken = {n for role, names in named.items() if role != "choices" for n in names}
    free = {plain: name for plain, name in filled.items() if name not in taken}
    for kind, usual in (("cell", OPTIONS), ("scores", SCORED)):
        for name in (free[n] for n in usual if n in free):
            cells = [row.values.get(name) for row in rows]
            if 2 * sum(map(_may_hold_options, cells)) > len(cells):
                marked = "scores" if all(map(_marks_right, cells)) else kind
                return Choices(marked, (name,), is_guessed=True)
    wrong = tuple(free[n] for n in reversed(free) if _WRONG.fullmatch(n))
    if wrong and any(n in filled for n in _RIGHT):
        return Choices("wrong", wrong, is_guessed=True)
    return _lettered(free)


def _said_choices(rows: Sequence[Row], names: tuple[str, ...]) -> Choices:
    """The kind of the columns that the user named."""
    if len(names) > 1:
        plain = [plain_name(name) for name in names]
        if all(_WRONG.fullmatch(name) for name in plain):
            return Choices("wrong", names)
        found = [_LETTERED.fullmatch(name) for name in plain]
        labels = tuple(m["label"].upper() for m in found if m)
        return Choices("columns", names, labels if len(labels) == len(names) else ())
    if _WRONG.fullmatch(plain_name(names[0])):
        return Choices("wrong", names)
    cells = [row.values.get(names[0]) for row in rows]
    is_scored = plain_name(names[0]) in SCORED and isinstance(cells[0], Mapping)
    return Choices("scores" if is_scored or all(map(_marks_right, cells)) else "cell", names)


def _lettered(free: Mapping[str, str]) -> Choices:
    """Columns such as `A`, `B`, `C`, or `option1`, `option2`: letters from A, or numbers from 0 or 1."""
    groups: dict[str, dict[str, str]] = {}
    for plain, name in free.items():
        found = _LETTERED.fullmatch(plain)
        if found:
            groups.setdefault(found["stem"], {})[found["label"]] = name
    for stem, members in groups.items():
        for first in ("a", "0", "1"):
            run: list[str] = []
            while (label := _after(first, len(run))) in members:
                run.append(label)
            # two columns called `a` and `b` may be anything
            if len(run) >= (2 if stem else 3) and (stem or first == "a"):
                names = tuple(members[label] for label in run)
                return Choices("columns", names, tuple(r.upper() for r in run), is_guessed=True)
    return Choices()


def _after(first: str, n: int) -> str:
    """The label n places after the first."""
    return str(int(first) + n) if first.isdecimal() else chr(ord(first) + n)


def _may_hold_options(value: object) -> bool:
    """Whether a cell looks as if it listed something."""
    if isinstance(value, Mapping | list):
        return len(value) > 1
    return isinstance(value, str) and (value.strip()[:1] in ("[", "{") or len(value.strip()) > 3)


def _marks_right(value: object) -> bool:
    """Whether options are tables of which each says whether it is right."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(v, Mapping) and RIGHTS & v.keys() for v in value)


def _ends_in_answers(rows: Sequence[Row], question: str) -> bool:
    """Whether the chats of a column mostly end with what the assistant says."""
    found = 0
    for row in rows:
        try:
            said = turns(row.values.get(question))
        except OddCellError:  # a chat all the same; what is odd about it is said of its row
            found += 1
            continue
        found += said is not None and len(said) > 1 and said[-1][0] == "assistant"
    return 2 * found > len(rows)
