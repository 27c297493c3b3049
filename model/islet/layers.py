"""Building blocks shared by every sub-network: RMSNorm, rotary positions, attention, SwiGLU, one layer of them."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .by_hand import CausalAttention, RMSNorm, SwiGLU, TokenLoss

EPSILON = 1e-5


def rms_norm(x, gain=None):
    """x / sqrt(mean(x^2) + EPSILON) * gain, over the last axis, in float32 (arXiv 1910.07467)."""
    if not x.is_cuda:
        return RMSNorm.apply(x, x.new_ones(x.shape[-1], dtype=torch.float32) if gain is None else gain, EPSILON)
    x = x.float()
    x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON)
    return x if gain is None else x * gain


def matrix_type(x):
    """The type in which matrices are multiplied where x is: what goes into several products is cast once."""
    if x.is_cuda:
        return torch.get_autocast_gpu_dtype() if torch.is_autocast_enabled() else torch.float32
    return torch.get_autocast_cpu_dtype() if torch.is_autocast_cpu_enabled() else torch.float32


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return rms_norm(x, self.gain).to(matrix_type(x))


def rotary_tables(length, width, device, base=10000.0):
    """cos and sin of shape (length, width/2) for positions 0..length-1 (arXiv 2104.09864)."""
    rates = base ** (-torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    angles = torch.arange(length, device=device, dtype=torch.float32)[:, None] * rates
    return angles.cos(), angles.sin()


def rotate(x, tables):
    """Rotates neighbouring pairs (2i, 2i+1) of the last axis; x: ..., length, width."""
    cos, sin = tables
    if not x.is_cuda:  # one complex product is a third of the time there, and compilers for GPUs know none
        turned = torch.view_as_complex(x.float().unflatten(-1, (-1, 2))) * torch.complex(cos, sin)
        return torch.view_as_real(turned).flatten(-2)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def token_loss(x, table, targets):
    """Mean cross-entropy, in nats, of predicting targets (N numbers, -1: none) from x: N,width by the rows of table: V,width."""
    if x.is_cuda or not torch.is_grad_enabled():
        return F.cross_entropy(F.linear(x, table).float(), targets, ignore_index=-1)
    return TokenLoss.apply(x.to(matrix_type(x)), table, targets)


class Attention(nn.Module):
    """Projections of multi-head attention, with or without QK-norm; who attends to whom is the caller's business."""

    def __init__(self, width, heads, normalised=True):
        super().__init__()
        self.heads, self.normalised = heads, normalised
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        if normalised:
            self.query_gain = nn.Parameter(torch.ones(width // heads))
            self.key_gain = nn.Parameter(torch.ones(width // heads))

    def split(self, x):
        """..., length, width -> ..., heads, length, width/heads"""
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def queries(self, x):
        q = self.split(self.query(x))
        return rms_norm(q, self.query_gain) if self.normalised else q

    def keys(self, x):
        k = self.split(self.key(x))
        return rms_norm(k, self.key_gain) if self.normalised else k

    def values(self, x):
        return self.split(self.value(x))

    def join(self, x):
        return self.out(x.transpose(-2, -3).flatten(-2))


def attend(q, k, v, mask):
    """softmax(q k / sqrt(D)) v where mask allows. q, k, v: B,heads,L,D; mask: broadcastable to B,heads,L,L."""
    scores = (q @ k.transpose(-1, -2)).float() / math.sqrt(q.shape[-1])
    return scores.masked_fill(~mask, -1e9).softmax(-1).to(v.dtype) @ v


class FeedForward(nn.Module):
    """SwiGLU (arXiv 2002.05202)."""

    def __init__(self, width, inner):
        super().__init__()
        self.gate = nn.Linear(width, inner, bias=False)
        self.up = nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        gate, up = self.gate(x), self.up(x)
        return self.down(F.silu(gate) * up if gate.is_cuda else SwiGLU.apply(gate, up))


class Layer(nn.Module):
    """Pre-norm attention over one sequence under a mask, then feed-forward."""

    def __init__(self, width, heads, inner, normalised=True):
        super().__init__()
        self.attention_norm = Norm(width)
        self.attention = Attention(width, heads, normalised)
        self.feed_forward_norm = Norm(width)
        self.feed_forward = FeedForward(width, inner)

    def forward(self, x, mask, tables=None, pieces=None):
        """x: B,L,width. mask: broadcastable to B,heads,L,L, True where attention is allowed; or in its place causal_pieces."""
        n, attention = self.attention_norm(x), self.attention
        q, k, v = attention.queries(n), attention.keys(n), attention.values(n)
        if tables is not None:
            q, k = rotate(q, tables), rotate(k, tables)
        if pieces is None:
            heard = attend(q, k, v, mask)
        else:
            heard = CausalAttention.apply(*(part.to(matrix_type(part)).contiguous() for part in (q, k, v)), pieces)
        x = x + attention.join(heard)
        return x + self.feed_forward(self.feed_forward_norm(x))


class DecoderLayer(Layer):
    """Attention with one softmax over two kinds of keys: the last `window` raw tokens (rotary positions) and all
    closed spans' mixed latents (no positions: the mixer has put them in). Tokens come in chunks of `window`, each
    attending to its own chunk and the one before, so cost grows with length x window and not length^2."""

    def __init__(self, width, heads, inner, window, attends_to_memory):
        super().__init__(width, heads, inner)
        self.window = window
        if not attends_to_memory:
            return
        self.memory_norm = Norm(width)
        self.memory_key = nn.Linear(width, width, bias=False)
        self.memory_value = nn.Linear(width, width, bias=False)

    def _with_previous(self, chunks):
        """B,H,C,W,D -> B,H,C,2W,D: each chunk behind the one before it."""
        previous = torch.cat((torch.zeros_like(chunks[:, :, :1]), chunks[:, :, :-1]), 2)
        return torch.cat((previous, chunks), 3)

    def forward(self, x, memory, token_mask, memory_mask, tables):
        """x: B,T,width; memory: B,L,width or None; token_mask: B,1,C,W,2W; memory_mask: B,1,C,W,L."""
        attention, window = self.attention, self.window
        n = self.attention_norm(x)
        q, k, v = attention.queries(n), attention.keys(n), attention.values(n)
        turned = rotate(q, tables).unflatten(2, (-1, window))
        k = self._with_previous(rotate(k, tables).unflatten(2, (-1, window)))
        v = self._with_previous(v.unflatten(2, (-1, window)))
        scores = (turned @ k.transpose(-1, -2)).float().masked_fill(~token_mask, -1e9)
        if memory is not None:
            m = self.memory_norm(memory)
            memory_k = rms_norm(attention.split(self.memory_key(m)), attention.key_gain)
            memory_scores = (q @ memory_k.transpose(-1, -2)).float().unflatten(2, (-1, window))
            scores = torch.cat((scores, memory_scores.masked_fill(~memory_mask, -1e9)), -1)
        weights = (scores / math.sqrt(q.shape[-1])).softmax(-1).to(v.dtype)
        heard = (weights[..., :2 * window] @ v).flatten(2, 3)
        if memory is not None:
            heard = heard + weights[..., 2 * window:].flatten(2, 3) @ attention.split(self.memory_value(m))
        x = x + attention.join(heard)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Recall(nn.Module):
    """Reads details back out of latents. Each closed span's latent is unfolded into vectors that stand for its tokens; one head
    looks through those of all spans: what a token asks for is compared with the token in front of each, and with the span's mixed
    latent. So a name that was said long ago is found again by what stood before it."""

    def __init__(self, width, inner, slots):
        super().__init__()
        self.slots = slots
        self.unfold = nn.Linear(width, slots * width, bias=False)  # raw latent -> one vector a slot, like a token's embedding
        self.norm = Norm(width)
        self.query = nn.Linear(width, inner, bias=False)
        self.key = nn.Linear(width, inner, bias=False)             # from the slot in front
        self.context = nn.Linear(width, inner, bias=False)         # added to it, from the mixed latent
        self.value = nn.Linear(width, inner, bias=False)           # from the slot
        self.out = nn.Linear(inner, width, bias=False)
        self.query_gain = nn.Parameter(torch.ones(inner))
        self.key_gain = nn.Parameter(torch.ones(inner))
        self.nothing = nn.Parameter(torch.zeros(1))                # the score of finding nothing

    @torch.no_grad()
    def initialise(self):
        """Starts as a search for the same token, answered with the one behind it."""
        some = torch.linalg.qr(torch.randn_like(self.query.weight).T)[0].T
        for part in (self.query, self.key, self.value):
            part.weight.copy_(some)
        self.context.weight.zero_()
        self.out.weight.zero_()
        self.query_gain.fill_(2.0)
        self.key_gain.fill_(2.0)
        self.nothing.fill_(14.0)

    def unfolded(self, z):
        """..., width -> ..., slots, width"""
        return rms_norm(self.unfold(z).unflatten(-1, (self.slots, -1)))

    def forward(self, x, z, h, mask, block=256):
        """x: B,T,width; z, h: B,S,width; mask: B,T,S -> B,T,width"""
        slots = self.unfolded(z)
        front = F.pad(slots[:, :, :-1], (0, 0, 1, 0))
        k = rms_norm(self.key(front) + self.context(h)[:, :, None], self.key_gain)
        q = rms_norm(self.query(self.norm(x)), self.query_gain)
        k, v = k.flatten(1, 2), self.value(slots).flatten(1, 2)
        heard = []
        for start in range(0, q.shape[1], block):
            allowed = mask[:, start:start + block]
            reach = int(allowed.any(0).any(0).nonzero().max() + 1) if allowed.any() else 1
            scores = (q[:, start:start + block] @ k[:, :reach * self.slots].transpose(1, 2)).float() / math.sqrt(q.shape[-1])
            scores = scores.masked_fill(~allowed[..., :reach].repeat_interleave(self.slots, -1), -1e9)
            scores = torch.cat((scores, self.nothing.expand(*scores.shape[:2], 1)), -1)
            heard.append(scores.softmax(-1)[..., :-1].to(v.dtype) @ v[:, :reach * self.slots])
        return self.out(torch.cat(heard, 1))
