"""The training loop: schedule, checkpoints that can be resumed, a progress line, the loss curve as CSV and PNG.

The learning rate warms up, stays, and falls linearly over the last part (`decay`), all counted in tokens; a run that
was cut off goes on where its checkpoint stands, also with another total, as long as the fall had not begun."""

import csv
import os
import sys
import time
from contextlib import nullcontext

import torch

from .config import MODEL_FOLDER
from .corpus import prepare
from .export import start_from, take_encoder
from .models import build
from .optimiser import Optimisers
from .rows import RowMaker
from .spans import token_classes

CHECKPOINT_SECONDS = 240
VALIDATION_STEPS = 200
VALIDATION_TOKENS = 48 * 1024
SHORT_WINDOW = 8
CLIP = 1.0


def rate_factor(seen, train):
    """Share of the full learning rate after `seen` tokens."""
    progress = seen / train.tokens
    if progress < train.warmup:
        return max(progress / train.warmup, 0.01)
    return min(1.0, max(0.0, (1 - progress) / train.decay))


def precision(device):
    """bfloat16 where the machine multiplies in it, else float32."""
    if device == "cuda":
        return torch.autocast("cuda", torch.bfloat16)
    flags = open("/proc/cpuinfo").read() if os.path.exists("/proc/cpuinfo") else ""
    return torch.autocast("cpu", torch.bfloat16) if "avx512_bf16" in flags else nullcontext()


class Progress:
    """A line that is rewritten on a terminal, and printed at each validation elsewhere."""

    def __init__(self, total):
        self.total, self.terminal = total, sys.stderr.isatty()

    def show(self, seen, loss, valid, rate, final=False):
        share = min(1.0, seen / self.total)
        left = max(0, self.total - seen) / rate if rate else 0
        bar = "#" * int(30 * share) + "-" * (30 - int(30 * share))
        text = (f"[{bar}] {100 * share:5.1f}%  {seen / 1e6:6.2f}M tokens  loss {loss:.3f}  "
                f"valid {valid:.3f}  {rate:,.0f} tokens/s  {left / 60:.0f} min left")
        if self.terminal:
            print("\r" + text, end="\n" if final else "", file=sys.stderr, flush=True)
        elif final:
            print(text, file=sys.stderr, flush=True)


def plot(history, path):
    try:
        import matplotlib
    except ImportError:
        print("no loss curve: python3-matplotlib is not installed", file=sys.stderr)
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot
    seen = [row["tokens"] / 1e6 for row in history]
    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.plot(seen, [row["train"] for row in history], label="training", alpha=0.6)
    axes.plot(seen, [row["valid"] for row in history], label="validation")
    axes.set(xlabel="million tokens", ylabel="nats per token", title=path.stem)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


class Run:
    """One model in training, and everything a checkpoint holds."""

    def __init__(self, config, data, folder):
        self.config, self.folder = config, folder
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        folder.mkdir(parents=True, exist_ok=True)
        tokens = MODEL_FOLDER / "run" / f"tokens-{config.vocabulary}"
        tokenizer = prepare(data, config.vocabulary, tokens)
        classes = token_classes(tokenizer, config.span.rule)
        torch.manual_seed(config.train.seed)
        self.model = build(config).to(self.device)
        if config.train.start:
            start_from(self.model, MODEL_FOLDER / config.train.start)
        if config.train.encoder:
            take_encoder(self.model, MODEL_FOLDER / config.train.encoder)
        self.call = torch.compile(self.model) if self.device == "cuda" else self.model
        self.optimisers = Optimisers(self.model, config.train)
        self.maker = RowMaker(config, tokens, "train", tokenizer, classes, config.train.seed)
        valid = RowMaker(config, tokens, "valid", tokenizer, classes, 0)
        self.valid = valid.batch(VALIDATION_TOKENS // config.model.context)
        self.seen, self.seconds, self.history = 0, 0.0, []
        self.resume()

    @property
    def checkpoint(self):
        return self.folder / "checkpoint.pt"

    def resume(self):
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location=self.device)
        self.model.load_state_dict(state["model"])
        self.optimisers.load_state_dict(state["optimisers"])
        self.seen, self.seconds, self.history = state["seen"], state["seconds"], state["history"]
        self.maker.load_state_dict(state["rows"])
        print(f"resumed at {self.seen:,} tokens", file=sys.stderr)

    def save(self):
        state = dict(model=self.model.state_dict(), optimisers=self.optimisers.state_dict(), seen=self.seen,
                     seconds=self.seconds, history=self.history, rows=self.maker.state_dict())
        torch.save(state, self.checkpoint.with_suffix(".new"))
        os.replace(self.checkpoint.with_suffix(".new"), self.checkpoint)
        with open(self.folder / "loss.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, ["tokens", "seconds", "train", "valid"])
            writer.writeheader()
            writer.writerows(self.history)

    @torch.no_grad()
    def validate(self):
        self.model.eval()
        with precision(self.device):
            losses = [self.model(part.to(self.device), quantised=True).item()
                      for part in self.valid.parts(self.config.train.at_once)]
        self.model.train()
        return sum(losses) / len(losses)

    def window(self, rows):
        """Rows that see few raw tokens learn to use the latents."""
        train = self.config.train
        if not train.window_dropout:
            return None
        short = torch.rand(rows) < train.window_dropout
        return torch.where(short, SHORT_WINDOW, self.config.model.window).to(self.device)

    def step(self):
        train = self.config.train
        rows = self.maker.batch(train.batch)
        quantised = self.seen > train.tokens * (1 - train.quantised)
        targets, loss = (rows.targets >= 0).sum(), 0.0
        for part in rows.parts(train.at_once):
            share = (part.targets >= 0).sum() / targets
            with precision(self.device):
                part_loss = share * self.call(part.to(self.device), self.window(len(part.tokens)), quantised)
            part_loss.backward()
            loss += part_loss.item()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimisers.step(rate_factor(self.seen, train))
        self.seen += rows.tokens.numel()
        return loss

    def train(self):
        progress, steps, valid = Progress(self.config.train.tokens), 0, float("nan")
        loss, saved = float("nan"), time.monotonic()
        while self.seen < self.config.train.tokens:
            began = time.monotonic()
            now = self.step()
            loss = now if loss != loss else 0.98 * loss + 0.02 * now
            self.seconds += time.monotonic() - began
            steps += 1
            last = self.seen >= self.config.train.tokens
            if steps % VALIDATION_STEPS == 0 or last:
                valid = self.validate()
                self.history.append(dict(tokens=self.seen, seconds=self.seconds, train=loss, valid=valid))
            progress.show(self.seen, loss, valid, self.seen / self.seconds, steps % VALIDATION_STEPS == 0 or last)
            if last or time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.save()
                saved = time.monotonic()
        plot(self.history, self.folder / f"{self.config.model.name}.png")
        return self
