"""Whether a model knows test questions by heart: their rest, completed from their first words."""

from modicum.analysis.contamination import ADVICE, read_completed, told, warning
from modicum.doctor.exam import Exam
from modicum.study.completing import CUT, parted
from modicum.types import Finding

__all__ = ["contaminated"]


def contaminated(exam: Exam) -> tuple[Finding, ...]:
    """Find questions that the model completes word for word, beyond what the control explains.

    A study of a pre-trained model measures the same, with these completions, for its verdict.

    Source: Carlini et al. 2023 (2202.07646) for extraction by prefix; Golchin and Surdeanu 2024
    (2308.08493) for completion of test instances; Wu et al. 2025 (2507.10532) for the first 60 %.
    """
    if not exam.completed:
        return ()
    problems = exam.splits.get("test", ())
    read = read_completed(exam.completed, problems, CUT)
    said = warning(read)
    if not said:
        return (Finding("completed", "fact", told(read)),)
    part = next((parted(p.question) for p in problems if p.id in read.known), None)
    example = f", such as {part.tail.strip()[:60]!r}" if part is not None else ""
    return (Finding("contaminated", "doubt", f"{said}{example}", ADVICE),)
