"""A thousand wrong requests: each gets a right answer or a Problem, and the server lives on."""

import json
import random
import re
from collections import Counter
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from policyscope.panel.application import application
from policyscope.panel.contract.messages import Problem
from policyscope.panel.views.queries import examples
from policyscope.recordings.read import open_recording

REQUESTS = 1000
REC = "/api/recordings/rec"
PATHS = [
    "/api/library", REC, f"{REC}/episodes", f"{REC}/episodes/K", f"{REC}/episodes/K/arrays",
    f"{REC}/episodes/K/tracks", f"{REC}/episodes/K/thumbnail", f"{REC}/episodes/K/overlays/NAME",
    f"{REC}/episodes/K/overlays/NAME/arrays", f"{REC}/steps", f"{REC}/steps/arrays",
    f"{REC}/moments", f"{REC}/notes", f"{REC}/notes/NAME",
    "/api/results/NAME", "/api/results/NAME/figure",
    "/api/forks/NAME", "/api/forks/NAME/NAME/arrays", "/api/forks/NAME/NAME/pictures/K",
    "/api/jobs", "/api/jobs/NAME",
    "/api/recordings/NAME", "/api/recordings/NAME/episodes/K",
    "/static/NAME", "/NAME", "/api/NAME",
]  # fmt: skip
NAMES = [
    "..", "../..", "../../etc/passwd", "..\\..\\secret", "%2e%2e", "%00", "\0", "a\nb", "x" * 5000,
    "é", "日本語", "\u202e", "💥", "/", "//", "~root", "rec", "attention_layer.pattern", "q[IDLE]",
    "q[IDLE", "q[]", "site[..]", "site[attention_layer.pattern][0]", "value@t+99999999999",
    "q[IDLE]-" * 200, "(" * 500, "1e999", "nan", "-1", "0", "<script>", "' or 1=1", "${x}", "{0}",
    "C:\\x", "file:///etc/passwd", "recording.json", "panel.js", "rec/../rec", " ", "", "\ud800",
]  # fmt: skip
EPISODES = [
    *"0120120120123", "-1", "1.5", "nan", "inf", "1e3", "0x1", "９", "99999999999999999999999",
    "9" * 400, "", " 0", "+0", "..", "true",
]  # fmt: skip
RANGES = [
    *["bytes=0-9"] * 4, "bytes=9-0", "bytes=-5",
    "bytes=5-", "bytes=0-99999999999999999999", "bytes=-0",
    "bytes=99999999-", "bytes=a-b", "bytes=0-1,3-4", "bytes=", "items=0-1", "bytes", "bytes=--1",
    "bytes=0-0,", "bytes=" + "9" * 5000 + "-", "bytes=\u0661-\u0662",
]  # fmt: skip
NUMBERS = [
    "0", "1", "-1", "0.5", "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "1e308", "null",
    "true", '"0"', "[]", "{}", "9" * 30, "9" * 5000, "-0.0",
]  # fmt: skip
METHODS = ["GET"] * 16 + ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "XYZ"]
TELLTALE = re.compile(r"Traceback|\.py\b|line \d+|/(tmp|work|root|home|usr)/|0x[0-9a-f]{8}")
WORDS = [
    "value", "reward", "return", "advantage", "margin", "step", "steps", "entropy", "q[FASTER]",
    "q[best]", "q[taken]", "q[]", "q[99]", "logit[0]", "logp[IDLE]", "mean[0]", "outcome", "action",
    "site[attention_layer.pattern][0,0,0]", "site[attention_layer.pattern][9]", "site[x][0]",
    "direction[a]", "value@t+3", "value@t+999999999999999999999", "entity(vehicle).distance",
    "entity(ego).speed", "entity(tram).count", "entity(", ").x", "abs(", "(", ")", "and", "or",
    "drops", "rises", "crosses", "within", "top", "bottom", "changes", "==", "!=", "<", "<=", ">",
    ">=", "+", "-", "*", "/", "1", "0", "0.5", "1e999", "-1e308", "9" * 400, "IDLE", "crashed",
    "arrived", "$", "'", '"', "\\", "{", "\u202e", "💥", "é", "\0", "\n", "٣", "９", "/etc/passwd",
]  # fmt: skip


def live_body(rng: random.Random) -> str:
    def number() -> str:
        return rng.choice(NUMBERS)

    def name() -> str:
        return json.dumps(rng.choice(NAMES))

    change = f'{{"kind": {name()}, "identity": {number()}, "values": {{{name()}: {number()}}}}}'
    known = rng.choice(["move", "remove", "add", "set", "hide", "speed"])
    likely = f'{{"kind": "{known}", "identity": 1, "values": {{"x": {number()}}}}}'
    scene = rng.choice(["[]", f"[{change}]", f"[{likely}]", "[" + f"{likely}," * 70 + likely + "]"])
    index = rng.choice(["[0, 1]", f"[{number()}, {number()}]", "[1, 2, 3]", "[]", "[99, 99]"])
    seen = rng.choice(["[]", f'[{{"index": {index}, "value": {number()}}}]'])
    step = rng.choice(["0", "1", number()])
    episode = rng.choice(["0", "1", number()])
    recording = rng.choice(['"rec"', name()])
    return (
        f'{{"recording": {recording}, "episode": {episode}, "step": {step}, "scene": {scene}, '
        f'"observation": {seen}, "targets": [{name()}]}}'
    )


def fork_body(rng: random.Random) -> str:
    """What a live question changes, played on; mostly one that can be read."""
    values = live_body(rng)
    if rng.random() < 0.8:
        values = values[: values.index(', "observation"')] + "}"
    if rng.random() < 0.5:
        values = values[:-1] + f', "pairs": {rng.choice([*NUMBERS, "1", "2"])}}}'
    return values


def body(rng: random.Random, path: str) -> str:
    odd = ["", "{", "[]", "null", '"x"', "{}", "[" * 3000, '{"a": 1}', "\ud800", "NaN"]
    if rng.random() < 0.25:
        return rng.choice(odd)
    if "notes" in path:
        where = f'"episode": {rng.choice(NUMBERS)}, "step": {rng.choice(NUMBERS)}'
        return f'{{{where}, "text": {json.dumps(rng.choice(NAMES))}}}'
    if "jobs" in path:  # never a method that exists: it would run
        method = json.dumps(f"no {rng.choice(NAMES)}")
        option = f"{{{json.dumps(rng.choice(NAMES))}: {rng.choice(NUMBERS)}}}"
        return f'{{"recording": "rec", "method": {method}, "options": {option}}}'
    return live_body(rng)


def request(rng: random.Random) -> tuple[str, str, dict[str, bytes], bytes]:
    """Method, address, headers and body of a request that is wrong in some way, or nearly."""
    if rng.random() < 0.05:
        return "POST", "/api/forks", {"content-type": b"application/json"}, encoded(fork_body(rng))
    if rng.random() < 0.2:
        text = live_body(rng) if rng.random() < 0.8 else body(rng, "")
        address = rng.choice(["/api/live"] * 8 + ["/api/field", "/api/why-not"])
        return "POST", address, {"content-type": b"application/json"}, encoded(text)
    path = rng.choice(PATHS).replace("K", rng.choice(EPISODES))
    if "NAME" in path:
        name = rng.choice(NAMES)
        safe = rng.choice(["", "/.", "/.%"])
        path = path.replace("NAME", quote(name, safe=safe, errors="replace"))
    query = ""
    if (
        path.endswith(("tracks", "steps", "steps/arrays", "moments", "figure"))
        or rng.random() < 0.1
    ):
        keys = [
            rng.choice(["name", "x", "y", "theme", "query"]) for _ in range(rng.choice([1, 2, 70]))
        ]
        pairs = [f"{key}={quote(rng.choice(NAMES), errors='replace')}" for key in keys]
        query = "?" + "&".join(pairs)
    headers = {"content-type": rng.choice([b"application/json", b"text/plain", b"\xff"])}
    if path.endswith("arrays") or rng.random() < 0.1:
        headers["range"] = rng.choice(RANGES).encode()
    return rng.choice(METHODS), path + query, headers, encoded(body(rng, path))


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@pytest.fixture
def copied(recorded, tmp_path):
    """A recording that notes may be written in, below a folder with a secret."""
    import shutil

    shutil.copytree(recorded, tmp_path / "served" / "rec")
    (tmp_path / "secret").write_text("a secret")
    return tmp_path / "served"


def faults(answer) -> list[str]:
    """What is wrong with an answer."""
    found = []
    text = answer.content.decode("utf-8", "replace")
    if answer.status_code >= 500 and answer.status_code != 501:
        found.append("it failed")
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        try:
            problem = Problem.model_validate_json(answer.content)
        except ValueError:
            return [*found, f"no Problem: {text[:200]}"]
        if TELLTALE.search(problem.message) or "\n" in text or len(text) > 4000:
            found.append(f"it tells too much: {problem.message[:300]}")
        if not problem.message.strip() or not problem.code:
            found.append("it tells nothing")
    if "a secret" in text:
        found.append("a file outside was given")
    return found


def test_a_thousand_wrong_requests(copied):
    rng = random.Random(8)
    statuses: Counter[int] = Counter()
    wrong = []
    with TestClient(
        application(copied), base_url="http://127.0.0.1", raise_server_exceptions=False,
        follow_redirects=False,
    ) as client:  # fmt: skip
        before = client.get(f"{REC}/episodes/0").json()
        for number in range(REQUESTS):
            method, address, headers, content = request(rng)
            answer = client.request(method, address, headers=headers, content=content)
            statuses[answer.status_code] += 1
            wrong += [(number, method, address[:200], content[:300], f) for f in faults(answer)]
        assert wrong == [], "\n".join(str(w) for w in wrong[:20])
        assert client.get(f"{REC}/episodes/0").json() == before
        assert client.get("/api/library").json()["recordings"][0]["episodes"] == 3
    for status in (200, 206, 400, 404, 405, 416, 422):
        assert statuses[status] > 1, statuses


def wrong_query(rng, known):
    """Words in any order, or a query that works with some of them put in."""
    if rng.random() < 0.5:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 9)))[:1000]
    words = rng.choice(known).split()
    for _ in range(rng.randint(0, 2)):
        words[rng.randrange(len(words))] = rng.choice(WORDS)
    return " ".join(words)[:1000]


def test_wrong_queries_never_fail(copied):
    rng, statuses, wrong = random.Random(3), {}, []
    known = [
        *examples(open_recording(copied / "rec")), "value drops > 0.1 within 3", "action changes",
        "q[FASTER] / q[SLOWER] * 2 > 1", "outcome != crashed and reward >= 0 or step == 1",
        "entity(vehicle).distance < 30 and entropy top 3", "value@t+1 - value rises > 0",
    ]  # fmt: skip
    deep = ["(" * 500, "abs(" * 240 + "1", "-" * 990 + "1 > 0", "1" + "+1" * 400 + " > 0",
            "value > 0 and " * 70 + "step > 0", "step top " + "9" * 900,
            "value drops > 0 within " + "9" * 900]  # fmt: skip
    with TestClient(
        application(copied), base_url="http://127.0.0.1", raise_server_exceptions=False
    ) as client:
        for query in [*deep, *(wrong_query(rng, known) for _ in range(500))]:
            answer = client.get(f"{REC}/moments?query={quote(query)}")
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
            wrong += [(query[:200], fault) for fault in faults(answer) if "too much" not in fault]
            if answer.status_code == 400:
                problem = answer.json()
                if not 0 <= problem["at"] <= problem["at"] + problem["length"] <= len(query):
                    wrong.append((query, "its word lies outside"))
    assert wrong == []
    assert set(statuses) == {200, 400}
    assert min(statuses.values()) > 20, statuses


@pytest.mark.parametrize(
    ("status", "content", "told"),
    [
        (500, b'{"code": "internal", "message": "x"}', "it failed"),
        (404, b"Not Found", "no Problem"),
        (400, b'{"code": "x", "message": "Traceback (most recent call last)"}', "too much"),
        (409, b'{"code": "bad_file", "message": "/tmp/served/rec: torn"}', "too much"),
        (400, b'{"code": "x", "message": " "}', "it tells nothing"),
        (200, b"a secret", "outside"),
    ],
)
def test_a_wrong_answer_is_noticed(status, content, told):
    class Answer:
        status_code = status
        request = type("Request", (), {"method": "GET"})

    Answer.content = content
    assert told in " ".join(faults(Answer))
