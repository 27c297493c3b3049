"""islet: encoder, refiner, mixer, decoder. kernels/ holds the same in C; tests compare the two number by number.

Shapes: B rows, T tokens, S spans a row, M tokens a span at most, D the width of everything."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .layers import DecoderLayer, Layer, Norm, Recall, rms_norm, rotary_tables, token_loss

INT8_STEPS = 127
OUTPUT_GAIN = 0.25


def int8_grid(z):
    """Rounds latents to what an int8 record with one scale a latent holds; gradients pass unchanged."""
    scale = z.abs().amax(-1, keepdim=True).clamp_min(1e-8) / INT8_STEPS
    return z + ((z / scale).round() * scale - z).detach()


class Encoder(nn.Module):
    """The tokens of one span -> its latent: bidirectional layers, all slots concatenated, one linear map, RMS norm."""

    def __init__(self, config, longest):
        super().__init__()
        c = config
        self.positions = nn.Parameter(torch.randn(longest, c.width) * 0.02)
        self.layers = nn.ModuleList(Layer(c.width, c.heads, c.feed_forward) for _ in range(c.encoder_layers))
        self.norm = Norm(c.width)
        self.project = nn.Linear(longest * c.width, c.width, bias=False)

    def forward(self, embedded, lengths):
        """embedded: N,M,D; lengths: N -> N,D"""
        slots = torch.arange(embedded.shape[1], device=embedded.device)
        filled = slots < lengths[:, None]
        x = embedded + self.positions
        mask = filled[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask)
        x = self.norm(x) * filled[..., None]
        return rms_norm(self.project(x.flatten(1)))


class Mixer(nn.Module):
    """Causal layers over latents, rotary positions over the span index. The refiner is one, too."""

    def __init__(self, config, layers):
        super().__init__()
        self.layers = nn.ModuleList(Layer(config.width, config.heads, config.feed_forward) for _ in range(layers))
        self.norm = Norm(config.width)

    def forward(self, x, mask, tables):
        for layer in self.layers:
            x = layer(x, mask, tables)
        return self.norm(x)


class Decoder(nn.Module):
    """A window of raw tokens, conditioned on the last closed span and attending to all mixed latents."""

    def __init__(self, config, longest):
        super().__init__()
        c = config
        if c.conditioning == "sum":
            self.condition = nn.Linear(c.width, c.width, bias=False)  # from the mixed latent of the last closed span
        if c.prefix:
            self.prefix = nn.Linear(c.width, c.prefix * c.width, bias=False)
        if c.skip:
            self.skip = nn.Linear(c.width, c.width, bias=False)       # from its raw latent
        attends = c.memory or c.prefix > 0
        self.layers = nn.ModuleList(
            DecoderLayer(c.width, c.heads, c.feed_forward, c.window, attends) for _ in range(c.decoder_layers))
        if c.recall:
            self.recall = Recall(c.width, c.recall, longest)          # in front of the last layer
        self.norm = Norm(c.width)


class Islet(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config.model
        self.reconstruction = config.train.reconstruction
        c = config.model
        self.embedding = nn.Embedding(config.vocabulary, c.width)
        self.encoder = Encoder(c, config.span.maximum)
        self.refiner = Mixer(c, c.refiner_layers)
        self.mixer = Mixer(c, c.mixer_layers)
        self.decoder = Decoder(c, config.span.maximum)
        self._initialise()

    def _initialise(self):
        nn.init.normal_(self.embedding.weight, std=self.config.width ** -0.5)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2 and name.split(".")[-1] == "weight" and "embedding" not in name:
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
            if name.endswith(("attention.out.weight", "feed_forward.down.weight")):
                nn.init.zeros_(parameter)
        if self.config.recall:
            self.decoder.recall.initialise()
        # With a shared table a token predicts itself at first; a small gain keeps that mistake cheap.
        nn.init.constant_(self.decoder.norm.gain, OUTPUT_GAIN)
        for name in ("condition", "skip"):
            if hasattr(self.decoder, name):
                nn.init.zeros_(getattr(self.decoder, name).weight)

    def embed(self, tokens):
        """Embeddings times sqrt(D): unit scale beside normalised latents."""
        return self.embedding(tokens) * math.sqrt(self.config.width)

    def encode(self, spans, lengths):
        """spans: ...,M token ids -> ...,D latents"""
        flat = self.encoder(self.embed(spans).flatten(0, -3), lengths.flatten())
        return flat.unflatten(0, spans.shape[:-1])

    def refine(self, z, segment):
        """z: B,S,D; segment: B,S numbers -> B,S,D, normalised like z. Causal inside each segment."""
        if not self.config.refiner_layers:
            return z
        same = segment[:, :, None] == segment[:, None, :]
        return rms_norm(self.refiner(z, (same & self._causal(z))[:, None], self._tables(z)))

    def mix(self, r, example):
        """r: B,S,D; example: B,S numbers -> B,S,D. Causal inside each example."""
        same = example[:, :, None] == example[:, None, :]
        return self.mixer(r, (same & self._causal(r))[:, None], self._tables(r))

    def decode(self, tokens, example, closed, z, h, span_example, window=None):
        """Logits B,T,V."""
        return F.linear(self.hidden(tokens, example, closed, z, h, span_example, window), self.embedding.weight)

    def hidden(self, tokens, example, closed, z, h, span_example, window=None):
        """B,T,D, from which the next token is predicted. window: B, how many raw tokens each row may see (None: all of config.window)."""
        c, (rows, length) = self.config, tokens.shape
        x = self.embed(tokens)
        known = (closed > 0)[..., None]
        last = (closed - 1).clamp_min(0)[..., None].expand(-1, -1, c.width)
        if c.conditioning == "sum":
            x = x + self.decoder.condition(h.gather(1, last) * known)
        if c.skip:
            x = x + self.decoder.skip(z.gather(1, last) * known)

        position = torch.arange(length, device=tokens.device).view(1, -1, c.window)
        chunks = example.view(rows, -1, c.window)
        behind = F.pad(chunks[:, :-1], (0, 0, 1, 0), value=-1)
        distance = position[:, :, :, None] - torch.cat((position - c.window, position), 2)[:, :, None, :]
        allowed = c.window if window is None else window.view(-1, 1, 1, 1)
        token_mask = (distance >= 0) & (distance < allowed) \
            & (chunks[..., None] == torch.cat((behind, chunks), 2)[:, :, None, :])
        memory, memory_mask = self._memory(h, example, closed, span_example)

        tables = rotary_tables(length, c.head_width, tokens.device)
        for number, layer in enumerate(self.decoder.layers):
            if c.recall and number == c.decoder_layers - 1:
                x = x + self.decoder.recall(x, z, h, self._closed_mask(example, closed, span_example))
            x = layer(x, memory, token_mask[:, None], memory_mask, tables)
        return self.decoder.norm(x)

    def _memory(self, h, example, closed, span_example):
        """What the decoder attends to beside raw tokens: vectors B,L,D and a mask B,1,T/window,window,L; None, None if
        nothing. All mixed latents of closed spans, and `prefix` vectors made of the last one."""
        c, number = self.config, torch.arange(span_example.shape[1], device=closed.device)
        same = span_example[:, None, :] == example[..., None]
        vectors, masks = [], []
        if c.memory:
            vectors.append(h)
            masks.append((number < closed[..., None]) & same)
        if c.prefix:
            vectors.append(self.decoder.prefix(h).unflatten(-1, (c.prefix, c.width)).flatten(1, 2))
            masks.append(((number == closed[..., None] - 1) & same).repeat_interleave(c.prefix, -1))
        if not vectors:
            return None, None
        mask = torch.cat(masks, -1)
        return torch.cat(vectors, 1), mask.view(len(mask), 1, -1, c.window, mask.shape[-1])

    @staticmethod
    def _closed_mask(example, closed, span_example):
        """B,T,S: which spans each token may look at, those of its example that are closed."""
        number = torch.arange(span_example.shape[1], device=closed.device)
        return (number < closed[..., None]) & (span_example[:, None, :] == example[..., None])

    def forward(self, rows, window=None, quantised=False):
        """Mean cross-entropy in nats per predicted token, of one batch; in training, with the reconstruction's loss."""
        z = h = None
        if self.config.uses_latents:
            z = self.encode(rows.spans, rows.lengths)
            if quantised:
                z = int8_grid(z)
            h = self.mix(self.refine(z, rows.span_segment), rows.span_example)
        x = self.hidden(rows.tokens, rows.example, rows.closed, z, h, rows.span_example, window)
        loss = token_loss(x.flatten(0, 1), self.embedding.weight, rows.targets.flatten())
        if self.reconstruction and self.training:
            loss = loss + self.reconstruction * self._reconstruction_loss(z, rows)
        return loss

    def reconstruct(self, z):
        """Logits ...,M,V of the tokens that a latent stands for."""
        return F.linear(self.decoder.recall.unfolded(z), self.embedding.weight)

    def _reconstruction_loss(self, z, rows):
        """On a quarter of the spans."""
        chosen = (rows.lengths > 0) & (torch.rand(rows.lengths.shape, device=z.device) < 0.25)
        tokens, lengths = rows.spans[chosen], rows.lengths[chosen]
        targets = tokens.masked_fill(torch.arange(tokens.shape[1], device=z.device) >= lengths[:, None], -1)
        return token_loss(self.decoder.recall.unfolded(z[chosen]).flatten(0, 1), self.embedding.weight, targets.flatten())

    def _causal(self, x):
        index = torch.arange(x.shape[1], device=x.device)
        return (index[:, None] >= index[None, :])[None]

    def _tables(self, x):
        return rotary_tables(x.shape[1], self.config.head_width, x.device)
