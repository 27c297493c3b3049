"""The files of deploy/fleet: HAProxy checks its own; of the others, that they fit each other and the daemon."""

import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FLEET = ROOT / "deploy" / "fleet"
CONFIG = (ROOT / "daemon" / "config_settings.c").read_text()
ROUTES = (ROOT / "daemon" / "http_route.c").read_text()
PROXY = (FLEET / "haproxy.cfg").read_text()
COMPOSE = yaml.safe_load((FLEET / "compose.yaml").read_text())
MANIFESTS = {manifest["kind"] + " " + manifest["metadata"]["name"]: manifest
             for manifest in yaml.safe_load_all((FLEET / "kubernetes.yaml").read_text())}


def flags(words):
    return [word for word in words if isinstance(word, str) and word.startswith("--")]


def is_flag(word):
    return re.search(rf'"{word.removeprefix("--")}",\s+"LATENTD_', CONFIG)


def is_open_path(path):
    return re.search(rf'{{"GET", "{path}", &\w+, \w+, true}}', ROUTES)


def test_haproxy_accepts_its_file():
    run = subprocess.run(["haproxy", "-c", "-f", FLEET / "haproxy.cfg"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_haproxy_asks_the_daemons_of_compose():
    servers = re.findall(r"^    server (\S+) (\S+):(\d+)$", PROXY, re.MULTILINE)
    daemons = [name for name, service in COMPOSE["services"].items() if service.get("image") == "latentd"]
    assert [name for name, _, _ in servers] == [host for _, host, _ in servers] == daemons
    assert all(f"0.0.0.0:{port}" in COMPOSE["services"][name]["command"] for name, _, port in servers)
    assert is_open_path(re.search(r"httpchk GET (\S+)", PROXY)[1])


def test_compose_refers_to_what_it_has():
    services, volumes = COMPOSE["services"], COMPOSE["volumes"]
    for service in services.values():
        assert set(service.get("depends_on", [])) <= set(services)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in volumes or source == "./tokens" or (FLEET / source).exists(), source
        if service["image"] == "latentd":
            words = service["command"]
            assert all(is_flag(flag) for flag in flags(words))
            seeds = words[words.index("--remote") + 1].removeprefix("redis://").split(",")
            assert seeds == [name for name in services if re.fullmatch(r"redis-\d", name)]


def test_kubernetes_has_what_it_selects():
    stateful = MANIFESTS["StatefulSet latentd"]["spec"]
    labels = stateful["template"]["metadata"]["labels"]
    assert stateful["selector"]["matchLabels"] == labels
    assert MANIFESTS["PodDisruptionBudget latentd"]["spec"]["selector"]["matchLabels"] == labels
    assert f"Service {stateful['serviceName']}" in MANIFESTS
    for name in ("latentd", "latentd-each"):
        assert MANIFESTS[f"Service {name}"]["spec"]["selector"] == labels
    monitor = MANIFESTS["ServiceMonitor latentd"]["spec"]
    watched = [name for name, manifest in MANIFESTS.items() if name.startswith("Service ")
               and manifest["metadata"]["labels"] == monitor["selector"]["matchLabels"]]
    assert watched == ["Service latentd"]  # each daemon once
    assert f'"{monitor["endpoints"][0]["path"]}"' in ROUTES


def test_kubernetes_runs_the_daemon_that_there_is():
    pod = MANIFESTS["StatefulSet latentd"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert flags(container["args"]) and all(is_flag(flag) for flag in flags(container["args"]))
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert is_open_path(container[probe]["httpGet"]["path"])
    given = {volume["name"] for volume in pod["volumes"]} | {
        claim["metadata"]["name"] for claim in MANIFESTS["StatefulSet latentd"]["spec"]["volumeClaimTemplates"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == given
