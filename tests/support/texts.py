"""Strategies for text, and for what is kept of it."""

from hypothesis import strategies as st

from modicum.outcome import Agreement, CompletedQuestion

odd = st.sampled_from("\ud800\udfff\x00\u202e\u0301\u0663\u2212\n, ")
"""Lone surrogates, NUL, right-to-left, combining marks, other digits."""
# lists, because `st.text` melts the two alphabets into one in which the odd ones are rare
anything = st.lists(st.characters() | odd, max_size=12).map("".join)
"""Any text at all."""
agreements = st.builds(Agreement, st.booleans(), st.floats(0, 1))
"""How far a text agrees with the rest of a question."""
completed_questions = st.builds(
    CompletedQuestion, anything, agreements, agreements, st.none() | agreements
)
"""How a question was completed."""
