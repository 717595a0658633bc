"""Strategies for text."""

from hypothesis import strategies as st

odd = st.sampled_from("\ud800\udfff\x00\u202e\u0301\u0663\u2212\n, ")
"""Lone surrogates, NUL, right-to-left, combining marks, other digits."""
# lists, because `st.text` melts the two alphabets into one in which the odd ones are rare
anything = st.lists(st.characters() | odd, max_size=12).map("".join)
"""Any text at all."""
