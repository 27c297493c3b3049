"""The curves as SVG drawings. Their bytes depend on the figures alone, so that a new run changes only what it measured."""

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "latentd"
from matplotlib import pyplot  # noqa: E402  after the choice of how to draw
from matplotlib.ticker import ScalarFormatter  # noqa: E402

# name: title, x, y, whether x doubles from point to point, whether y spans magnitudes
FORMS = {
    "ttft-by-length": ("Time to first token", "tokens of the prompt", "ms", True, True),
    "nth-repetition": ("The same prompt, the n-th time", "n", "ms to the first token", False, True),
    "decode-by-streams": ("Decoding", "streams", "tokens/s, all streams together", True, True),
    "hit-rate-by-budget": ("Hit rate on a Zipf trace", "budget, % of the data", "% of requests", True, False),
}


def draw(name, curves, path):
    title, x_label, y_label, x_doubles, y_magnitudes = FORMS[name]
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for label, points in curves.items():
        x, y = zip(*points)
        axes.plot(x, y, marker="o", label=label, linestyle="-" if label.startswith("latentd") else "--")
    if x_doubles:
        axes.set_xscale("log", base=2)
    if y_magnitudes:
        axes.set_yscale("log")
    axes.set_xticks(sorted({x for points in curves.values() for x, _ in points}))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
