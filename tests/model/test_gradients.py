"""Gradients that by_hand.py writes out, against those that PyTorch derives."""

import torch
from islet.by_hand import PIECE, CausalAttention, RMSNorm, SwiGLU, TokenLoss, causal_pieces
from islet.layers import attend, rotary_tables, rotate
from torch.nn import functional as F

ROWS, HEADS, LENGTH, WIDTH = 2, 2, 5 * PIECE + 60, 8


def examples():
    """Rows of several examples: short ones, one over many pieces, and ends on and off a piece's edge."""
    ends = ([3, 40, PIECE, 4 * PIECE + 10, LENGTH], [2 * PIECE + 1, 2 * PIECE + 2, LENGTH])
    return torch.stack([torch.bucketize(torch.arange(LENGTH), torch.tensor(row), right=True) for row in ends])


def visible(example):
    """B,1,L,L: what a token may see."""
    index = torch.arange(LENGTH)
    return ((example[:, :, None] == example[:, None, :]) & (index[:, None] >= index))[:, None]


def value_and_gradients(function, inputs, weight):
    value = function(*inputs)
    return value, *torch.autograd.grad((value * weight).sum(), inputs)


def assert_close(ours, pytorchs):
    for one, other in zip(ours, pytorchs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_attention_in_pieces_is_attention_under_the_mask():
    torch.manual_seed(1)
    example = examples()
    inputs = [torch.randn(ROWS, HEADS, LENGTH, WIDTH, requires_grad=True) for _ in range(3)]
    weight = torch.randn(ROWS, HEADS, LENGTH, WIDTH)
    pieces = causal_pieces(example, torch.float32)
    assert_close(value_and_gradients(lambda q, k, v: CausalAttention.apply(q, k, v, pieces), inputs, weight),
                 value_and_gradients(lambda q, k, v: attend(q, k, v, visible(example)), inputs, weight))


def test_pieces_compute_every_pair_that_counts_once_and_far_fewer_than_all():
    example = examples()
    seen = torch.zeros(ROWS, LENGTH, LENGTH, dtype=int)
    for row, queries, keys, bias in causal_pieces(example, torch.float32):
        seen[row, queries, keys] += (bias == 0).int()
    assert torch.equal(seen, visible(example)[:, 0].int())
    computed = sum(bias.numel() for _, _, _, bias in causal_pieces(example, torch.float32))
    assert computed < 0.6 * ROWS * LENGTH * LENGTH


def test_swiglu():
    torch.manual_seed(2)
    inputs = [torch.randn(7, 11, requires_grad=True) for _ in range(2)]
    assert_close(value_and_gradients(SwiGLU.apply, inputs, torch.ones(7, 11)),
                 value_and_gradients(lambda gate, up: F.silu(gate) * up, inputs, torch.ones(7, 11)))


def test_rms_norm():
    torch.manual_seed(3)
    inputs = [torch.randn(5, 7, 12, requires_grad=True), torch.randn(12, requires_grad=True)]
    weight = torch.randn(5, 7, 12)
    assert_close(value_and_gradients(lambda x, gain: RMSNorm.apply(x, gain, 1e-5), inputs, weight),
                 value_and_gradients(lambda x, gain: x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * gain,
                                     inputs, weight))


def test_loss_in_pieces_is_the_cross_entropy_of_all_tokens_that_have_a_target():
    torch.manual_seed(5)
    inputs = [torch.randn(50, 8, requires_grad=True), torch.randn(20, 8, requires_grad=True)]
    targets = torch.randint(-1, 20, (50,))
    assert (targets < 0).any()
    assert_close(value_and_gradients(lambda x, table: TokenLoss.apply(x, table, targets, 16), inputs, torch.tensor(3.0)),
                 value_and_gradients(lambda x, table: F.cross_entropy(x @ table.T, targets, ignore_index=-1), inputs,
                                     torch.tensor(3.0)))


def test_rotation_turns_neighbouring_pairs_by_their_angles():
    x, (cos, sin) = torch.randn(2, 3, 10, 8), rotary_tables(10, 8, "cpu")
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)
    torch.testing.assert_close(rotate(x, (cos, sin)), turned)
