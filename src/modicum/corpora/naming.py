"""A corpus by its reference: a text file, or `made:NAME?setting=value`."""

from collections.abc import Mapping

from modicum.catalog import fill, read_reference
from modicum.corpora.brackets import Brackets
from modicum.corpora.corpus import Corpus
from modicum.corpora.ledgers import Ledgers
from modicum.corpora.made_corpus import MadeCorpus
from modicum.corpora.text_file import TextFile
from modicum.errors import UnknownNameError
from modicum.files.foreign import at

__all__ = ["MADE", "resolve_corpus"]

MADE: Mapping[str, type[MadeCorpus]] = {one.called: one for one in (Brackets, Ledgers)}
"""Corpora that are made, by name. A further one is a subclass of `MadeCorpus` and an entry here."""
_MADE = "made"


def resolve_corpus(reference: str) -> Corpus:
    """Return the corpus of a reference.

    >>> resolve_corpus("made:brackets?depth=2").name
    'made:brackets?kinds=4&depth=2&further=2&letters=4&gap=2&trees=3&seed=0'

    Raises:
        UnknownNameError: no such made corpus, or no such setting.
        ConfigError: a setting out of range, or a file that cannot be read as text.
    """
    if not reference.startswith(f"{_MADE}:"):
        return TextFile.read(str(at(reference)))
    _, name, settings = read_reference(reference)
    if name not in MADE:
        raise UnknownNameError("made corpus", name, MADE)
    return fill(MADE[name], settings, where=f"corpus {name}")
