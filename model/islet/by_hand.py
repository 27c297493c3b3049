"""Parts of a network whose gradients are written out. On a CPU the multiplications of a step take half of its time; the rest goes
to reading and writing tensors between them. PyTorch derives a gradient from each small operation and stores what each needs;
these do the same in fewer passes, and in pieces that stay in the processor's cache. tests/model compares them with PyTorch's."""

import torch


class RMSNorm(torch.autograd.Function):
    """x / sqrt(mean(x^2) + epsilon) * gain, over the last axis, in float32."""

    @staticmethod
    def forward(context, x, gain, epsilon):
        wide = x.float()
        scale = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        context.save_for_backward(wide, scale, gain)
        context.kind = x.dtype
        return (wide * scale).mul_(gain)

    @staticmethod
    def backward(context, gradient):
        x, scale, gain = context.saved_tensors
        n = x * scale
        dgain = (gradient * n).flatten(0, -2).sum(0)
        dn = gradient * gain
        along = (dn * n).mean(-1, keepdim=True)  # not a product of matrices: in float32 that wakes a second pool of threads
        return dn.sub_(n.mul_(along)).mul_(scale).to(context.kind), dgain, None


class TokenLoss(torch.autograd.Function):
    """Mean cross-entropy of targets (N, -1 where none is to be predicted) under x: N,width and table: V,width. The logits of all
    tokens are the largest tensor of a small model, so they are made, used for loss and gradient, and forgotten a piece at a time."""

    @staticmethod
    def forward(context, x, table, targets, piece=512):
        narrow, counted, loss = table.to(x.dtype), max(1, int((targets >= 0).sum())), 0.0
        dx, dtable = torch.empty_like(x), torch.zeros_like(table)
        for start in range(0, len(x), piece):
            part, known = x[start:start + piece], targets[start:start + piece, None] >= 0
            at = targets[start:start + piece, None].clamp_min(0)
            logs = torch.log_softmax((part @ narrow.T).float(), -1)
            loss -= (logs.gather(1, at) * known).sum().item()
            slope = logs.exp_().scatter_add_(1, at, torch.full(at.shape, -1.0)).mul_(known / counted).to(x.dtype)
            torch.mm(slope, narrow, out=dx[start:start + piece])
            dtable += slope.T @ part
        context.save_for_backward(dx, dtable)
        return torch.tensor(loss / counted)

    @staticmethod
    def backward(context, gradient):
        dx, dtable = context.saved_tensors
        return dx * gradient.to(dx.dtype), dtable * gradient, None, None


class CausalAttention(torch.autograd.Function):
    """attend for rows of examples that do not see each other, a piece of a row at a time: what no token may see is never computed,
    and the scores of a piece stay in the processor's cache. The gradient is written out, because autograd would make a tensor of
    zeros as large as the keys for every piece."""

    @staticmethod
    def forward(context, q, k, v, pieces):
        """q, k, v: B,heads,L,D of one type; pieces: of causal_pieces -> B,heads,L,D"""
        scale, out, weights = q.shape[-1] ** -0.5, torch.empty_like(q), []
        for row, queries, keys, bias in pieces:
            scores = torch.baddbmm(bias, q[row, :, queries], k[row, :, keys].transpose(1, 2), alpha=scale)
            weights.append(scores.softmax(-1))
            torch.bmm(weights[-1], v[row, :, keys], out=out[row, :, queries])
        context.save_for_backward(q, k, v, *weights)
        context.pieces = pieces
        return out

    @staticmethod
    def backward(context, gradient):
        q, k, v, *weights = context.saved_tensors
        scale, dq, dk, dv = q.shape[-1] ** -0.5, torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for (row, queries, keys, _), p in zip(context.pieces, weights):
            g = gradient[row, :, queries]
            dv[row, :, keys].baddbmm_(p.transpose(1, 2), g)
            ds = torch._softmax_backward_data(g @ v[row, :, keys].transpose(1, 2), p, -1, p.dtype)
            dq[row, :, queries] = (ds @ k[row, :, keys]).mul_(scale)
            dk[row, :, keys].baddbmm_(ds.transpose(1, 2), q[row, :, queries], alpha=scale)
        return dq, dk, dv, None


PIECE = 128  # queries in a piece
REACH = 64   # keys of a piece start at a multiple of it: few shapes, so that the library's kernels are made once


def causal_pieces(example, kind):
    """What CausalAttention computes for example: B,L, the number of the example that a token belongs to. A list of: row, slice of
    queries, slice of the keys that they may see, bias of these scores (0 or very negative, of type `kind`)."""
    pieces, length = [], example.shape[1]
    for row, numbers in enumerate(example):
        firsts = (numbers[None] == numbers[::PIECE, None]).int().argmax(1) // REACH * REACH
        for start, first in zip(range(0, length, PIECE), firsts.tolist()):
            stop = min(start + PIECE, length)
            queries, keys = torch.arange(start, stop)[:, None], torch.arange(first, stop)
            hidden = (keys > queries) | (numbers[first:stop] != numbers[start:stop, None])
            pieces.append((row, slice(start, stop), slice(first, stop),
                           torch.zeros(hidden.shape, dtype=kind).masked_fill_(hidden, -1e9)))
    return pieces


class SwiGLU(torch.autograd.Function):
    """silu(gate) * up. Written out because PyTorch's gradient of silu on a CPU takes four times as long as these few products."""

    @staticmethod
    def forward(context, gate, up):
        share = gate.sigmoid()
        silu = gate * share
        context.save_for_backward(share, silu, up)
        return silu * up

    @staticmethod
    def backward(context, gradient):
        share, silu, up = context.saved_tensors
        slope = torch.addcmul(silu, silu, share, value=-1).add_(share)  # of silu: share + silu (1 - share)
        return slope.mul_(up).mul_(gradient), silu * gradient
