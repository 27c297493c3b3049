"""Runs the load, watches the daemon, and says what became of it. The exit status is 0 if no answer was wrong and nothing grew."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from conftest import BUILD, SHIPPED, WebDaemon, wait_until
from soak.crowd import Crowd
from soak.load import Known, Load
from soak.samples import BOUNDS, Samples, allow_descriptors

SETTINGS = ("--budget", "64M", "--memory", "8M", "--states", "16M", "--verify-sample", "0.05")


def read_arguments():
    parser = argparse.ArgumentParser(prog="tests/soak/run", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long the load runs (default 10)")
    parser.add_argument("--connections", type=int, default=0, help="so many clients at once, instead of one of each kind")
    parser.add_argument("--plot", type=Path, default=BUILD / "soak.png", help="where the plot goes (default build/soak.png)")
    return parser.parse_args()


def watch(samples, connection, ends, progress):
    """Takes samples until the end, some hundred of them."""
    pause = max(1.0, (ends - time.monotonic()) / 200)
    told = 0
    while (left := ends - time.monotonic()) > 0:
        sample = samples.take(connection)
        line = f"{sample['seconds']:5.0f} s: {progress()}, {sample['anonymous']:.0f} MiB, {sample['descriptors']} descriptors, {left:.0f} s to go"
        if sys.stderr.isatty():
            print(f"\r{line}\033[K", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - told > 15:
            print(line, file=sys.stderr, flush=True)
            told = time.monotonic()
        time.sleep(min(pause, max(left, 0)))
    if sys.stderr.isatty():
        print(file=sys.stderr)


def soak(daemon, known, arguments, failures):
    """One client of each kind. Returns what to print."""
    load, samples, seconds = Load(daemon, known), Samples(daemon), 60 * arguments.minutes
    warm_up = max(20, seconds / 4)
    with daemon.connect() as connection:
        idle = samples.take(connection)
        load.begin()
        watch(samples, connection, time.monotonic() + seconds, lambda: f"{sum(load.counts.values()):,} rounds, {len(load.failures)} failures")
        load.end()
        quiet = wait_until(lambda: (stats := connection.call("stats"))["running"] == 0 and stats["connections"] == 1)
        last = samples.take(connection)
        stats = connection.call("stats")
    failures += load.failures
    if not quiet:
        failures.append("requests or connections are left when all clients have gone")
    if last["descriptors"] > idle["descriptors"] + 4:
        failures.append(f"{last['descriptors']} descriptors are open when all clients have gone, {idle['descriptors']} before they came")
    if stats["hits_wrong"] or stats["store_corrupt"] or stats["store_write_failures"]:
        failures.append(f"{stats['hits_wrong']} wrong hits, {stats['store_corrupt']} damaged records, {stats['store_write_failures']} failed writes")
    growth = samples.growth(warm_up)
    failures += [f"{name} grew by {growth[name]:.1f}, bound {bound}" for name, bound in BOUNDS.items() if growth[name] > bound]
    rounds = ", ".join(f"{name} {count:,}" for name, count in sorted(load.counts.items()))
    try:
        samples.plot(arguments.plot, warm_up)
        plot = f"plot: {arguments.plot}"
    except ImportError:
        plot = "no plot: python3-matplotlib is not installed"
    samples.close()
    return "\n".join([samples.table(), "", f"rounds: {rounds}",
                      f"requests {stats['requests']:,}, hits verified {stats['hits_verified']:,}, evictions {stats['evictions']:,}",
                      "growth behind the warm-up: " + ", ".join(f"{name} {growth[name]:+.1f} (bound {bound})" for name, bound in BOUNDS.items()),
                      plot])


def crowd(daemon, known, arguments, failures):
    """Very many clients. Returns what to print."""
    clients = Crowd(daemon, known, arguments.connections)
    clients.run(time.monotonic() + 60 * arguments.minutes)
    failures += clients.failures
    if clients.asked != clients.answered:
        failures.append(f"{clients.asked - clients.answered} requests were lost")
    with daemon.connect() as connection:
        if not wait_until(lambda: (stats := connection.call("stats"))["running"] == 0 and stats["connections"] == 1):
            failures.append("requests or connections are left when all clients have gone")
    return clients.report()


def main():
    arguments, failures = read_arguments(), []
    allow_descriptors(2 * arguments.connections + 256)
    with tempfile.TemporaryDirectory(prefix="latentd-soak-") as folder:
        daemon = WebDaemon(Path(folder), model=SHIPPED, arguments=SETTINGS).start()
        try:
            with daemon.connect() as connection:
                known = Known(connection)
            print((crowd if arguments.connections else soak)(daemon, known, arguments, failures))
        finally:
            status = daemon.stop() if daemon.process.poll() is None else daemon.wait()
        if status:
            failures.append(f"the daemon ended with {status}: {daemon.log.read_text()[-2000:]}")
    for failure in failures[:20]:
        print(f"FAILED: {failure}")
    print(f"{len(failures)} failures")
    return 1 if failures else 0


sys.exit(main())
