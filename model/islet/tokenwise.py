"""tokenwise: today's architecture, a decoder-only transformer of the llama kind, as the thing to beat. Pre-norm,
rotary positions, SwiGLU, no biases, no norm of queries and keys, one embedding table; every token attends to all before
it. Embeddings are scaled by sqrt(D) as in islet: without it this model trains far worse, and an ill-tuned rival proves
nothing. The file folds the scale into the input table, so that llama.cpp runs it unchanged."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .by_hand import causal_pieces
from .layers import Layer, Norm, matrix_type, rotary_tables, token_loss

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

    def hidden(self, tokens, example):
        """tokens, example: B,T -> B,T,D, from which the next token is predicted. A token attends to those before it in its example."""
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
        return self.norm(x)

    def logits(self, tokens, example):
        """tokens, example: B,T -> B,T,V"""
        return F.linear(self.hidden(tokens, example), self.embedding.weight)

    def forward(self, rows, window=None, quantised=False):
        """Mean cross-entropy in nats per predicted token. window and quantised are islet's."""
        return token_loss(self.hidden(rows.tokens, rows.example).flatten(0, 1), self.embedding.weight, rows.targets.flatten())
