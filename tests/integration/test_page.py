"""The live page in headless Chromium: a person asks twice about a document and sees what was reused.

LATENTD_SCREENSHOTS=docs keeps the screenshots that the docs show."""

import json
import os
import shutil
import subprocess

import pytest

from conftest import ROOT, SHIPPED, clean_environment

FOLDER = ROOT / "tests" / "page"
MISSES = {"new", "evicted", "expired", "encoder", "corrupt"}


def run(*command):
    return subprocess.run(list(map(str, command)), cwd=FOLDER, capture_output=True, text=True, timeout=300,
                          env=clean_environment())


@pytest.fixture(scope="module")
def chromium(fetch_npm):
    found = shutil.which("chromium")
    if not found:
        pytest.skip("Chromium is not installed")
    fetch_npm(FOLDER)
    return found


def test_page_is_one_file_that_loads_nothing(web_daemon):
    with web_daemon.web() as web:
        reply = web.get("/")
    page = reply.body.decode()
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8" and len(page) < 64 << 10
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page


def test_recent_requests(web_daemon):
    with web_daemon.web() as web, web_daemon.connect() as connection:
        web.complete("The King had a wife.")
        connection.call("encode", {"text": "She had golden hair."})
        web.complete("The King.", model="none")
        web.post("/v1/embeddings", {"input": "Latents are not kept here."})
        requests = web.get("/latentd/requests").json["requests"]
        assert [(request["number"], request["method"]) for request in requests] == [(1, "generate"), (2, "encode")]
        assert requests[0]["result"]["spans"][-1]["miss"] == "new"
        assert web.get("/latentd/requests?after=1").json["requests"] == requests[1:]
        assert web.get("/latentd/requests?after=99").json["requests"] == []
        for number in range(40):
            web.complete(f"Number {number}.", max_tokens=1)
        numbers = [request["number"] for request in web.get("/latentd/requests").json["requests"]]
    assert numbers == list(range(11, 43)), "the last 32"


def test_a_person_asks(chromium, make_web_daemon):
    daemon = make_web_daemon(model=SHIPPED)
    screenshots = [ROOT / os.environ["LATENTD_SCREENSHOTS"]] if "LATENTD_SCREENSHOTS" in os.environ else []
    used = run("node", "use.mjs", f"http://127.0.0.1:{daemon.port}/", chromium, *screenshots)
    assert used.returncode == 0, used.stderr
    said = json.loads(used.stdout)
    assert said["complaints"] == [], "neither errors nor refusals of the security policy"
    assert set(said["requests"]) == {f"http://127.0.0.1:{daemon.port}"}
    assert said["title"] == said["titleAfter"] == "latentd", "texts are shown, never run"
    assert said["models"] == "islet-8-s" and said["before"] == "–"

    document = said["first"]["spans"][1:-3]  # <|doc|> was there before; behind are <|user|>, the question and <|answer|>
    assert said["first"]["answer"] and set(document) <= MISSES and len(document) > 4
    again = said["second"]["spans"][1:-3]
    assert len(again) == len(document) and set(again) <= {"memory", "disk"}, "all of the document is reused for another question"
    hits = sum(outcome not in MISSES for outcome in said["second"]["spans"])
    assert said["second"]["summary"].startswith(f"{hits} of {len(said['second']['spans'])} spans reused")

    assert said["tiles"][0].endswith("%") and said["tiles"][1].endswith("%") and "–" not in said["tiles"]
    assert len(said["recent"]) == 3
    assert said["recent"][0] == "Who sat in the boat?" and said["recent"][2].startswith("<img")
    assert said["opened"] == said["second"]["spans"] and said["lines"] == 2
    for scrolled, shown in (said["wide"], said["phone"]):
        assert scrolled <= shown, "nothing is wider than the window"
    assert said["dark"] == "rgb(20, 23, 26)"
