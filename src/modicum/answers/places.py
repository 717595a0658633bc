"""Where answers stand in a text: tags, boxes, lines that say so; every search takes linear time."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from modicum.answers.characters import plain

__all__ = ["FORMS", "NOTHING", "Form", "Place", "boxes", "last_line", "places", "said_places"]

_MOST = 8
"""Places of one kind that are looked at, from the end."""
_SHORT = 4
"""Words up to which what is said to be the answer is one, whether or not it can be read."""

_MARKS = r"[\s*_]{0,8}"
_VERBS = (
    r"(?:is|are|was|equals|would be|should be|must be|will be|comes out to(?: be)?|comes to|"
    r"turns out to be)(?![\w'’])"
)
_NAMED = (
    rf"{_MARKS}(?:[(\[][^()\[\]\n]{{0,40}}[)\]]{_MARKS})?"  # Answer (in cm):
    r"(?:(?:to|for|of|in|after|from)\s[^.:\n]{1,60}?\s?)?"
    rf"(?:\#?\d{{1,2}}{_MARKS})?"
)
_WORDS = (
    r"ответ|odpowiedź|відповідь|antwort|lösung|réponse|respuesta|resposta|risposta|antwoord|"
    r"jawaban|jibu|cevap|yanıt|svaret|svar|vastaus|đáp án|答案|答え|答|回答|解答|答复|정답|답변|답|"
    r"উত্তর|उत्तर|جواب|الإجابة|الجواب|إجابة|پاسخ|תשובה|คำตอบ|απάντηση|idahun|ìdáhùn"
)
_LINKS = (
    r"(?:ist|lautet|är|er|on|est|es|è|é|adalah|là|is|je|to|هي|هو|είναι|הי?א)(?!\w)|"
    r"[:：是为為はが은는ःঃ]|คือ|[—–-](?=\s)"
)
_SAID = re.compile(
    rf"(?:(?:answers?|\bans\b\.?){_NAMED}[\"']?{_MARKS}(?:{_VERBS}|:|：|=)"
    rf"|(?<![A-Za-zÀ-ɏЀ-ӿ])(?:{_WORDS})(?:\s\w{{1,20}})??{_MARKS}(?:{_LINKS}))[\s*_:：]*(?=([^\n]+))",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"^[ \t#*_]*(?:(?:the|my)[ ])?(?:final[ ])?answer[*_ :]*\n\s*([^\n]{1,80})$",
    re.IGNORECASE | re.MULTILINE,
)
_COLON = re.compile(r"answer\s*:", re.IGNORECASE)
_HASHES = re.compile(r"^[ \t]*####[ \t]*(\S[^\n]*)$", re.MULTILINE)
_TITLE = re.compile(r"\d+[.):]\s+\S|[^\d\s]*[^\W\d_]{2}[^\n]* |[^\n]*:$")
"""What stands after hashes where they make a heading and no answer."""
_TAG = re.compile(r"<(?:final[ _]?)?answer>", re.IGNORECASE)
_BRACES = re.compile(r"\\(?:boxed|fbox)\s*(?:\{|(?=[^\s{\\])[^\s{}$,;]{1,20})|\\.|[{}]", re.DOTALL)
_BETWEEN = re.compile(
    r"[\s$}\\()\[\]]*(?:[,;]|\\text\s*\{\s*(?:and|or)\s*\}|and|or|\\q?quad|\s)*"
    r"[a-zA-Z_0-9\s$]{0,8}=?[\s${\\()\[\]]*"
)
_PARTS = re.compile(r"[,;]|and|or")
_HOLLOW = re.compile(
    r"\W*(?:(?:in)?correct|right|wrong|below|above|as follows|given|shown|obtained|found|calculated|"
    r"computed|derived|simple|straightforward|clear|boxed|in the box|then|thus|therefore|hence|"
    r"see (?:above|below|the \w+)|not\b|n['’]t\b)[^\w\\]*(?:below|above|by\b.*|as\b.*|in\b.*)?\W*$",
    re.IGNORECASE,
)
_OPENS = re.compile(r"[\s*_`]*(?:\\\[|\\\(|\$\$|`{3}\w{0,12}|\\begin\{[a-z*]{1,12}\})\s*")
"""What opens a formula or a block that stands on the next line."""
_FAR = 400
_DENIED = re.compile(r"[\s*_]*(?:not|never|n['’]t)(?!\w)", re.IGNORECASE)
_CHECKS = re.compile(
    r"\b(?:check|checking|verify|verifying|confirm|test|if)\s(?:\w{1,9}\s){0,2}$", re.IGNORECASE
)
NOTHING = re.compile(
    r"\W*(?:it |this |that |there )?(?:is |are )?(?:un(?:known|defined|clear|decidable)|none\b|"
    r"cannot|can ?not|can['’]t|could not|not enough|impossible|infinit|no (?:solution|answer|such)|"
    r"indeterminate|insufficient|n/a\b|dne\b|does not exist|nothing\b|i (?:do not|don['’]t) know)",
    re.IGNORECASE,
)
"""What says that there is no answer."""


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a text that is said to hold the answer."""

    start: int
    """Where it begins in the text."""
    text: str
    """What stands there."""
    is_box: bool = False
    """Whether it is a box: a formula, where `5!` is no exclamation."""
    is_sentence: bool = False
    """Whether a verb says it, `the answer is`, and no colon."""

    @property
    def is_hollow(self) -> bool:
        """Whether it only says something of an answer: that it is correct, or follows."""
        return _HOLLOW.match(self.text) is not None

    @property
    def is_denied(self) -> bool:
        """Whether it is said not to be the answer."""
        return _DENIED.match(self.text) is not None

    @property
    def is_firm(self) -> bool:
        """Whether what it holds is the answer even where it cannot be read: a few words, or none."""
        words = self.text.split(None, _SHORT)
        return self.is_box or len(words) <= _SHORT or NOTHING.match(self.text) is not None


def last_line(text: str) -> str:
    """Gives the last line that is not blank; empty where there is none."""
    return text.rstrip().rpartition("\n")[2].strip()


def boxes(text: str) -> list[str]:
    r"""Gives what stands in each `\boxed{}` with balanced braces, the innermost ones, in order.

    `\boxed 5` is one too.

    >>> boxes(r"\boxed{\frac{1}{2}} and \boxed{3"), boxes(r"\boxed 5.")
    (['\\frac{1}{2}'], ['5'])
    """
    return [text[start:end] for start, end in _boxes(text)]


def _boxes(text: str) -> list[tuple[int, int]]:
    """Where the innermost boxes begin and end."""
    found: list[tuple[int, int]] = []
    opened: list[tuple[int, bool]] = []
    innermost = -1
    for piece in _BRACES.finditer(text):
        token = piece.group()
        if token == "}":
            start, is_box = opened.pop() if opened else (0, False)
            if is_box and start > innermost:
                innermost = start
                found.append((start, piece.start()))
        elif token[-1] == "{" and len(token) != 2:  # `\{` is a brace that is shown
            opened.append((piece.end(), len(token) > 1))
        elif token.startswith(("\\boxed", "\\fbox")):
            bare = token.removeprefix("\\boxed").removeprefix("\\fbox").strip().rstrip(".")
            start = piece.start() + token.rindex(bare) if bare else piece.end()
            if bare:
                found.append((start, start + len(bare)))
    return found


def said_places(text: str, form: "Form", more: re.Pattern[str] | None = None) -> Iterator[Place]:
    """Gives what stands where an answer is said, the last place first, whatever its kind.

    Tags `<answer>`, boxes, a line `answer is` or `Answer:` in the commoner languages, a heading
    that says so, a line `#### X`; and where an answer may take several lines, all after `Answer:`.
    Boxes that only `and` or a comma part are one place.

    Args:
        text: The text, already cut by `tail`.
        form: The form that was asked for.
        more: What else says an answer; it stands in the first group.
    """
    found = [*_tagged(text), *_boxed(text)]
    if form.is_long:
        *_, end = [m.end() for m in _COLON.finditer(text)] or [-1]
        found += [Place(end, text[end:])] if end >= 0 else []
    else:
        trimmed = text.rstrip()
        for pattern in filter(None, (_SAID, _HEADING, more)):
            found += _lines(pattern, trimmed)
    found += [place for place in _lines(_HASHES, text) if _is_answer(place.text, text, form)]
    for place in sorted(found, key=lambda place: place.start, reverse=True):
        if plain(place.text):
            yield place


def places(text: str, form: "Form") -> Iterator[str]:
    """Gives the texts of `said_places`."""
    return (place.text for place in said_places(text, form))


def _lines(pattern: re.Pattern[str], text: str) -> list[Place]:
    """The last places that a pattern finds; what is said not to be the answer is none."""
    found = [match for match in pattern.finditer(text) if not _is_checked(text, match.start())]
    return [_line(text, match) for match in found[-_MOST:]]


def _line(text: str, match: re.Match[str]) -> Place:
    """What is said behind a match, to the line's end, a tag, or the end of a text in JSON."""
    said = match[1].partition("</")[0]
    if match.start() and text[match.start() - 1] == '"' and said.startswith('"'):
        said = said[1:].partition('"')[0]
    if _OPENS.fullmatch(said):
        said = text[match.end(1) : match.end(1) + _FAR].lstrip().partition("\n")[0]
    before = text[match.start() : match.start(1)].rstrip(" *_")
    return Place(match.start(1), said, is_sentence=before[-1:].isalpha())


def _is_checked(text: str, start: int) -> bool:
    """Whether an answer is only looked at once more: `to check our answer: 17 * 44 = 748`."""
    return _CHECKS.search(text, max(0, start - 30), start) is not None


def _is_answer(found: str, text: str, form: "Form") -> bool:
    """Whether what stands after hashes is an answer and no heading."""
    is_last = text.rstrip().endswith(found.rstrip())
    return (form.before.startswith("#") and is_last) or _TITLE.match(found.rstrip()) is None


def _tagged(text: str) -> Iterator[Place]:
    """What stands in tags; up to the line's end where a stop string cut the last one."""
    for match in [*_TAG.finditer(text)][-_MOST:]:
        inside, closed, _ = text[match.end() :].partition("</")
        yield Place(match.end(), inside if closed else inside.strip().partition("\n")[0])


def _boxed(text: str) -> Iterable[Place]:
    """The boxes; those that only `and`, `or` or a comma part are one."""
    joined: list[list[tuple[int, int]]] = []
    for start, end in _boxes(text)[-_MOST:]:
        before = joined[-1][-1][1] + 1 if joined else 0
        between = text[before:start].rpartition("\\")[0] if joined else ""
        is_near = bool(joined) and len(between) < 40 and _BETWEEN.fullmatch(between) is not None
        if is_near and (_PARTS.search(between) or not between.strip(" $")):
            joined[-1].append((start, end))
        else:
            joined.append([(start, end)])
    for group in joined:
        held = list(dict.fromkeys(text[start:end] for start, end in group))
        yield Place(group[-1][0], ", ".join(held), is_box=True)


@dataclass(frozen=True)
class Form:
    """The exact format in which an answer is asked for."""

    name: str
    """Short name, as users type it."""
    instruction: str
    """What the question is followed by."""
    before: str
    """What stands before the answer."""
    after: str = ""
    """What stands after it."""
    is_long: bool = False
    """Whether an answer may take several lines."""

    def write(self, answer: str) -> str:
        r"""Gives an answer in this form.

        >>> FORMS["boxed"].write("7")
        '\\boxed{7}'
        """
        return self.before + answer + self.after

    def find(self, text: str) -> str | None:
        r"""Gives what stands in this form, or None: nothing else may follow it.

        Several boxes count only where they hold the same.

        >>> FORMS["line"].find("2 + 3\nAnswer: 5"), FORMS["line"].find("Answer: 5, I think\n:)")
        ('5', None)
        """
        if self.after:
            held = set(boxes(text))
            return held.pop() if len(held) == 1 else None
        text = text.rstrip()
        if self.is_long:
            _, found, rest = ("\n" + text).partition("\n" + self.before)
            return rest if found and rest else None
        line = text.rpartition("\n")[2]
        rest = line.removeprefix(self.before)
        return rest if rest not in ("", line) else None


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "line": Form("line", 'End with a line of the form "Answer: X".', "Answer: "),
        "boxed": Form("boxed", r"Put the final answer into \boxed{}.", "\\boxed{", "}"),
        "hashes": Form("hashes", 'End with a line of the form "#### X".', "#### "),
    }
)
"""The formats that a task may ask for, by name."""
