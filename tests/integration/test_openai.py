"""OpenAI's own client (npm package openai, its version in tests/openai/package-lock.json) uses the daemon, unchanged."""

import json
import subprocess

import pytest

from conftest import ROOT, clean_environment, wait_until, write_tokens

FOLDER = ROOT / "tests" / "openai"
TOKEN = "a-token-of-24-characters"


def run(*command):
    return subprocess.run(list(map(str, command)), cwd=FOLDER, capture_output=True, text=True, timeout=300,
                          env=clean_environment())


def test_official_client(fetch_npm, make_web_daemon, tmp_path):
    fetch_npm(FOLDER)
    daemon = make_web_daemon(arguments=["--tokens", write_tokens(tmp_path / "tokens", one=TOKEN)])
    used = run("node", "use.mjs", f"http://127.0.0.1:{daemon.port}/v1", TOKEN)
    assert used.returncode == 0, used.stderr
    said = json.loads(used.stdout)
    with daemon.web(headers={"Authorization": f"Bearer {TOKEN}"}) as web:
        plain = web.complete("The King had a wife with golden hair.", max_tokens=16).json

    assert said["models"] == ["tiny"]
    assert said["completion"]["choices"] == plain["choices"]
    assert said["completionStream"] == plain["choices"][0]["text"]
    chat = said["chat"]["choices"][0]
    assert chat["message"]["role"] == "assistant" and chat["message"]["content"] == said["chatStream"] == said["chatHelper"]
    assert said["usage"]["completion_tokens"] == 16 == said["chat"]["usage"]["completion_tokens"]
    assert said["usage"]["prompt_tokens_details"]["cached_tokens"] == said["usage"]["prompt_tokens"], "it was asked before"
    assert said["embedding"] == pytest.approx(said["embeddingFloat"], abs=1e-6) and len(said["embedding"]) > 1

    assert said["refused"]["kind"] == "BadRequestError" and said["refused"]["param"] == "n"
    assert said["unknown"]["kind"] == "NotFoundError" and said["unknown"]["code"] == "model_not_found"
    assert said["stranger"]["kind"] == "AuthenticationError" and said["stranger"]["status"] == 401
    assert wait_until(lambda: daemon.stats()["running"] == 0), "the stream that was left is cancelled"
