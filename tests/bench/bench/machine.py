"""What the figures were measured on."""

import os
import platform
import subprocess
from pathlib import Path

from .llama import Llama
from .redis import Redis


def field(path, name):
    for line in Path(path).read_text().splitlines():
        if line.split(":")[0].strip() == name:
            return line.split(":", 1)[1].strip()
    return None


def shown(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0].strip()


def cores():
    return len(os.sched_getaffinity(0))


def describe(program, info):
    """`info`: the daemon's answer to that method."""
    return {
        "processor": field("/proc/cpuinfo", "model name") or platform.machine(),
        "processor_model": " ".join(f"{name} {field('/proc/cpuinfo', name)}" for name in ("cpu family", "model", "stepping")),
        "cores": cores(),
        "memory_bytes": 1024 * int(field("/proc/meminfo", "MemTotal").split()[0]),
        "load": os.getloadavg()[0],
        "kernel": platform.release(),
        "system": next((line.split("=")[1].strip('"') for line in Path("/etc/os-release").read_text().splitlines()
                        if line.startswith("PRETTY_NAME=")), platform.system()),
        "latentd": f"{shown(program, '--version')}, kernels {info['compute_kernel']}",
        "commit": commit(),
        "node-llama-cpp": Llama.version(),
        "redis": Redis.version(),
        "compiler": shown("cc", "--version"),
    }


def commit():
    finished = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=10"], capture_output=True, text=True,
                              cwd=Path(__file__).parent)
    return finished.stdout.strip() or None
