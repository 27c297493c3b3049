"""What the daemon holds while it is under load, and whether that grows."""

import os
import resource
import statistics
import time

import lmdb

MIB = 1 << 20
COLUMNS = (("seconds", "s"), ("requests", "requests"), ("anonymous", "memory MiB"), ("resident", "resident MiB"), ("descriptors", "descriptors"),
           ("readers", "readers"), ("connections", "connections"), ("running", "running"), ("waiting", "unwritten"), ("store", "store MiB"))
# What may be added from the first third behind the warm-up to the last: pages that the allocator keeps, and the samples' own scatter.
BOUNDS = {"anonymous": 16, "descriptors": 16, "readers": 4}


def memory(process):
    """Resident and, of that, anonymous: the rest are pages of the store's map and of files, which are the system's to take back."""
    with open(f"/proc/{process}/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    return [int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon")]


class Samples:
    def __init__(self, daemon):
        self.daemon, self.began, self.taken = daemon, time.monotonic(), []
        # Reads the reader table only; it begins no transaction, so it takes no slot itself.
        self.environment = lmdb.open(str(daemon.store), readonly=True, max_dbs=32)

    def take(self, connection):
        process, stats = self.daemon.process.pid, connection.call("stats")
        resident, anonymous = memory(process)
        lines = self.environment.readers().splitlines()
        self.taken.append({
            "seconds": time.monotonic() - self.began, "requests": stats["requests"], "resident": resident, "anonymous": anonymous,
            "descriptors": len(os.listdir(f"/proc/{process}/fd")), "readers": sum(str(process) in line.split() for line in lines),
            "connections": stats["connections"], "running": stats["running"], "waiting": stats["store_waiting"],
            "store": stats["store_bytes"] / MIB})
        return self.taken[-1]

    def close(self):
        self.environment.close()

    def growth(self, warm_up):
        """What each bounded quantity has grown by: median of the last third of the samples behind the warm-up, less that of the first."""
        kept = [sample for sample in self.taken[:-1] if sample["seconds"] >= warm_up]  # the last is of an idle daemon
        third = max(1, len(kept) // 3)
        return {name: statistics.median(sample[name] for sample in kept[-third:]) - statistics.median(sample[name] for sample in kept[:third])
                for name in BOUNDS}

    def table(self, rows=12):
        step = max(1, -(-len(self.taken) // rows))
        chosen = self.taken[::step] + ([self.taken[-1]] if (len(self.taken) - 1) % step else [])
        lines = [" ".join(f"{title:>12}" for _, title in COLUMNS)]
        return "\n".join(lines + [" ".join(f"{sample[name]:>12,.0f}" for name, _ in COLUMNS) for sample in chosen])

    def plot(self, path, warm_up):
        import matplotlib
        matplotlib.use("Agg")
        from matplotlib import pyplot
        figure, axes = pyplot.subplots(3, 2, figsize=(10, 8), sharex=True, layout="constrained")
        panels = (("anonymous", "resident"), ("descriptors", "connections"), ("readers",), ("running", "waiting"), ("store",), ("requests",))
        for panel, names in zip(axes.flat, panels):
            for name in names:
                panel.plot([sample["seconds"] for sample in self.taken], [sample[name] for sample in self.taken], label=dict(COLUMNS)[name])
            panel.axvline(warm_up, color="grey", linewidth=0.5)
            panel.set_ylim(bottom=0)
            panel.legend(loc="lower right")
        for panel in axes[-1]:
            panel.set_xlabel("seconds; grey: end of the warm-up")
        figure.savefig(path, dpi=100)


def allow_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SystemExit(f"only {hard} descriptors are allowed here, and {count} are needed")
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
