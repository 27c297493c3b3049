"""A real Redis Cluster on loopback: masters and replicas that can be killed, stopped, and started again."""

import signal
import subprocess
import time

from web import free_port

NODE_TIMEOUT = 1000  # milliseconds, after which the cluster holds a node that is silent for dead
SLOTS = 16384
PATIENCE = 30


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


class Node:
    def __init__(self, folder, password=None):
        self.password = password
        self.folder, self.port, self.bus = folder, free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = None
        folder.mkdir()

    def start(self):
        secret = ["--requirepass", self.password, "--masterauth", self.password] if self.password else []
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--cluster-port", str(self.bus), "--bind", "127.0.0.1",
             "--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT), "--cluster-replica-validity-factor", "0",
             "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", "--save", "", "--appendonly", "no",
             "--dir", str(self.folder), "--logfile", str(self.folder / "log"), *secret])
        return self

    def cli(self, *arguments, check=True):
        secret = ["--no-auth-warning", "-a", self.password] if self.password else []
        run = subprocess.run(["redis-cli", "-p", str(self.port), *secret, *map(str, arguments)], capture_output=True,
                             text=True, timeout=PATIENCE)
        assert not check or run.returncode == 0, run.stderr
        return run.stdout.strip()

    def info(self, section):
        lines = (line.split(":", 1) for line in self.cli("info", section, check=False).splitlines() if ":" in line)
        return {name: value.strip() for name, value in lines}

    def cluster_is_ok(self):
        return "cluster_state:ok" in self.cli("cluster", "info", check=False)

    def is_master(self):
        return self.info("replication").get("role") == "master"

    def is_settled(self):
        """The cluster is whole for it, and a replica has all that its master has."""
        replication = self.info("replication")
        linked = replication.get("role") == "master" or replication.get("master_link_status") == "up"
        return self.cluster_is_ok() and linked

    def send(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.send(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.kill()


class Cluster:
    def __init__(self, folder, masters=3, replicas=1, password=None):
        self.nodes = [Node(folder / f"node-{i}", password) for i in range(masters * (1 + replicas))]
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            wait_until(lambda node=node: node.cli("ping", check=False) == "PONG", "a node answers")
        self.nodes[0].cli("--cluster", "create", *(node.address for node in self.nodes), "--cluster-replicas", replicas,
                          "--cluster-yes")
        self.settle()

    def settle(self):
        wait_until(lambda: all(node.is_settled() for node in self.running()), "the cluster is whole")

    def running(self):
        return [node for node in self.nodes if node.process.poll() is None]

    def masters(self):
        return [node for node in self.running() if node.is_master()]

    @property
    def seeds(self):
        return "redis://" + ",".join(node.address for node in self.nodes)

    def keys(self):
        return [key for node in self.masters() for key in node.cli("keys", "*").split()]

    def owner(self, key):
        """The master that has a key's slot."""
        slot = int(self.running()[0].cli("cluster", "keyslot", key))
        for line in self.running()[0].cli("cluster", "nodes").splitlines():
            fields = line.split()
            for span in fields[8:]:
                if span.startswith("["):
                    continue
                first, _, last = span.partition("-")
                if int(first) <= slot <= int(last or first):
                    port = int(fields[1].split("@")[0].rpartition(":")[2])
                    return next(node for node in self.nodes if node.port == port), slot
        raise AssertionError(f"nobody has slot {slot}")

    def empty(self):
        for node in self.masters():
            node.cli("flushall")

    def stop(self):
        for node in self.nodes:
            node.stop()
