"""What the latents carry: the loss of the same tokens with the whole document behind them, with its last part only, and with
the latents cut off altogether. Were these alike, the model would live off its window of raw tokens, and a cache of latents
would be worth nothing."""

from dataclasses import replace

import torch
from torch.nn import functional as F

from .config import MODEL_FOLDER, load_config
from .export import load_trained
from .rows import RowMaker
from .spans import token_classes
from .training import precision

REACHES = (32, 64, 128, 256, 512)  # tokens that the shortened document has at most
DOCUMENTS = ("books", "wiki", "textbook")
ROWS = 24
TOKENS_AT_ONCE = 8192


def rows_of(config, folder, tokenizer, classes, documents):
    """One batch: a row of each list of tokens, all of one length, which is the context and one more."""
    maker = RowMaker(replace(config, model=replace(config.model, context=len(documents[0]) - 1)), folder, "valid", tokenizer, classes, 0)
    drawn = iter(documents)
    maker._next_example = lambda: (DOCUMENTS[0], [next(drawn)])
    return maker.batch(len(documents))


def long_documents(config, maker):
    """Tokens of documents longer than the context, cut to it."""
    found = []
    for name in DOCUMENTS:
        corpus = maker.corpora[name]
        for number in range(len(corpus)):
            segments = corpus.example(number)
            if len(segments) == 1 and len(segments[0]) > config.model.context:
                found.append(segments[0][:config.model.context + 1])
    if not found:
        raise ValueError(f"no validation document has more than {config.model.context} tokens")
    return found[::-(-len(found) // ROWS)]


@torch.no_grad()
def losses(model, rows, cut_off):
    """Nats B,T of each predicted token."""
    z = model.encode(rows.spans, rows.lengths)
    h = model.mix(model.refine(z, rows.span_segment), rows.span_example)
    closed = torch.zeros_like(rows.closed) if cut_off else rows.closed
    logits = model.decode(rows.tokens, rows.example, closed, z, h, rows.span_example)
    return F.cross_entropy(logits.float().transpose(1, 2), rows.targets, ignore_index=-1, reduction="none")


class Measurement:
    def __init__(self, name, folder=None):
        self.config = load_config(name)
        self.model, self.tokenizer = load_trained(self.config, folder)
        self.model.eval()
        self.folder = MODEL_FOLDER / "run" / f"tokens-{self.config.vocabulary}"
        self.classes = token_classes(self.tokenizer, self.config.span.rule)
        maker = RowMaker(self.config, self.folder, "valid", self.tokenizer, self.classes, 0)
        self.documents = long_documents(self.config, maker)
        self.whole = self.nats(self.documents)

    def nats(self, documents, cut_off=False):
        """Nats N,T of each token but the first of N lists of T + 1 tokens."""
        rows = rows_of(self.config, self.folder, self.tokenizer, self.classes, documents)
        at_once = max(1, TOKENS_AT_ONCE // len(documents[0]))
        with precision("cpu"):
            return torch.cat([losses(self.model, part, cut_off) for part in rows.parts(at_once)])

    def shortened(self, reach):
        """Mean nats of the same tokens: with at most `reach` tokens of the document, and with all of it. The document begins
        anew every `reach` tokens, and what counts is the last quarter before each new beginning."""
        opening = self.documents[0][0]
        ends = range(2 * reach, self.config.model.context + 1, reach)
        pieces = [[opening] + document[end - reach + 1:end + 1] for document in self.documents for end in ends]
        short = self.nats(pieces)[:, -(reach // 4):].mean().item()
        whole = torch.cat([self.whole[:, end - reach // 4:end] for end in ends], 1).mean().item()
        return short, whole


def run(name):
    measurement = Measurement(name)
    print(f"{len(measurement.documents)} validation documents of {measurement.config.model.context} tokens; nats per token\n")
    print("| tokens of the document at most | nats | the same tokens with all of it | gained |\n|---|---|---|---|")
    for reach in REACHES:
        short, whole = measurement.shortened(reach)
        print(f"| {reach} | {short:.3f} | {whole:.3f} | {short - whole:+.3f} |")
    whole, cut_off = measurement.whole.mean().item(), measurement.nats(measurement.documents, cut_off=True).mean().item()
    print(f"\nall latents cut off: {cut_off:.3f} in place of {whole:.3f}")
