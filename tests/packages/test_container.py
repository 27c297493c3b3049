"""deploy/docker/Dockerfile, built and run without a container daemon: buildah in a chroot, on a Debian that debootstrap makes."""

import json
import os
import shutil

import pytest
from conftest import ROOT, run

BASE = "docker.io/library/debian:bookworm-slim"
SCRIPT = """
id -un
(latentd --config /etc/latentd/latentd.conf & echo $! >/tmp/pid; wait) &
tries=0
until latentctl ping >/dev/null 2>&1 || [ $tries -ge 300 ]; do sleep 0.1; tries=$((tries + 1)); done
latentctl encode --json "The king had golden hair." >/dev/null
latentctl encode --json "The king had golden hair."
kill "$(cat /tmp/pid)"
wait
"""


@pytest.fixture(scope="module")
def buildah(tmp_path_factory):
    if os.getuid() != 0 or not (shutil.which("buildah") and shutil.which("debootstrap")):
        pytest.skip("needs root, buildah and debootstrap")
    folder = tmp_path_factory.mktemp("containers")
    policy = folder / "policy.json"
    policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}

    def call(verb, *arguments):
        policies = ["--signature-policy", policy] if verb in ("from", "commit", "bud") else []
        return run("buildah", "--root", folder / "storage", "--runroot", folder / "run", verb, *policies, *arguments, env=environment).strip()

    run("debootstrap", "--variant=minbase", "bookworm", folder / "debian")
    container = call("from", "scratch")
    call("add", container, folder / "debian", "/")
    call("commit", container, BASE)
    shutil.rmtree(folder / "debian")
    return call


@pytest.fixture(scope="module")
def image(buildah):
    buildah("bud", "--pull-never", "--format", "docker", "--tag", "latentd", "--file", ROOT / "deploy" / "docker" / "Dockerfile", ROOT)
    return "localhost/latentd"


def test_it_runs_as_its_own_user_and_says_how_it_is(buildah, image):
    config = json.loads(buildah("inspect", "--type", "image", image))["Docker"]["config"]
    assert config["User"] == "latentd" and config["Healthcheck"]["Test"] == ["CMD", "latentctl", "ping"]
    assert config["Entrypoint"] == ["latentd", "--config", "/etc/latentd/latentd.conf"]
    assert list(config["Volumes"]) == ["/var/lib/latentd"]


def test_it_serves(buildah, image):
    container = buildah("from", "--pull-never", image)
    user, *_, reply = [line for line in buildah("run", container, "--", "sh", "-c", SCRIPT).splitlines() if line]
    usage = json.loads(reply)["usage"]
    assert user == "latentd" and usage["span_hits"] == usage["prompt_spans"] > 0
