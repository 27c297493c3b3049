"""tokenwise: today's architecture, a decoder-only transformer of the llama kind, as the thing to beat. Pre-norm,
rotary positions, SwiGLU, no biases, no norm of queries and keys, one embedding table; every token attends to all before
it. Embeddings are scaled by sqrt(D) as in islet: without it this model trains far worse, and an ill-tuned rival proves
nothing. The file folds the scale into the input table, so that llama.cpp runs it unchanged."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .layers import Layer, Norm, causal_pieces, matrix_type, rotary_tables

OUTPUT_GAIN = 0.25


class Tokenwise(nn.Module):
    def __init__(self, config):
        super().__init__()
        c = self.config = config.model
        self.embedding = nn.Embedding(config.vocabulary, c.width)
        self.layers = nn.ModuleList(Layer(c.width, c.heads, c.feed_forward, normalised=False) for _ in range(c.layers))
        self.norm = Norm(c.width)
        nn.init.normal_(self.embedding.weight, std=c.width ** -0.5)
        for name, parameter in self.layers.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
            if name.endswith(("attention.out.weight", "feed_forward.down.weight")):
                nn.init.zeros_(parameter)
        nn.init.constant_(self.norm.gain, OUTPUT_GAIN)

    def logits(self, tokens, example):
        """tokens, example: B,T -> B,T,V. A token attends to those before it in its example."""
        mask = pieces = None
        if tokens.device.type == "cpu":
            pieces = causal_pieces(example, matrix_type(tokens))
        else:
            index = torch.arange(tokens.shape[1], device=tokens.device)
            mask = (example[:, None, :, None] == example[:, None, None, :]) & (index[:, None] >= index)
        tables = rotary_tables(tokens.shape[1], self.config.head_width, tokens.device)
        x = self.embedding(tokens) * math.sqrt(self.config.width)
        for layer in self.layers:
            x = layer(x, mask, tables, pieces)
        return F.linear(self.norm(x), self.embedding.weight)

    def forward(self, rows, window=None, quantised=False):
        """Mean cross-entropy in nats per predicted token. window and quantised are islet's."""
        logits = self.logits(rows.tokens, rows.example)
        return F.cross_entropy(logits.float().flatten(0, 1), rows.targets.flatten(), ignore_index=-1)
