"""Proxies that the user's environment names, asked where the user says so."""

import base64
import ipaddress
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from modicum.errors import ConfigError
from modicum.secrecy import learn
from modicum.serving.address import Address

__all__ = ["Proxy", "names_proxy", "proxy_for"]

_URL = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9]*)://)?(?:(?P<info>[^/@]*)@)?"
    r"(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE,
)
_PORT = 80


@dataclass(frozen=True)
class Proxy:
    """A proxy that speaks plain HTTP."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)
    """What `Proxy-Authorization` holds; shown nowhere."""


def names_proxy(address: Address, environment: Mapping[str, str]) -> bool:
    """Say whether the environment names a proxy for a server."""
    return bool(_named(address, environment)[1])


def proxy_for(
    address: Address, environment: Mapping[str, str], *, is_local_too: bool = False
) -> Proxy | None:
    """Return the proxy that the environment names for a server; None where it is asked directly.

    `HTTP_PROXY` or `HTTPS_PROXY` by the server's scheme, else `ALL_PROXY`, lower case first;
    `NO_PROXY` takes hosts, domains, networks, each with a port where wanted, and `*`.

    Args:
        address: The server.
        environment: Variables and their values.
        is_local_too: Ask a server on this machine through it as well.

    Raises:
        ConfigError: a proxy that is no address, or that speaks something else; its user and password
            are known secrets from here on.
    """
    is_local = _is_local(address.host)
    is_direct = not is_local_too if is_local else _is_excepted(address, environment)
    variable, url = _named(address, environment)
    if is_direct or not url:
        return None
    info = url.rpartition("@")[0].partition("://")[2] or url.rpartition("@")[0]
    for part in (info, *info.split(":", 1)):
        for secret in (part, urllib.parse.unquote(part)):
            learn(secret)
    found = _URL.fullmatch(url)
    port = int((found and found["port"]) or _PORT)
    if found is None or not 0 < port < 65536 or (found["scheme"] or "http").lower() != "http":
        raise ConfigError(
            f"a proxy in {variable} that is no address of one",
            "http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT",
            f"correct {variable}, or leave ?proxy out",
        )
    authorization = ""
    if info:
        user, _, password = info.partition(":")
        pair = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}"
        learn(pair)
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        learn(authorization)
    return Proxy(found["host"].strip("[]"), port, authorization)


def _named(address: Address, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the variable that names a proxy, and what it holds."""
    found = _value(f"{address.scheme}_proxy", environment)
    return found if found[1] else _value("all_proxy", environment)


def _value(name: str, environment: Mapping[str, str]) -> tuple[str, str]:
    if environment.get(name, "").strip():
        return name, environment[name].strip()
    if name == "http_proxy" and "REQUEST_METHOD" in environment:
        return "", ""  # of a web server's script the client writes HTTP_PROXY, as its header Proxy
    return name.upper(), environment.get(name.upper(), "").strip()


def _is_local(host: str) -> bool:
    """Say whether a host is this machine."""
    if host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_excepted(address: Address, environment: Mapping[str, str]) -> bool:
    """Say whether `NO_PROXY` holds a server."""
    listed = _value("no_proxy", environment)[1]
    host = address.host.lower().rstrip(".")
    for entry in filter(None, re.split(r"[,\s]+", listed.lower())):
        name, _, port = entry.rpartition(":") if re.search(r"[^:]:\d+$", entry) else (entry, "", "")
        name = name.strip("[]").removeprefix("*").lstrip(".")
        if port and port != str(address.port):
            continue
        if entry == "*" or (name and (host == name or host.endswith(f".{name}"))):
            return True
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False):
                return True
        except ValueError:
            continue
    return False
