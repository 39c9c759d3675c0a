"""Who may not, may not: by any route, with any token, in any text."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from jackpot.adapters.places import open_places
from jackpot.approval import Caller
from jackpot.environment import Environment
from jackpot.strict_yaml.files import load_yaml
from serving.console.app import create_app
from serving.console.guard import BURST, LARGEST_BODY
from serving.console.identity import identify_by
from tests.serving.console.conftest import LOOPBACK, ORIGIN, Console, copy_of

OPEN = {"/healthz", "/readyz"}
FOR_ALL = OPEN | {"/", "/approvals", "/static/pages.css"}
NEEDED = {"decide": "dora", "approvals": "alice", "year": "alice", "replay": "adam", "verify": "adam"}


def routes(console: Console) -> Iterator[tuple[str, str]]:
    """Yield method and address of every route that the application has."""
    action = console.app.routes  # the application itself says what there is
    values = {"market": "england", "day": console.draw, "number": str(console.number), "action": "a" * 24}
    for route in action:
        if isinstance(route, APIRoute):
            for method in sorted(route.methods):
                yield method, route.path.format(**values)


def send(console: Console, method: str, path: str, person: str | None, **fields: str) -> Any:
    headers = {"origin": ORIGIN} | ({"x-person": person} if person else {})
    if method == "GET":
        return console.client.get(path, headers=headers, follow_redirects=False)
    return console.client.post(path, headers=headers, data=fields, follow_redirects=False)


def files(console: Console) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(console.root.rglob("*")) if path.is_file()}


def test_every_route_asks_who_it_is_and_tells_a_stranger_nothing(shared: Console) -> None:
    seen = list(routes(shared))
    assert len(seen) >= 20
    before = files(shared)
    for method, path in seen:
        if path not in OPEN:
            assert send(shared, method, path, None).status_code == 401, path
        if path not in FOR_ALL:
            answer = send(shared, method, path, "mallory", token=shared.token("dora"))
            assert answer.status_code == 404, (path, answer.status_code)
            assert "23,7" not in answer.text
    assert "England" not in send(shared, "GET", "/", "mallory").text
    assert files(shared) == before


def test_every_form_refuses_whoever_lacks_its_role(shared: Console) -> None:
    before = files(shared)
    forms = [path for method, path in routes(shared) if method == "POST"]
    assert len(forms) == len(NEEDED)
    for path in forms:
        role = next(NEEDED[part] for part in reversed(path.split("/")) if part in NEEDED)
        for person in {"rita", "dora", "alice", "adam", "david"} - {role} - ({"dora"} if role == "alice" else set()):
            if person == "david" and role == "dora":
                continue
            fields = {"token": shared.site_token(person), "jackpot": "30000000", "reason": "x", "day": shared.draw}
            answer = send(shared, "POST", path, person, verdict="approved", **fields)
            assert answer.status_code == 403, (path, person)
            assert "may not" in answer.text
    assert files(shared) == before


def test_a_get_never_writes(shared: Console) -> None:
    shared.get("/", "dora")
    before = files(shared)
    for method, path in routes(shared):
        if method == "GET":
            shared.get(path, "dora")
            shared.get(f"{path}?format=csv&verdict=approved&jackpot=30000000&reason=x", "dora")
    assert files(shared) == before


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"token": ""}, {}),
        ({"token": "0" * 64}, {}),
        ({"token": "david's"}, {}),
        ({}, {"origin": "https://evil.example"}),
        ({}, {"origin": "null"}),
        ({}, {"origin": "http://127.0.0.1:81"}),
        ({}, {"sec-fetch-site": "cross-site"}),
        ({}, {"sec-fetch-site": "same-site"}),
    ],
)
def test_a_forged_form_records_nothing(shared: Console, fields: dict[str, str], headers: dict[str, str]) -> None:
    given = {"day": shared.draw, "jackpot": "30000000", "reason": "x", "token": shared.token("dora"), **fields}
    if given["token"] == "david's":  # noqa: S105
        given["token"] = shared.token("david")
    answer = shared.post("/markets/england/decide", "dora", given, **headers)
    assert answer.status_code == 403
    assert shared.entries("decision") == []


def test_a_form_without_an_origin_is_refused(shared: Console) -> None:
    given = {"day": shared.draw, "jackpot": "30000000", "reason": "x", "token": shared.token("dora")}
    answer = shared.client.post("/markets/england/decide", data=given, headers={"x-person": "dora"})
    assert answer.status_code == 403
    assert shared.entries("decision") == []


def test_what_is_too_large_is_refused_before_it_is_read(shared: Console) -> None:
    headers = {"x-person": "dora", "origin": ORIGIN, "content-type": "application/x-www-form-urlencoded"}
    path = "/markets/england/decide"
    large = b"reason=" + b"x" * (LARGEST_BODY + 1)
    assert shared.client.post(path, content=large, headers=headers).status_code == 413
    told_none = shared.client.post(path, content=iter([large[:40_000], large[40_000:]]), headers=headers)
    assert told_none.status_code == 413
    assert shared.client.post(path, content=b"x", headers={**headers, "content-length": "-1"}).status_code == 413
    assert shared.get("/markets/" + "x" * 5000, "dora").status_code == 414
    assert shared.decide("dora", 30e6, "x" * 3000).status_code == 422
    many = "&".join(f"f{number}=1" for number in range(500)).encode()
    assert shared.client.post(path, content=many, headers=headers).status_code in (400, 403)
    assert shared.entries("decision") == []


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/markets/..%2f..%2fkeys",
        "/markets/england/draws/..%2f..%2f..%2fkeys%2faudit",
        "/markets/england/approvals/..%2f1",
        "/markets/england/approvals/1e9",
        "/markets/%00",
        "/actions/..%2f..%2frestricted",
        "/markets/configs%2fmarkets%2fengland.yaml",
    ],
)
def test_no_address_leads_out(shared: Console, path: str) -> None:
    answer = shared.get(path, "dora")
    assert answer.status_code in (404, 405, 422)
    assert "root:" not in answer.text
    assert "def " not in answer.text


@pytest.mark.parametrize(
    "asked", ["jackpot=nan", "jackpot=1e400", "cash=x", "draw=1", "evil=1", "floor=2", "jackpot=1,2&jackpot=3"]
)
def test_a_question_that_is_none_is_answered_with_why(shared: Console, asked: str) -> None:
    answer = shared.get(f"/markets/england/what-if?{asked}", "dora")
    assert answer.status_code in (409, 422)
    assert answer.json()["error"]
    assert "--set" not in answer.json()["error"]  # that is how the command line is asked


def test_texts_are_shown_as_they_were_written_and_never_run(console: Console) -> None:
    bad = '=HYPERLINK("http://evil.example")<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    assert console.decide("dora", 30e6, bad).status_code == 303
    for path in ("/markets/england", "/markets/england/audit", f"/markets/england/draws/{console.draw}", "/"):
        page = console.get(path, "dora").text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "&lt;script&gt;" in console.get("/markets/england", "dora").text
    (row,) = [line for line in console.get("/markets/england/audit?format=csv&kind=decision", "dora").text.splitlines()
              if "HYPERLINK" in line]  # fmt: skip
    assert not any(cell.startswith(("=", '"=')) for cell in row.split(","))


def test_a_markets_own_texts_are_shown_and_never_run(week: Path, tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "configs/markets/england.yaml").read_text()
    text = text.replace("market: england", "market: evil").replace(
        "title: ", "title: \"<img src=x onerror='alert(1)'>\" #"
    )
    (tmp_path / "evil.yaml").write_text(text)
    path = copy_of(week, tmp_path / "place", {"[england, uk_lotto]": f"[england, {tmp_path}/evil.yaml]"})
    path.write_text(path.read_text().replace("read: {england: [rita]", "read: {evil: [rita], england: [rita]"))
    app = create_app(open_places(str(path)), str(path), lambda headers, client: Caller("rita"))
    with TestClient(app, base_url=ORIGIN, client=LOOPBACK) as client:
        for page in ("/", "/markets/evil", "/markets/evil/audit"):
            answer = client.get(page)
            assert answer.status_code == 200
            assert "<img src=x" not in answer.text
        assert "&lt;img src=x" in client.get("/").text
        assert client.get("/?format=csv").text.count("<img") == 1  # a CSV file is text


def test_every_answer_carries_a_strict_policy(shared: Console) -> None:
    for path in ("/", "/markets/england", "/nowhere", "/static/console.js", "/markets/england/what-if?evil=1"):
        headers = shared.get(path, "dora").headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in headers
    page = shared.get("/markets/england", "dora").text
    assert page.count("<script") == page.count('<script src="/static/')
    assert "<style" not in page
    assert " onclick" not in page


def test_too_many_requests_of_one_person_do_not_stop_another(week: Path, tmp_path: Path) -> None:
    path = copy_of(week, tmp_path / "place")
    app = create_app(open_places(str(path)), str(path), lambda headers, client: Caller(headers["x-person"]))
    with TestClient(app, base_url=ORIGIN, client=LOOPBACK) as client:
        said = [client.get("/nowhere", headers={"x-person": "rita"}).status_code for _ in range(2 * BURST)]
        assert said[0] == 404
        assert 429 in said
        assert client.get("/nowhere", headers={"x-person": "dora"}).status_code == 404


def test_one_machines_console_answers_its_own_user_alone(week: Path, tmp_path: Path) -> None:
    path = copy_of(week, tmp_path / "place")
    places = open_places(str(path))
    app = create_app(places, str(path))
    for base, client_address, expected in (
        ("http://127.0.0.1:8090", "127.0.0.1", 200),
        ("http://localhost:8090", "127.0.0.1", 200),
        ("http://[::1]:8090", "::1", 200),
        ("http://evil.example:8090", "127.0.0.1", 401),
        ("http://127.0.0.1.evil.example", "127.0.0.1", 401),
        ("http://127.0.0.1:8090", "10.0.0.7", 401),
    ):
        with TestClient(app, base_url=base, client=(client_address, 50000)) as client:
            assert client.get("/").status_code == expected, (base, client_address)


# Tokens of an OIDC proxy

ISSUER, AUDIENCE = "https://id.example.com", "jackpot-console"
KEY = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


def signed(key: Any = KEY, algorithm: str = "RS256", kid: str = "one", **changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 300, "iat": now, "email": "dora@example.com", **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


def with_public_key_as_secret() -> str:
    """Return a token signed with the public key as if it were a shared secret."""
    public = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def part(value: dict[str, Any]) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 300, "email": "dora@example.com"}
    body = part({"alg": "HS256", "kid": "one"}) + b"." + part(claims)
    mark = base64.urlsafe_b64encode(hmac.new(public, body, hashlib.sha256).digest()).rstrip(b"=")
    return (body + b"." + mark).decode()


def without_signature() -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": 9e9, "email": "dora@example.com"}
    return jwt.encode(claims, None, algorithm="none", headers={"kid": "one"})


@pytest.fixture(scope="module")
def identify(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("oidc")
    keys = [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": "one", "use": "sig"}]
    keys.append(json.loads(jwt.algorithms.ECAlgorithm.to_jwk(CURVE.public_key())) | {"kid": "two", "use": "sig"})
    (root / "keys.json").write_text(json.dumps({"keys": keys}))
    text = (
        "environment: test\nstore: s\nrestricted_store: r\nregistry: {tracking_uri: sqlite:///m.db}\n"
        "audit: {store: a, heads: h, key: k}\napproval: {people: {'oidc:dora@example.com': dora}}\n"
        f"console: {{identity: oidc, issuer: '{ISSUER}', audience: {AUDIENCE}, keys: keys.json}}\n"
    )
    return identify_by(load_yaml(text.encode(), "test.yaml", Environment), root)


def test_a_genuine_token_names_its_person(identify: Any) -> None:
    assert identify({"authorization": f"Bearer {signed()}"}, "10.0.0.7") == Caller("dora", "oidc:dora@example.com")
    assert identify({"authorization": signed(CURVE, "ES256", "two")}, "10.0.0.7").person == "dora"
    assert identify({"authorization": signed(email="eve@example.com")}, None).names == {"oidc:eve@example.com"}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "Bearer",
        "Basic ZG9yYTpkb3Jh",
        with_public_key_as_secret(),
        without_signature(),
        signed(OTHER),
        signed(KEY, kid="two"),
        signed(kid="three"),
        signed(KEY, "RS384"),
        signed(exp=int(time.time()) - 60),
        signed(nbf=int(time.time()) + 600),
        signed(exp=None),
        signed(iss="https://evil.example"),
        signed(iss=None),
        signed(aud="another"),
        signed(aud=None),
        signed(email=None),
        signed(email=""),
        signed(email=["dora@example.com"]),
        signed()[:-4] + "AAAA",
        signed() + "x" * 5000,
    ],
)
def test_no_other_token_names_anybody(identify: Any, token: str) -> None:
    from serving.console.identity import UnknownPersonError

    with pytest.raises(UnknownPersonError):
        identify({"authorization": token, "x-person": "dora", "x-forwarded-user": "dora"}, "127.0.0.1")
