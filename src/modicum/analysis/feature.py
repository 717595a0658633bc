"""What a feature of a sparse autoencoder is, in a few sentences: how it was found, what refutes it."""

from collections.abc import Mapping, Sequence

from modicum.made import Made
from modicum.stats import Figure, written

__all__ = ["feature_facts"]


def feature_facts(nudge: Made) -> dict[str, str]:
    """Return what a trial says of its feature, a sentence a name; nothing without one.

    Args:
        nudge: What the method says of how its nudge was made; `sparse_feature` says most.
    """
    dictionary = nudge.get("dictionary")
    if not isinstance(dictionary, Mapping):
        return {}
    said = {"feature": _choice(nudge), "dictionary": _dictionary(dictionary)}
    parts = {"beside it": _beside, "cue tokens": _cues, "foretells": _foretells}
    keys = {"beside it": "beside", "cue tokens": "cues", "foretells": "foretells"}
    for name, write in parts.items():
        part = nudge.get(keys[name])
        if isinstance(part, Mapping):
            said[name] = write(part)
    # tokens and modes may hold line feeds; whoever shows a sentence makes the rest of them visible
    return {name: text.replace("\n", " ").replace("\t", " ") for name, text in said.items()}


def _choice(nudge: Made) -> str:
    ranked = _listed(nudge.get("ranked"))
    among = f", of {len(ranked)} that fire more on the wanted side" if ranked else ""
    drawn = f"; in its place feature {nudge['drawn']}" if "drawn" in nudge else ""
    return (
        f"number {nudge.get('feature')} after layer {nudge.get('layer')}{among}; added at the first "
        f"generated token, {_number(nudge.get('strength'))} × the mean difference; right on "
        f"{_number(nudge.get('on_shots'))} of the shots{drawn}"
    )


def _dictionary(part: Made) -> str:
    made = "trained" if part.get("source") == "trained" else f"from {part.get('source')!s}"
    return (
        f"{part.get('features')} features, {made}, {written.count(_float(part.get('tokens')))} "
        f"activations; {_number(part.get('unexplained'))} of their variance missed, "
        f"{_float(part.get('firing')):.1f} features fire for one, {_number(part.get('dead'))} never fire"
    )


def _beside(part: Made) -> str:
    return (
        f"on the shots unsteered {_number(part.get('unsteered'))}, against the feature "
        f"{_number(part.get('against'))}, mean difference as long "
        f"{_number(part.get('mean_difference'))} (cosine with it {_number(part.get('cosine'))})"
    )


def _cues(part: Made) -> str:
    named = " ".join(f"“{cue!s}”" for cue in _listed(part.get("cues")))
    verdict = str(part.get("verdict"))
    if "with_cues" not in part:
        return f"{verdict}; it fires in {_figure(part.get('reasoning'))} of its own side's texts"
    effect = part.get("effect")
    size = f"d = {effect:.1f}" if isinstance(effect, float) else "d beyond measure"
    return (
        f"{verdict} ({size}): put into {part.get('texts')} texts of {part.get('text')!s} "
        f"({part.get('way')!s}), {named} make it fire in {_figure(part.get('with_cues'))}; "
        f"tokens on which it is silent {_figure(part.get('with_other'))}, nothing put in "
        f"{_figure(part.get('untouched'))}, its own side's texts {_figure(part.get('reasoning'))}"
    )


def _foretells(part: Made) -> str:
    within = part.get("of_correctness_within_mode")
    inside = _figure(within) if within else "cannot be told, no mode holds right and wrong answers"
    return (
        f"the mode ({part.get('mode')!s}) {_figure(part.get('of_mode'))}, the right answer "
        f"{_figure(part.get('of_correctness'))}, the right answer within one mode {inside} (areas, .5 "
        f"is chance; {part.get('answers')} of the model's own answers at temperature "
        f"{_float(part.get('temperature')):.1f})"
    )


def _figure(record: object) -> str:
    """Write a stored figure with its interval."""
    if not isinstance(record, Mapping):
        return written.MISSING
    values = {name: _float(record.get(name)) for name in ("value", "low", "high")}
    return written.figure(Figure(**values, n=int(_float(record.get("n")))))


def _number(value: object) -> str:
    return written.share(float(value)) if isinstance(value, int | float) else written.MISSING


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
