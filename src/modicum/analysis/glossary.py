"""The glossary: every word that terminal and report print, in plain English, with how its number is made.

The one place for what words mean: `modicum explain` prints it, the report's tooltips read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from modicum.errors import ConfigError, nearest

__all__ = ["GLOSSARY", "GlossaryEntry", "explained"]


@dataclass(frozen=True)
class GlossaryEntry:
    """One word and what it means."""

    term: str
    """As it is printed now."""
    text: str
    """One to three sentences."""
    also: tuple[str, ...] = ()
    """Its other and older names: in JSON, in options, in earlier versions."""


_ABILITY = (
    GlossaryEntry(
        "shown",
        "The model does the task as it is: asked plainly it reaches at least 80 % of the ceiling, by the "
        "lower end of the interval. There is nothing to unlock.",
    ),
    GlossaryEntry(
        "latent",
        "The ability is in the model but does not show when it is asked plainly. Sampling reaches it "
        "beyond chance, or a method that uses no labels brings it out and its controls stay behind.",
    ),
    GlossaryEntry(
        "sealed",
        "Sampling never reaches the ability, yet tuning on a few examples brings it out, and a model "
        "without the ability scores lower after 16 times as many examples.",
    ),
    GlossaryEntry(
        "learned",
        "Tuning brings it about and sampling did not reach it. Whether it was hidden in the model "
        "(sealed) or new to it (taught) is not known: no model without the ability was tuned beside it.",
    ),
    GlossaryEntry(
        "taught",
        "Tuning put it there: a model without the ability learns it from as few examples, or a "
        "sixteenth of the examples still did no more than the control.",
    ),
    GlossaryEntry(
        "absent",
        "Nothing tried brings it out: sampling is not above chance, and tuning is within 5 points of "
        "its control by an equivalence test. It is said up to the largest number of labels tried.",
    ),
    GlossaryEntry(
        "undecided",
        "What was measured carries none of the other words, mostly because there were too few test "
        "problems, samples or seeds. The verdict ends with a command that would decide it.",
    ),
    GlossaryEntry(
        "verdict",
        "What a study says of one model on one task: the word of ability, the least data, what to "
        "ship, what changed elsewhere, and how sure all of it is.",
    ),
)

_SCALE = (
    GlossaryEntry(
        "as given",
        "Accuracy of single greedy answers to the prompt as the task or you wrote it.",
        ("default", "as asked"),
    ),
    GlossaryEntry(
        "floor",
        "Accuracy of single greedy answers to the best of a few plain prompts without examples, which "
        "is chosen on labelled problems apart from the test. The zero of the gap.",
        ("best plain prompt",),
    ),
    GlossaryEntry(
        "ceiling",
        "What the model can reach: the share of problems that at least one of k samples solves, less "
        "what guessing would. Where sampling says nothing, the best method or the worked form given "
        "stands in, and the verdict says so.",
    ),
    GlossaryEntry(
        "gap",
        "The way from floor to ceiling. A method that recovers 98 % of the gap has closed nearly all "
        "of it: (accuracy − floor) / (ceiling − floor), corrected for guessing; above 100 % it beats "
        "the ceiling.",
        ("gap recovered", "share of the gap", "gap_recovered"),
    ),
    GlossaryEntry(
        "correct",
        "Share of the test problems answered rightly, with its 95 % interval. The answer is looked "
        "for anywhere in the text (read leniently).",
        ("accuracy", "score", "lenient"),
    ),
    GlossaryEntry(
        "read strictly",
        "Accuracy where only answers in the exact format count. A gain in this reading alone is "
        "called format only.",
        ("strict",),
    ),
    GlossaryEntry(
        "pass@k",
        "Share of the problems that at least one of k samples solves, without bias from the number of "
        "samples drawn.",
        ("k", "best of k"),
    ),
    GlossaryEntry(
        "chance",
        "What guessing scores: the same samples marked against the answer of another, similar problem.",
        ("luck", "guess"),
    ),
    GlossaryEntry(
        "chance, wrong-answer prior",
        "A stricter guessing level: how often one half of the samples hits a wrong answer of the "
        "other half. It rises where the model knows only the size of the answer.",
        ("near miss", "near_miss"),
    ),
    GlossaryEntry(
        "worked form given",
        "The answer is begun with the opening of a worked solution, and the model goes on. It shows "
        "what the model can do once it works step by step.",
        ("forced form", "forced"),
    ),
    GlossaryEntry(
        "majority of the samples",
        "The answer that most samples of a problem agree on, counted as the model's.",
        ("majority", "self-consistency", "vote"),
    ),
    GlossaryEntry(
        "commonest answer",
        "What always giving the most frequent right answer of the test would score.",
        ("commonest gold", "majority class", "majority_class", "modal"),
    ),
    GlossaryEntry(
        "interval",
        "95 % of intervals made this way hold the true value. Differences are taken in pairs on the "
        "same problems, and clustered where problems hang together.",
        ("95 %", "confidence interval"),
    ),
)

_METHODS = (
    GlossaryEntry(
        "method",
        "A way to bring an ability out: a prompt, a decoding rule, examples in the prompt, a steering "
        "vector, tuning. A number such as n=4 is the labelled examples it was given.",
        ("rung", "arm", "variant"),
    ),
    GlossaryEntry(
        "nudge",
        "What a method leaves behind and what is exported: a prompt, a rule, a vector or an adapter.",
    ),
    GlossaryEntry(
        "ladder",
        "The methods of a study, tried from the cheapest kind to the dearest.",
    ),
    GlossaryEntry(
        "asked plainly",
        "The model with the floor's prompt and nothing else.",
        ("prompt", "plain", "prompt_style", "plain prompt"),
    ),
    GlossaryEntry(
        "fixed prompt",
        "Your own prompt where nothing may take its place, as when format or latency demand it "
        "(--styles own): the floor and every method are asked in it, and methods that would change "
        "it are left out.",
        ("your own prompt", "fixed_prompt", "own"),
    ),
    GlossaryEntry(
        "labels",
        "Labelled problems that a method really used, those for choosing and stopping among them.",
        ("label", "shots", "n_shots", "gold"),
    ),
    GlossaryEntry(
        "unlabelled questions",
        "Questions without answers that a method was shown, as prompt_vector is. They cost no labels "
        "and are counted apart from them.",
        ("unlabelled", "unlabelled question", "texts"),
    ),
    GlossaryEntry(
        "labels spent on measuring",
        "Labelled problems that chose the floor's prompt and score the test. You pay them once a "
        "study, for knowing; no method learns from them.",
        ("measuring labels",),
    ),
    GlossaryEntry(
        "least data",
        "The smallest number of labels that brings the ability out, by method.",
    ),
    GlossaryEntry(
        "labels for 50 % of the gap",
        "The number of labels at which a method recovers half of the gap, read from a curve through "
        "the numbers tried, with its interval.",
        ("n50",),
    ),
    GlossaryEntry(
        "labels for 90 % of the gap",
        "The number of labels at which a method recovers 90 % of the gap, read from a curve through "
        "the numbers tried, with its interval.",
        ("n90", "threshold"),
    ),
    GlossaryEntry(
        "seed",
        "One draw of the labelled examples and of the training's chance. Several show how much a "
        "result depends on it.",
        ("seeds",),
    ),
    GlossaryEntry(
        "equals the majority of N samples",
        "How many samples of the plain model, put to a vote, reach the method's accuracy.",
        ("worth", "worth votes"),
    ),
    GlossaryEntry(
        "equals the best of N samples",
        "How many samples of the plain model it takes for one of them to be right as often as the "
        "method is.",
        ("worth pass@k",),
    ),
    GlossaryEntry(
        "task on model",
        "One task and one model: what one verdict is about.",
        ("subject",),
    ),
    GlossaryEntry(
        "organism",
        "The small built-in model, whose abilities are known by construction: latent, sealed, absent. "
        "It shows what each verdict looks like, and that the rules find the truth.",
    ),
)

_CONTROLS = (
    GlossaryEntry(
        "control",
        "A version of a method that should not work if the claim is true, such as training on "
        "permuted answers. Where it gains as much, the claim falls.",
        ("controls", "its control", "veto"),
    ),
    GlossaryEntry(
        "answers permuted",
        "The same questions with each answer replaced by another problem's. Whatever improves there "
        "is chance, a leak or memory.",
        ("scrambled",),
    ),
    GlossaryEntry(
        "solutions permuted",
        "Training on worked solutions that belong to other problems. Where this helps as much, the "
        "content of the solutions hardly mattered.",
        ("shuffled",),
    ),
    GlossaryEntry(
        "format only",
        "Training or reward that teaches the form of an answer without its content; as a note, a gain "
        "that comes from more readable answers alone.",
        ("format", "in format", "beyond format"),
    ),
    GlossaryEntry(
        "random direction",
        "A vector of the same length in a random direction; a steering vector that works must beat it.",
        ("random",),
    ),
    GlossaryEntry(
        "direction between questions",
        "A vector of the same length between two questions in one prompt; a vector between two prompts "
        "must beat it.",
        ("questions",),
    ),
    GlossaryEntry(
        "random feature",
        "Another feature of the same autoencoder, drawn at random and used at the same strength; the "
        "feature that steers must beat it.",
    ),
    GlossaryEntry(
        "mean difference",
        "The plain difference of mean activations as the direction, in place of a feature: what an "
        "autoencoder adds stands above it.",
    ),
    GlossaryEntry(
        "model without the ability",
        "A model that learns as easily but is known to lack the ability. Tuned on the same examples, "
        "it tells what was released from what was taught.",
        ("twin", "control organism", "control_organism"),
    ),
)

_COSTS = (
    GlossaryEntry(
        "ship",
        "The method that the study recommends: the cheapest of those that none is shown to beat by "
        "more than the margin. `--prefer` says which cost counts.",
        ("pick",),
    ),
    GlossaryEntry(
        "one-off cost",
        "Computing that making the nudge takes, once: sampling, training, choosing.",
        ("elicitation",),
    ),
    GlossaryEntry(
        "cost per answer",
        "Computing that an answer takes with the method, as a multiple of asking plainly.",
        ("serving", "cost"),
    ),
    GlossaryEntry(
        "best trade-offs",
        "Methods that no other one undercuts in labels, one-off cost and cost per answer at once.",
        ("front", "on the front", "pareto"),
    ),
    GlossaryEntry(
        "answers at which the costs are equal",
        "How many answers a method must give until its one-off cost is paid back against the one to "
        "ship.",
        ("break-even", "breakeven"),
    ),
    GlossaryEntry(
        "effect elsewhere",
        "Change in accuracy on other tasks, in points; negative where something was lost. Where no "
        "task is at hand, ×1.02 says that the perplexity of a fixed text is 2 % higher.",
        ("damage", "elsewhere", "retention", "retain"),
    ),
    GlossaryEntry(
        "reference",
        "A second model on the same problems, as a yardstick.",
        ("gap to reference", "way to reference"),
    ),
    GlossaryEntry(
        "check",
        "A look before anything is spent: problems that would make the results misleading or the run "
        "fail, and what the study would cost.",
        ("doctor",),
    ),
    GlossaryEntry("error", "A finding of the check that stops a run.", ("fault",)),
    GlossaryEntry("warning", "A finding to read before trusting the results.", ("doubt", "doubts")),
    GlossaryEntry("info", "A finding that is only worth knowing.", ("fact",)),
)

_TERMS = (*_ABILITY, *_SCALE, *_METHODS, *_CONTROLS, *_COSTS)
GLOSSARY: Mapping[str, GlossaryEntry] = MappingProxyType({entry.term: entry for entry in _TERMS})
"""Every entry by its printed word, in the order in which a reader meets them."""


def explained(term: str) -> GlossaryEntry:
    """Return the entry of a word, be it printed now, older, or a key in JSON.

    Args:
        term: The word in any case, with spaces, hyphens or underscores.

    Raises:
        ConfigError: no entry has it; the nearest word is offered.

    >>> explained("N90").term
    'labels for 90 % of the gap'
    """
    named = {_plain(e.term): e for e in _TERMS}
    known = {_plain(name): e for e in _TERMS for name in e.also} | named
    wanted = _plain(term)
    for name in (wanted, wanted.removesuffix("s"), wanted.partition(" n=")[0]):
        if name in known:
            return known[name]
    close = nearest(wanted, known)
    raise ConfigError(
        f"{term!r}, which the glossary does not have",
        "a word of the verdict, the tables or the report",
        f"did you mean {close!r}?" if close else "`modicum explain` lists all words",
    )


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())
