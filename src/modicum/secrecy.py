"""What this process must not say: keys and passwords, cut out of all that is shown or kept.

A secret is known once it was read (`learn`) or seen in a reference (`learn_from`). Whoever echoes it,
a server above all, may have percent-, base64-, hex- or otherwise encoded it, or cut it; so every
stretch of eight characters of the secret and of its encodings is known, in either case. What is
never learnt cannot be cut out: a text is cleaned of known secrets and of nothing else.
"""

import base64
import html
import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

__all__ = [
    "CUT",
    "clean",
    "clean_parts",
    "is_key_name",
    "learn",
    "learn_from",
    "looks_like_key",
    "without_secrets",
]

CUT = "…"
"""Stands where something was cut out."""
_PIECE = 8
"""Characters of the shortest piece of a secret that is cut out."""
_SHORTEST = 4
"""Characters below which nothing is taken for a secret: every text would be full of it."""
_MOST, _LONGEST = 32, 512
"""Secrets that are looked for in one text, and characters of each that are known from it."""

_KEY_NAMES = re.compile(
    "access-?token|api-?key|auth|authorization|auth-?token|bearer|client-?secret|cookie|credentials?"
    "|headers|key|pass(?:wd|word)|pat|private-?key|pwd|secret|secret-?key|sig|signature|token"
    "|x-?api-?key",
    re.IGNORECASE,
)
"""Names of settings that hold a secret."""
_KEY_LIKE = re.compile(
    r"\b(?:sk|pk|rk|hf|gsk|ghp|gho|ghs|glpat|xai|nvapi|pplx|r8|key|token)[-_](?=\w{0,64}\d)[\w-]{12,}"
    r"|\bsk-[\w-]{6,}|\bAIza[\w-]{20,}|\bAKIA[A-Z0-9]{12,}|\beyJ[\w-]{8,}\.[\w-]{8,}"
    r"|\bbearer\s+\S{4,}|\bgithub_pat_\w{10,}",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"://(?:([^/?#&\s\"']{0,1000})@|([^\s\"']{0,1000})@)")
"""What stands between `://` and `@`: as it should be, or with signs that should be encoded."""
_FIELD = re.compile(r"(?=[?&#;]([\w.-]{1,60})=([^&\s\"';]{1,9000}))")
"""Settings, those within the value of another one too."""
_QUOTED = re.compile(
    r"""(?<![\w.-])([\w.-]{1,60})["']?[ \t]{0,9}[:=][ \t]{0,9}["']([^"'\s]{1,9000})["']"""
)
"""Fields of JSON and TOML."""


class _Known:
    """The secrets of this process and every stretch that gives one away."""

    def __init__(self) -> None:
        self.secrets: frozenset[str] = frozenset()
        self.stretches: frozenset[str] = frozenset()
        """Of `_PIECE` characters, in lower case."""
        self.words: tuple[re.Pattern[str], ...] = ()
        """Secrets too short to have stretches: cut out where they stand as whole words."""
        self.lock = threading.Lock()

    def learn(self, secret: str) -> None:
        """Add a secret; readers see all of it or nothing."""
        with self.lock:
            if secret in self.secrets:
                return
            forms = set(_forms(secret))
            more = {
                form[i : i + _PIECE]
                for form in map(str.lower, forms)
                for i in range(len(form) - _PIECE + 1)
            }
            if len(secret) < _PIECE:
                word = re.compile(rf"(?<!\w){re.escape(secret)}(?!\w)")
                self.words = (*self.words, word)
            self.stretches |= more
            self.secrets |= {secret}


_known = _Known()


def learn(secret: str) -> None:
    """Remember a secret, so that `clean` cuts it out; one below four characters is none."""
    if len(secret.strip()) >= _SHORTEST:
        _known.learn(secret)


def learn_from(text: str) -> None:
    """Remember what looks secret in a reference or a file of them.

    That is what stands before the `@` of an address, the values of settings whose names say that
    they are keys, and what stands in the place of a variable's name and is none.
    """
    for seen in {text, urllib.parse.unquote(text)}:
        for proper, loose in _few(_USERINFO, seen):
            info = proper or loose
            for part in (info, *info.split(":", 1)[1:]):
                learn(part)
                learn(urllib.parse.unquote(part))
        fields = (*_few(_FIELD, seen), *_few(_QUOTED, seen))
        for name, value in fields:
            is_variable = re.fullmatch(r"[A-Za-z_]\w*", value) and not looks_like_key(value)
            if is_key_name(name) or (name.endswith("_env") and not is_variable):
                for part in (value, re.split("[?#]", value)[0]):
                    learn(part)
                    learn(urllib.parse.unquote(part))


def _few(pattern: re.Pattern[str], text: str) -> list[tuple[str, str]]:
    """Return the first finds that may hold a secret, each cut to a length that is soon learnt."""
    found = []
    for match in pattern.finditer(text):
        first, second = (group or "" for group in match.groups())
        if pattern is _USERINFO or is_key_name(first) or first.endswith("_env"):
            found.append((first[:_LONGEST], second[:_LONGEST]))
        if len(found) == _MOST:
            break
    return found


def clean(text: str) -> str:
    """Cut every known secret out of a text that is shown or kept.

    Pieces of at least eight characters of a secret go, in any of its encodings and in either case;
    a secret of less than eight goes where it stands as a word.
    """
    known = _known
    [text] = _without(known, [text])
    for word in known.words:
        text = word.sub(CUT, text)
    return text


def clean_parts(parts: Sequence[str]) -> tuple[str, ...]:
    """Cuts known secrets of at least eight characters out of a text that lies in parts.

    What is cut out is looked for in the joined text, so that a secret that stands across several
    parts goes as well; as many parts come back, and joined they are the cleaned text.
    """
    return tuple(_without(_known, parts))


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables without those that hold a known secret or are named like one."""
    secrets = _known.secrets
    return {
        name: value
        for name, value in environment.items()
        if not any(secret in value for secret in secrets)
        and not re.search(r"(?i)(?:^|_)(?:key|token|secret|password|passwd|credentials?)$", name)
    }


def is_key_name(name: str) -> bool:
    """Say whether a setting of this name would hold a secret.

    >>> is_key_name("api-key"), is_key_name("api_key_env"), is_key_name("max_tokens")
    (True, False, False)
    """
    return _KEY_NAMES.fullmatch(re.sub(r"[_.]", "-", name)) is not None


def looks_like_key(text: str) -> bool:
    """Say whether a text looks like a key of one of the usual makes.

    >>> looks_like_key("sk-proj-123456"), looks_like_key("qwen2.5-0.5b-instruct")
    (True, False)
    """
    return _KEY_LIKE.search(text) is not None


def _without(known: _Known, parts: Sequence[str]) -> list[str]:
    """Return the parts of a text without known stretches; where one begins stands a mark."""
    if not known.stretches:
        return list(parts)
    spans = list(_spans("".join(parts), known.stretches))
    if not spans:
        return list(parts)
    cleaned, start = [], 0
    for part in parts:
        end, kept, place = start + len(part), [], start
        for first, last in spans:
            if last <= place or first >= end:
                continue
            kept.append("".join(part[place - start : max(place, first) - start]))
            kept.append(CUT if first >= start else "")
            place = min(last, end)
        kept.append(part[place - start :])
        cleaned.append("".join(kept))
        start = end
    return cleaned


def _spans(text: str, stretches: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Yield the places of known stretches, those that touch joined."""
    low = text.lower()
    if len(low) != len(text):  # a few letters grow when they are lowered
        low = "".join(c.lower() if c.isascii() else c for c in text)
    first = last = -1
    for i in range(len(low) - _PIECE + 1):
        if low[i : i + _PIECE] not in stretches:
            continue
        if i > last:
            if last >= 0:
                yield first, last
            first = i
        last = i + _PIECE
    if last >= 0:
        yield first, last


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as those write it who encode it, and these as they stand in other texts."""
    plain = {secret, secret[::-1]}
    for cased in dict.fromkeys((secret, secret.lower(), secret.upper())):
        raw = cased.encode("utf-8", "surrogatepass")
        yield raw.hex()
        for sign in (" ", ":", "-"):
            yield raw.hex(sign)
        for write in ("%{:02x}", "\\x{:02x}", "\\u{:04x}", "&#{};", "&#x{:x};", "\\{:03o}"):
            yield "".join(write.format(byte) for byte in raw)
        yield base64.b32encode(raw).decode()
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
            plain.update(_base64(raw, alphabet))
    for form in plain:
        yield form
        if not form.isalnum():  # nobody writes letters and digits otherwise
            yield from _escaped(form)


def _base64(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterator[str]:
    """Yield base64 at each of the three places that a byte may have in a group.

    Of the characters that hold bits of what stands before or behind, all that there may be are too
    many; the usual word before a key is known, and where nothing stands there they are zero.
    """
    for before in (b"", b"\0", b"\0\0", b":", b"Bearer ", b"bearer "):
        whole = encode(before + raw).decode()
        skipped = -(-8 * len(before) // 6)
        yield whole[skipped:]
        yield whole.rstrip("=")[skipped : (8 * (len(before) + len(raw))) // 6]


def _escaped(form: str) -> Iterator[str]:
    """Yield a form as it stands within other texts: JSON, Python, HTML, addresses."""
    text = json.dumps(form)[1:-1]
    yield text
    yield text.replace("/", "\\/")
    yield re.sub(r"[<>&'=+]", lambda found: f"\\u{ord(found[0]):04x}", text)
    yield json.dumps(text)[1:-1]
    yield repr(form)[1:-1]
    yield form.replace("\\", "\\\\").replace("'", "\\'")
    for quote in (html.escape, partial(html.escape, quote=False)):
        yield quote(form)
    yield form.replace("&", "&amp;").replace("'", "&#39;").replace('"', "&#34;")
    for safe in ("", "/", "/:@", "~()*!'"):
        yield urllib.parse.quote(form, safe=safe, errors="replace")
    yield urllib.parse.quote_plus(form, errors="replace")
    yield urllib.parse.quote(urllib.parse.quote(form, safe="", errors="replace"), safe="")
