"""Who a request is from: this machine's user over loopback, or the person of a token that a proxy's issuer signed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol

from jackpot.adapters.identity import caller
from jackpot.approval import Caller
from jackpot.environment import Environment
from jackpot.errors import InputError, Problem

ALGORITHMS: Final = ("ES256", "ES384", "RS256", "PS256")
"""No shared-secret algorithm: a public key must never be taken for one."""
LEEWAY_SECONDS: Final = 30


class UnknownPersonError(Exception):
    """The request does not say, in a way that can be verified, who it is from."""


class Identify(Protocol):
    """Returns the person behind a request; raises UnknownPersonError."""

    def __call__(self, headers: Mapping[str, str], client: str | None) -> Caller:
        """Return who it is; `client` is the address that the connection comes from."""


def identify_by(environment: Environment, root: Path) -> Identify:
    """Return how an environment knows people; raise InputError where its keys cannot be read."""
    if environment.console.identity == "local":
        return _Local(caller(environment.approval))
    return _Oidc(environment, root)


class _Local:
    """The user of this machine: over loopback, and asked for by a loopback name (or another site's page could ask)."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __call__(self, headers: Mapping[str, str], client: str | None) -> Caller:
        host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        if client is None or not ip_address(client).is_loopback:
            raise UnknownPersonError("the console of one machine answers over loopback alone")
        if host.strip("[]") not in {"localhost", "127.0.0.1", "::1"}:
            raise UnknownPersonError(f"{host or 'no host'} is not this machine: open http://127.0.0.1")
        return self._caller


class _Oidc:
    """The person of a signed token: signature, issuer, audience and expiry are checked on every request."""

    def __init__(self, environment: Environment, root: Path) -> None:
        self._settings = environment.console
        self._person = environment.approval.person
        self._keys = self._signing_keys(str(self._settings.keys), root)

    def __call__(self, headers: Mapping[str, str], client: str | None) -> Caller:
        import jwt

        settings = self._settings
        token = headers.get(settings.header, "").removeprefix("Bearer ").strip()
        if not token:
            raise UnknownPersonError(f"no token in the header {settings.header}: come through the proxy that signs in")
        try:
            head = jwt.get_unverified_header(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                self._keys.get_signing_key(str(head.get("kid"))).key,
                algorithms=list(ALGORITHMS),
                issuer=settings.issuer,
                audience=settings.audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", settings.claim]},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:  # a key of another kind is a TypeError
            raise UnknownPersonError(f"the token does not hold: {error}") from error
        named = claims[settings.claim]
        if not isinstance(named, str) or not named:
            raise UnknownPersonError(f"the token's {settings.claim} names nobody")
        identity = f"oidc:{named}"
        return Caller(self._person(identity), identity)

    def _signing_keys(self, keys: str, root: Path) -> Any:
        import jwt

        if keys.startswith("https://"):
            return jwt.PyJWKClient(keys, cache_keys=True, timeout=5)
        try:
            return _File(jwt.PyJWKSet.from_dict(json.loads((root / keys).read_bytes())))
        except (OSError, ValueError, jwt.PyJWTError) as error:
            raise InputError(
                Problem(f"the signers' keys cannot be read: {error}", where=str(root / keys), field="console.keys")
            ) from error


class _File:
    def __init__(self, keys: Any) -> None:
        self._keys = keys

    def get_signing_key(self, kid: str) -> Any:
        try:
            return self._keys[kid]
        except KeyError:
            raise ValueError("it was signed with a key that is not known") from None
