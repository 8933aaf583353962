"""The guard: who is let in, how much may be sent, and what every answer carries."""

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from policyscope.panel.contract.messages import Problem
from policyscope.panel.guard import MOST_BYTES, Guard, cookie_name

TOKEN = "a-token-of-the-test"


def client(hosts=(), token=None, base_url="http://127.0.0.1:8765"):
    app = FastAPI()
    app.add_middleware(Guard, hosts=hosts, token=token)

    @app.get("/")
    def page():
        return "page"

    @app.get("/api/library")
    def library():
        return "library"

    @app.post("/api/echo")
    async def echo(request: Request):
        return {"bytes": len(await request.body())}

    return TestClient(app, base_url=base_url, follow_redirects=False)


def problem(answer):
    """The code of a refusal, which is a Problem in JSON."""
    return Problem.model_validate_json(answer.content).code


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8765", "127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8765", "[::1]"]
)
def test_loopback_is_let_in_by_any_port(host):
    assert client().get("/api/library", headers={"Host": host}).json() == "library"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8765", "127.0.0.1.evil.example", "localhost.evil.example",
        "127.0.0.1:8765.evil.example", "127.0.0.1@evil.example", "localhost:x", "[::1]x", "[::1",
        "::1", "", "0.0.0.0:8765", "lab7:8765",
    ],
)  # fmt: skip
def test_other_hosts_are_refused(host):
    answer = client().get("/api/library", headers={"Host": host})
    assert (answer.status_code, problem(answer)) == (403, "forbidden")


def test_a_given_name_is_let_in():
    given = client(hosts=("Lab7", "fe80::1"))
    assert given.get("/api/library", headers={"Host": "lab7:99"}).status_code == 200
    assert given.get("/api/library", headers={"Host": "[fe80::1]:99"}).status_code == 200
    assert given.get("/api/library", headers={"Host": "lab8"}).status_code == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8765", 200),
        ("https://127.0.0.1:8765", 200),
        ("http://127.0.0.1:8766", 403),
        ("http://localhost:8765", 403),
        ("http://evil.example", 403),
        ("http://127.0.0.1:8765.evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_only_the_panels_own_origin_asks(origin, status):
    ask = client()
    assert ask.get("/api/library", headers={"Origin": origin}).status_code == status
    assert ask.post("/api/echo", headers={"Origin": origin}).status_code == status


@pytest.mark.parametrize(
    ("site", "status"),
    [("none", 200), ("same-origin", 200), ("same-site", 403), ("cross-site", 403)],
)
def test_a_request_that_another_site_caused_is_refused(site, status):
    ask = client()
    assert ask.get("/api/library", headers={"Sec-Fetch-Site": site}).status_code == status
    assert ask.post("/api/echo", headers={"Sec-Fetch-Site": site}).status_code == status


def test_a_link_elsewhere_leads_to_the_page_but_not_to_its_data():
    link = {
        "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
    }  # fmt: skip
    assert client().get("/", headers=link).status_code == 200
    assert client().get("/", headers={**link, "Sec-Fetch-Dest": "iframe"}).status_code == 403
    assert client().get("/api/library", headers=link).status_code == 403


def test_a_token_in_the_address_becomes_a_cookie():
    ask = client(token=TOKEN)
    assert problem(ask.get("/")) == "unauthorized"
    assert problem(ask.get("/?token=wrong")) == "unauthorized"
    assert problem(ask.get(f"/api/library?token={TOKEN}")) == "unauthorized"
    first = ask.get(f"/?token={TOKEN}")
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=strict"} <= set(first.headers["set-cookie"].split("; "))
    assert ask.get("/").json() == "page"
    assert ask.get("/api/library").json() == "library"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        ("Bearer", 401),
        ("Bearer \xff\xfe", 401),
    ],
)
def test_a_program_shows_the_token_in_a_header(header, status):
    answer = client(token=TOKEN).get(
        "/api/library", headers={"Authorization": header.encode("latin-1")}
    )
    assert answer.status_code == status


@pytest.mark.parametrize(
    "cookie", ["", "x", ";;;=", f"{cookie_name(TOKEN)}=wrong", 'a="', "\xff=1"]
)
def test_other_cookies_are_no_token(cookie):
    answer = client(token=TOKEN).get("/api/library", headers={"Cookie": cookie.encode("latin-1")})
    assert (answer.status_code, problem(answer)) == (401, "unauthorized")


def test_two_panels_of_one_host_have_two_cookies():
    assert cookie_name("one") != cookie_name("two")
    assert "one" not in cookie_name("one")


def test_a_large_body_is_refused_however_it_is_announced():
    ask = client()

    def chunks(size):
        for _ in range(size // 100_000):
            yield b"x" * 100_000

    assert ask.post("/api/echo", content=b"x" * MOST_BYTES).json() == {"bytes": MOST_BYTES}
    assert ask.post("/api/echo", content=chunks(900_000)).json() == {"bytes": 900_000}
    for content in (b"x" * (MOST_BYTES + 1), chunks(1_200_000)):
        answer = ask.post("/api/echo", content=content)
        assert (answer.status_code, problem(answer)) == (413, "too_large")
    for length in ("1000001", "9" * 40, "-1", "x"):
        headers = {"Content-Length": length}
        assert ask.request("GET", "/api/library", headers=headers).status_code == 413


def test_every_answer_carries_the_headers():
    ask = client(token=TOKEN)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    answers = {
        200: ask.get("/api/library", headers=bearer),
        401: ask.get("/api/library"),
        403: ask.get("/api/library", headers={"Host": "evil.example"}),
        404: ask.get("/api/none", headers=bearer),
        413: ask.post("/api/echo", content=b"x" * (MOST_BYTES + 1)),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_pages_policy_lets_it_ask_only_here():
    policy = client().get("/").headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["form-action"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert "'unsafe-inline'" not in rules["script-src"]


def test_websockets_are_refused():
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), client().websocket_connect("/api/library"):
        pass
