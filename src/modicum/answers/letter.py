"""Reading choices: the letter that comes first where an answer is said, or that leads the text."""

import re
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.answers.characters import SETTING, flat
from modicum.answers.places import Place
from modicum.answers.reading import Reading, Said, amended

__all__ = ["Letters"]

_SCRIPTS = (
    "ΑΒΓΔΕ", "αβγδε", "АБВГД", "абвгд", "אבגדה", "أبجده", "অবডঢ", "কখগঘঙ", "कखगघङ", "अबसद", "กขคงจ",
    "აბგდე", "ԱԲԳԴԵ", "甲乙丙丁戊", "가나다라마", "アイウエオ", "ⒶⒷⒸⒹⒺ", "ⓐⓑⓒⓓⓔ", "🅐🅑🅒🅓🅔", "🅰🅱🅲🅳🅴",
    "𝐀𝐁𝐂𝐃𝐄", "𝑨𝑩𝑪𝑫𝑬", "𝗔𝗕𝗖𝗗𝗘", "𝖠𝖡𝖢𝖣𝖤", "𝒜ℬ𝒞𝒟ℰ",
)  # fmt: skip
"""The letters by which options are named in other scripts, from the first option on."""
_TWINS = "ВСЕ"
"""Cyrillic letters that look like other Latin ones than those whose place they have."""
_LATIN = {
    ord(letter): "ABCDE"[place]
    for script in _SCRIPTS
    for place, letter in enumerate(script)
    if letter not in _TWINS
} | {ord("ا"): "A"}
_END = r"(?![A-Za-z0-9+#\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff]|_{1,2}[A-Za-z0-9]|['’][A-Za-z]|-[A-Za-z]{2})"
_WRAP = rf"[\s*_$`\"'“”{{]|\\(?:{SETTING}|boxed|fbox|left)(?![A-Za-z])|\\[()\[\],;:! ]"
_NAME = (
    r"(?:(?:the|my|is|would|be|definitely|clearly|surely|probably|likely|simply|therefore|thus|"
    r"correct|right|best|final|option|choice|letter|answer|alternative|statement|number|opción|"
    r"opção|вариант|选项|選択肢|:)[\s*_$`:]{1,4}|选项|选择|選択肢)"
)
_LABEL = r"A:\s{1,3}(?=[(\[][A-Za-z][)\]]|[A-Za-z][.\s]*$)"
"""What few-shot prompts put before an answer; not the choice A."""
_FIRST = re.compile(
    rf"(?:{_WRAP}){{0,12}}(?:{_LABEL}|(?:{_NAME}){{0,5}})(?:{_WRAP}){{0,12}}"
    rf"(?:(?P<opened>[(\[<])\s?(?P<inside>[A-Za-z])\s?[)\]>]|(?P<bare>[A-Za-z]){_END})",
    re.IGNORECASE,
)
_MACROS = re.compile(rf"\\(?:{SETTING}|boxed|fbox|left|right)(?![A-Za-z])")
_READ = 400
"""Characters of a place that are read."""
_SETS_OFF = re.compile(r"[\s*_$`\"'”}]{0,12}(?:[).:\],;?!]|[*_`$}]|$|\n|\s[-–—]|\s?\()")
_WORDS = re.compile(
    r"[\s*]+(?:is|because|since|as|for|and|or|would|seems|must|with|by|that|which|can|will|has|"
    r"follows|being|not)\b",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"\s+[a-z]")
_REFUSED = re.compile(
    r"[)\].:*\s]{0,12}(?:is|was|are|were|cannot be|can['’]?t be|isn['’]t)?\s?"
    r"(?:not|wrong|incorrect|false|isn['’]t|n['’]t|impossible|ruled out)\b",
    re.IGNORECASE,
)
_RIVAL = re.compile(
    r"[)\].*_$\s}]{0,12}(?:(?:,\s?)?(?:and|or|und|oder|et|ou|y|o)\s|[/&+]"
    r"|,(?=\s?[(\[*$]{0,3}[A-Za-z][)\]*$]{0,3}\s?(?:$|[,.;\n]|and\b|or\b)))"
    rf"\s?(?:option\s|choice\s|both\s)?[(\[*$]{{0,3}}(?P<other>[A-Za-z]){_END}"
    r"(?!(?-i:(?<=[AI])\s[a-z]))",
    re.IGNORECASE,
)
_ENUMERATED = re.compile(r"^[\s*_]{0,4}[(\[]?([A-Z])[)\].:]", re.MULTILINE)
_SEVERAL = re.compile(r"\W*(?:both|either|(?:all|any\w*|every\w*) (?:but|except))\b", re.IGNORECASE)
_NO_LETTER = re.compile(r"\W*(?:not|neither|none|n['’]t)\b", re.IGNORECASE)
_BRACKETED = re.compile(r"[(\[]([A-Z])[)\]]")
_ALONE = re.compile(r"(?<![\w'’])([A-Z])(?![\w'’+#])(?! [a-z])")
"""A capital that is a word of its own, and not the article or pronoun before another word."""
_DENIED = re.compile(
    r"(?:\bnot|n['’]t|\bnor|\bnever|\b(?:any|every|all|none)\w* (?:but|except))\s(?:be\s)?"
    r"(?:option\s|choice\s)?[(\[*]{0,3}$",
    re.IGNORECASE,
)
_RIVALS = re.compile(r"(?<![\w'’])[A-Z][)\].*]{0,3}\s?(?:[/,&<>=+|;]|\bor\b|\band\b)\s?[(\[]?$")
_REMARK = re.compile(r"\s\((?![A-Za-z]\))")
_CAPITAL = re.compile(rf"(?<![\w'’])([A-Z]){_END}")
_SMALL = re.compile(r"(?<![\w'’])[(\[]([a-z])[)\]]")
_SAYS = re.compile(
    rf"(?:(?:(?:(?:correct|right|best|final|appropriate|my|the)\s(?:choice|option|letter|alternative|"
    rf"pick|selection)|\b(?:choice|option|selection)(?=\s?[:=]))(?:\s(?:is|would be|should be|must be)\b|"
    rf"\s?[:=])|\b(?:i|we)(?:['’]d| would| will|['’]ll)? (?:choose|pick|select|go with|opt for|went "
    rf"with|chose))[\s*_:]{{0,8}}"
    rf"|(?<![\w'’(\[])(?=(?:option\s)?[*(\[$]{{0,4}}(?-i:[A-Z]){_END}[)\].*$]{{0,4}}\s(?:is|must be|seems|"
    rf"would be)\s(?:the\s|indeed\s|clearly\s|therefore\s)?(?:answer\b|correct|right|best|true\b|most)))"
    rf"([^\n]+)",
    re.IGNORECASE,
)


@final
@dataclass(frozen=True)
class Letters(Reading):
    """Reads one letter, up to a last one that may be chosen."""

    more: ClassVar[re.Pattern[str] | None] = _SAYS

    last: str = "J"
    """Last letter that may be chosen."""

    def stated(self, place: Place) -> Said | None:
        """Gives the letter with which a place begins, else the first one in it.

        >>> Letters().stated(Place(0, "(b) Paris, not A")).answer
        'B'
        >>> Letters().stated(Place(0, "B or C")).answer is None
        True
        """
        text, corrections = amended(_latin(place.text.strip()[:_READ]))
        if _NO_LETTER.match(text) or _SEVERAL.match(text):
            return Said(None)
        for start in corrections:
            letter, end = self._leading(text, start, is_said=True)
            if letter and not _REFUSED.match(text, end):
                return Said(letter)
        letter, end = self._leading(text, 0, is_said=True)
        if not letter or _REFUSED.match(text, end):
            letter, end = self._first_of(text, end if letter else 0)
        if not letter:
            return None
        if self._rival(text, letter, end) is not None:
            return Said(None)
        return Said(letter, _is_bare(text, letter))

    def anywhere(self, text: str) -> str | None:
        """Gives the letter that leads a text, else the last one in brackets, else alone."""
        text = flat(text)
        if _SEVERAL.match(text):
            return None
        latin = _latin(text.lstrip()[:_READ])
        letter, end = self._leading(latin, 0, is_said=False)
        if letter and not _REFUSED.match(latin, end) and not self._is_list(text, letter):
            rival = self._rival(latin, letter, end)
            if rival is None or not _REFUSED.match(latin, rival):
                return letter if rival is None else None
        for pattern in (_BRACKETED, _ALONE, _SMALL):
            found = [m for m in pattern.finditer(text) if self._known(m.group(1))]
            while found and _DENIED.search(text, max(0, found[-1].start() - 24), found[-1].start()):
                found.pop()
            if found and _RIVALS.search(text, max(0, found[-1].start() - 12), found[-1].start()):
                return None
            if found:
                return str(found[-1].group(1)).upper()
        return None

    def _leading(self, text: str, start: int, *, is_said: bool) -> tuple[str, int]:
        """The letter with which a text begins and where it ends; empty where there is none.

        Args:
            text: A flat text.
            start: Where it begins.
            is_said: Whether an answer is said there, so that `A dog` names the choice A.
        """
        found = _FIRST.match(text, start)
        if found is None:
            return "", start
        letter, end = found["inside"] or found["bare"], found.end()
        known = self._known(letter) or ""
        if found["inside"] or _SETS_OFF.match(text, end):
            return known, end
        if letter.islower() and (not is_said or letter in "ai"):
            return "", end
        is_word = letter in "AI" and _ARTICLE.match(text, end) and not _WORDS.match(text, end)
        if is_word and (not is_said or letter == "I"):
            return "", end
        is_led = is_said or letter not in "AI" or _WORDS.match(text, end) is not None
        return (known if is_led else ""), end

    def _first_of(self, text: str, start: int) -> tuple[str, int]:
        """The first letter in brackets from a place on, else the first alone, and where it ends."""
        remark = _REMARK.search(text, start)
        text = text[: remark.start()] if remark else text
        for pattern in (_BRACKETED, _CAPITAL, _SMALL):
            for found in pattern.finditer(text, start):
                end = found.end()
                is_word = _ARTICLE.match(text, end) and not _WORDS.match(text, end)
                if self._known(found.group(1)) and not is_word:
                    return found.group(1).upper(), end
        return "", 0

    def _rival(self, text: str, letter: str, end: int) -> int | None:
        """Where another letter ends that stands beside one as its equal: `B or C`."""
        found = _RIVAL.match(text, end)
        is_other = found is not None and self._known(found["other"]) not in (None, letter)
        return found.end() if found is not None and is_other else None

    def _is_list(self, text: str, letter: str) -> bool:
        """Whether a text begins with a list of all options rather than with the chosen one."""
        listed = [one for one in _ENUMERATED.findall(text) if self._known(one)]
        return letter == "A" and len(dict.fromkeys(listed)) > 1

    def _known(self, letter: str) -> str | None:
        return letter.upper() if "A" <= letter.upper() <= self.last else None


def _latin(text: str) -> str:
    """A flat text in which the letters that name options in other scripts are Latin ones."""
    return flat(text).translate(_LATIN)


def _is_bare(text: str, letter: str) -> bool:
    """Whether a letter is all that stands there, brackets and decoration aside."""
    rest = _MACROS.sub("", text)
    return re.sub(r"[\W_]", "", rest).upper() == letter
