"""What the latents of a model file carry, in nats a token on long validation documents: how far back what is read still helps, what
is lost without latents, what storing them in fewer bits or refining them costs, and how much of a span can be read back from its latent.
Were a model as good without its latents, a cache of them would be worth nothing."""

from dataclasses import replace

import torch
from torch.nn import functional as F

from .config import MODEL_FOLDER, load_config
from .corpus import CORPORA, load_tokenizer
from .export import start_from
from .model import int8_grid
from .models import build
from .rows import RowMaker
from .spans import token_classes
from .training import precision

REACHES = (32, 64, 128, 256, 512)  # tokens that the shortened document has at most
DOCUMENTS = ("books", "wiki", "textbook")
ROWS = 24
TOKENS_AT_ONCE = 8192
QUOTE_ROWS = 24


def stored_as_f16(z):
    return z.half().float()


class Measurement:
    def __init__(self, name, file):
        self.config = load_config(name)
        self.model = build(self.config).eval()
        start_from(self.model, file)
        self.folder = MODEL_FOLDER / "run" / f"tokens-{self.config.vocabulary}"
        self.tokenizer = load_tokenizer(self.folder / "tokenizer.model")
        self.classes = token_classes(self.tokenizer, self.config.span.rule)
        self.documents = self.long_documents()
        self.rows = self.rows_of([[document] for document in self.documents])
        self.whole = self.nats(self.rows)

    def maker(self, context):
        """Of rows of validation text, from all corpora whatever the model was trained on."""
        config = replace(self.config, model=replace(self.config.model, context=context), mixture=dict.fromkeys(CORPORA, 1.0))
        return RowMaker(config, self.folder, "valid", self.tokenizer, self.classes, 0)

    def long_documents(self):
        """Tokens of documents longer than the context, cut to it and one more."""
        found, context = [], self.config.model.context
        for name in DOCUMENTS:
            corpus = self.maker(context).corpora[name]
            examples = [corpus.example(number) for number in range(len(corpus))]
            found += [segments[0][:context + 1] for segments in examples if len(segments[0]) > context]
        if not found:
            raise ValueError(f"no validation document has more than {context} tokens")
        return found[::-(-len(found) // ROWS)]

    def rows_of(self, examples):
        """One batch with a row an example, all of one length."""
        maker, drawn = self.maker(sum(map(len, examples[0])) - 1), iter(examples)
        maker._next_example = lambda: (DOCUMENTS[0], next(drawn))
        return maker.batch(len(examples))

    def latents(self, rows):
        return self.model.encode(rows.spans, rows.lengths)

    @torch.no_grad()
    def logits(self, rows, stored=stored_as_f16, cut_off=False, refined=True):
        """Logits B,T,V. stored: what keeping latents does to them; cut_off: the decoder hears nothing of them."""
        z = stored(self.latents(rows))
        segment = rows.span_segment if refined else torch.arange(z.shape[1]).expand(len(z), -1)
        h = self.model.mix(self.model.refine(z, segment), rows.span_example)
        closed = torch.zeros_like(rows.closed) if cut_off else rows.closed
        return self.model.decode(rows.tokens, rows.example, closed, z, h, rows.span_example)

    def nats(self, rows, **how):
        """Nats B,T of each token but the first of a row."""
        parts = []
        with precision("cpu"):
            for part in rows.parts(max(1, TOKENS_AT_ONCE // rows.tokens.shape[1])):
                logits = self.logits(part, **how).float()
                parts.append(F.cross_entropy(logits.transpose(1, 2), part.targets, ignore_index=-1, reduction="none"))
        return torch.cat(parts)

    def shortened(self, reach):
        """Mean nats of the same tokens: with at most `reach` tokens of the document, and with all of it. The document begins
        anew every `reach` tokens, and what counts is the last quarter before each new beginning."""
        opening = self.documents[0][0]
        ends = range(2 * reach, self.config.model.context + 1, reach)
        pieces = [[[opening] + document[end - reach + 1:end + 1]] for document in self.documents for end in ends]
        short = self.nats(self.rows_of(pieces))[:, -(reach // 4):].mean().item()
        whole = torch.cat([self.whole[:, end - reach // 4:end] for end in ends], 1).mean().item()
        return short, whole

    @torch.no_grad()
    def read_back(self):
        """Shares of tokens, and of whole spans, that recall's unfolding of int8 latents gives back."""
        rows = self.rows
        filled = torch.arange(rows.spans.shape[2]) < rows.lengths[..., None]
        right = (self.model.reconstruct(int8_grid(self.latents(rows))).argmax(-1) == rows.spans) | ~filled
        spans = rows.lengths > 0
        return right[filled].float().mean().item(), right.all(-1)[spans].float().mean().item()

    def quotes(self):
        """Share of tokens that are predicted right where a document is quoted, with the latents and without them."""
        maker = self.maker(self.config.model.context)
        maker._next_example, maker.given = lambda: ("quotes", maker.quotes.draw()), {"quotes": 0}
        rows = maker.batch(QUOTE_ROWS)
        answer = self.tokenizer.piece_to_id("<|answer|>")
        asked = self.answers(rows, answer)
        return [(self.logits(rows, cut_off=cut_off).argmax(-1) == rows.targets)[asked].float().mean().item()
                for cut_off in (False, True)]

    @staticmethod
    def answers(rows, answer):
        """B,T: whether the token to be predicted belongs to an answer."""
        begun = (rows.tokens == answer).cumsum(1)
        first = torch.cat((torch.ones_like(rows.example[:, :1]), (rows.example[:, 1:] != rows.example[:, :-1]).long()), 1)
        before = torch.where(first.bool(), begun - (rows.tokens == answer).long(), torch.zeros_like(begun)).cummax(1)[0]
        return (begun > before) & (rows.targets >= 0)


def print_distances(measurement):
    print("| tokens of the document at most | nats | the same tokens with all of it | gained |\n|---|---|---|---|")
    for reach in REACHES:
        short, whole = measurement.shortened(reach)
        print(f"| {reach} | {short:.3f} | {whole:.3f} | {short - whole:+.3f} |")


def print_changes(measurement):
    whole = measurement.whole.mean().item()
    print("\n| latents | nats | change |\n|---|---|---|")
    print(f"| as f16 | {whole:.4f} | |")
    for name, how in (("as they come", dict(stored=lambda z: z)), ("as int8", dict(stored=int8_grid)),
                      ("each refined alone", dict(refined=False)), ("cut off", dict(cut_off=True))):
        nats = measurement.nats(measurement.rows, **how).mean().item()
        print(f"| {name} | {nats:.4f} | {100 * (nats / whole - 1):+.2f} % |")


def run(name):
    measurement = Measurement(name, MODEL_FOLDER / f"{name}.gguf")
    print(f"{len(measurement.documents)} validation documents of {measurement.config.model.context} tokens; nats per token\n")
    print_distances(measurement)
    print_changes(measurement)
    if measurement.config.model.recall:
        tokens, spans = measurement.read_back()
        print(f"\nread back from int8 latents: {100 * tokens:.1f} % of tokens, {100 * spans:.1f} % of spans without a mistake")
    heard, deaf = measurement.quotes()
    print(f"\nwords of a quoted document predicted: {100 * heard:.1f} %, with the latents cut off {100 * deaf:.1f} %")
