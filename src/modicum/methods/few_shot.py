"""Few-shot prompting: solved problems before the question, worked where the shots reveal it."""

from dataclasses import dataclass, replace
from typing import ClassVar, final

from modicum.bench import Bench
from modicum.errors import BudgetError, TrialError
from modicum.method import Control, Kind, Method, Needs
from modicum.model import Language, Model
from modicum.nudge import Nudge
from modicum.types import Problem, Supervision

__all__ = ["FewShot"]


@final
@dataclass(frozen=True)
class FewShot(Method):
    """Puts the shots before the question as solved problems, in a random order; answers greedily.

    A shot is written with its worked solution where it has one, else with its bare answer in the
    task's exact format. The demonstrations become part of the style, so that every problem begins
    with the same prefix, which the sampler computes, and the ledger counts, once. In a chat style
    they stand as one text inside the user's turn: a model's contract knows one user turn, and
    templates disagree about more. Where they leave no room in the model's context the trial fails.

    Source: Brown et al. 2020 (2005.14165), section 2; worked demonstrations, Wei et al. 2022
    (2201.11903).
    """

    kind: ClassVar[Kind] = "prompt"
    needs: ClassVar[Needs] = Needs(
        supervision=Supervision.ANSWER, language=True, reads_solutions=True
    )
    controls: ClassVar[tuple[Control, ...]] = (Control("shuffled"),)
    is_usual: ClassVar[bool] = True

    form: str = "worked"
    """`worked`: solutions where the shots reveal them; `answer`: bare answers always."""

    def __post_init__(self) -> None:
        """Refuse other forms."""
        if self.form not in ("worked", "answer"):
            msg = f"form = {self.form!r}, expected worked or answer"
            raise ValueError(msg)

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Write the shots into the style that problems are asked in.

        Raises:
            BudgetError: no shots.
            TrialError: a shot that the model's tokenizer cannot encode, or that names `{question}`.
        """
        shots, style = bench.shots, bench.style
        if not shots:
            msg = "few_shot needs at least one labelled shot"
            raise BudgetError(msg)
        texts = [self._solved(bench, shots[i]) for i in bench.rng.permutation(len(shots))]
        between = bench.sheet.between
        shown = between.join(texts) + between
        language = bench.model.language or Language()
        if "{question}" in shown or not language.can_encode(shown):
            msg = "a demonstration holds what the prompt cannot: unknown characters or {question}"
            raise TrialError(msg)
        # a base model goes on with a next problem of its own, which must not be read
        ends = () if any(between in text for text in texts) else (between,)
        return Nudge(
            replace(
                style,
                name=f"{style.name}, {len(texts)} shown",
                template=shown + style.template,
                stop=style.stop + ends,
            )
        )

    def _solved(self, bench: Bench[Model], shot: Problem) -> str:
        """Write one solved problem as the style asks and a model would answer."""
        asked = bench.style.fill(shot.question)
        worked = shot.solution if self.form == "worked" else None
        answer = worked or bench.judge.stated(shot.id).strip() or shot.answer
        return asked + _joiner(bench, asked) + answer


def _joiner(bench: Bench[Model], asked: str) -> str:
    """Return what stands between a question and its answer within one text."""
    if bench.style.chat:
        return "\n"
    return bench.sheet.joiner or ("" if asked[-1:].isspace() else " ")
