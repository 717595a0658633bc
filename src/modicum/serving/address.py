"""Where a server stands, and the key for it: both are refused where a secret would be shown."""

import os
import re
import urllib.parse
from dataclasses import dataclass

from modicum.errors import ConfigError
from modicum.secrecy import learn, learn_from, looks_like_key

__all__ = [
    "Address",
    "address_of",
    "check_header",
    "check_variable",
    "default_port",
    "read_key",
]

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9._~%+-]*)*)",
    re.IGNORECASE,
)
_MOST_PORT = 65535
_MOST_URL, _MOST_PARTS = 2048, 16
"""Characters of an address, and parts behind its path, that are learnt as secrets."""
_OWN_HEADERS = re.compile(
    "accept.*|connection|content-.*|expect|host|proxy-.*|te|trailer|transfer-encoding|upgrade",
    re.IGNORECASE,
)
"""Headers that a request has a use of its own for."""
_MOST_KEY = 8192
"""Characters of the longest key that a header may hold with most servers."""


@dataclass(frozen=True)
class Address:
    """Where a server stands."""

    scheme: str
    """`http` or `https`."""
    host: str
    """Its name or number, without brackets."""
    port: int
    path: str
    """What stands before `/completions`; empty or with a slash before it."""

    @property
    def netloc(self) -> str:
        """The host as it stands in an address: numbers of the longer kind in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host


def address_of(url: str) -> Address:
    """Read the address of a server.

    Raises:
        ConfigError: anything but scheme, host, port and path; nothing but the host is told of it, and
            what may be a secret is known as one from here on.
    """
    found = _URL.fullmatch(url[: _MOST_URL + 1])
    port = int((found and found["port"]) or 0)
    if (
        found is None
        or len(url) > _MOST_URL
        or port > _MOST_PORT
        or looks_like_key(url[:_MOST_URL])
    ):
        learn_from(url[:_MOST_URL])
        _learn_rest(url)
        raise ConfigError(
            f"a base_url that is more or less than an address (host {_host(url)})",
            "http://HOST:PORT/v1 or https://…, without password, question mark or #",
            "correct it; a key goes into the variable that api_key_env names",
        )
    scheme = found["scheme"].lower()
    host = found["host"].strip("[]")
    return Address(scheme, host, port or default_port(scheme), found["path"].rstrip("/"))


def default_port(scheme: str) -> int:
    """Return the port of `http` or `https` where an address names none."""
    return 443 if scheme == "https" else 80


def check_variable(name: str) -> None:
    """Refuse what is no name of an environment variable: it may be the key itself.

    Raises:
        ConfigError: the name is not told, and known as a secret from here on.
    """
    if name and (not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or looks_like_key(name)):
        learn(name)
        raise ConfigError(
            "api_key_env holds no name of an environment variable",
            "the name of the variable, never the key itself",
            "export SERVER_KEY=… and give ?api_key_env=SERVER_KEY",
        )


def check_header(name: str) -> None:
    """Refuse what is no name of a header that a key could be sent in.

    Raises:
        ConfigError: the name is not told, and known as a secret from here on.
    """
    is_name = re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,40}", name) and not looks_like_key(name)
    if name and (not is_name or _OWN_HEADERS.fullmatch(name)):
        if not is_name:
            learn(name)
        raise ConfigError(
            "key_header that holds no name of a header for a key",
            "the header's name, never the key itself",
            "such as key_header=api-key",
        )


def read_key(name: str) -> str:
    """Return the key in the environment variable of this name; none where the name is empty.

    From here on it is a known secret.

    Raises:
        ConfigError: no name of a variable, the variable is not set, or its text fits into no header.
    """
    if not name:
        return ""
    check_variable(name)
    key = os.environ.get(name, "").strip()
    if not key:
        raise ConfigError(
            f"no environment variable {name}", "the server's key in it", f"export {name}=…"
        )
    learn(key[:_MOST_KEY])
    if len(key) > _MOST_KEY or not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"a text in {name} that no header can hold",
            f"at most {_MOST_KEY} printable ASCII characters in one line",
            f"correct {name}",
        )
    return key


def _host(url: str) -> str:
    """Name the host and nothing that may be a secret; a mark where that cannot be known."""
    rest = url.partition("://")[2] or url
    head = re.split(r"[?#]", rest)[0]
    if rest.count("@") != head.count("@"):
        return "…"
    name = re.split(r"[/:?#]", head.rpartition("@")[2])[0]
    return name if re.fullmatch(r"[A-Za-z0-9._-]+", name) and not looks_like_key(name) else "…"


def _learn_rest(url: str) -> None:
    """Remember what stands behind the path, and segment of it that look like keys."""
    for seen in {url, urllib.parse.unquote(url)}:
        pieces = re.split(r"[?#&;]", seen[:_MOST_URL])
        keys = [piece for piece in pieces[0].split("/")[3:] if looks_like_key(piece)]
        for piece in [*pieces[1:], *keys][:_MOST_PARTS]:
            learn(piece)
            learn(piece.partition("=")[2])
