"""Whole modules: MultiheadAttention and the Transformer's layers, under options and masks picked at random."""

import torch
from torch import nn

from .draw import *


def write(w):
    case = w.module("MultiheadAttention")
    for _ in range(24):
        attention(case)
    for name, draw, count in (("TransformerEncoderLayer", encoder_layer, 8), ("TransformerDecoderLayer", decoder_layer, 6),
                              ("Transformer", transformer, 3)):
        case = w.module(name)
        for _ in range(count):
            draw(case)


def pick(*choices):
    return choices[int(torch.randint(len(choices), ()))]


def maybe(make):
    return make() if pick(True, False) else None


def padding(batch, steps):
    """True for keys to pass over, never for all of them."""
    mask = torch.rand(*batch, steps) < 0.4
    mask[..., 0] = False
    return mask


def hidden(*shape):
    """A mask over queries and keys: true where nothing may be seen, or numbers to add."""
    mask = torch.rand(shape) < 0.3
    mask[..., 0] = False
    return pick(mask, n(*shape))


class Sizes:
    """A batch, or none, and how many steps queries and keys have."""

    def __init__(self, batch_first):
        self.batched, self.batch_first = pick(True, True, False), batch_first
        self.count, self.queries, self.keys = 2, pick(1, 3, 4), pick(2, 3)
        self.batch = (self.count,) if self.batched else ()

    def sequence(self, steps, features):
        if not self.batched:
            return n(steps, features)
        return n(self.count, steps, features) if self.batch_first else n(steps, self.count, features)

    def attn_mask(self, heads, queries, keys):
        return hidden(*pick((queries, keys), ((self.count if self.batched else 1) * heads, queries, keys)))


def attention(case):
    heads, batch_first = pick(1, 2, 3), pick(True, False)
    width, sizes = 2 * heads, Sizes(batch_first)
    kdim, vdim = pick((None, None), (None, None), (3, 5), (None, 3))
    shared = kdim is None and vdim is None and pick("self", "memory", "none")
    query = sizes.sequence(sizes.queries, width)
    key = query if shared == "self" else sizes.sequence(sizes.keys, kdim or width)
    value = key if shared in ("self", "memory") else sizes.sequence(sizes.keys, vdim or width)
    keys = sizes.queries if shared == "self" else sizes.keys
    case({"embed_dim": width, "num_heads": heads, "bias": pick(True, False), "add_bias_kv": pick(True, False),
          "add_zero_attn": pick(True, False), "kdim": kdim, "vdim": vdim, "batch_first": batch_first}, query, key, value,
         key_padding_mask=maybe(lambda: padding(sizes.batch, keys)), need_weights=pick(True, True, False),
         attn_mask=maybe(lambda: sizes.attn_mask(heads, sizes.queries, keys)), average_attn_weights=pick(True, False))


def layer_options():
    return {"d_model": 4, "nhead": 2, "dim_feedforward": 6, "dropout": 0.0, "activation": pick("relu", "gelu"),
            "layer_norm_eps": pick(1e-5, 0.1), "batch_first": pick(True, False), "norm_first": pick(True, False)}


def encoder_layer(case):
    options = layer_options()
    sizes = Sizes(options["batch_first"])
    case(options, sizes.sequence(sizes.queries, 4), src_mask=maybe(lambda: sizes.attn_mask(2, sizes.queries, sizes.queries)),
         src_key_padding_mask=maybe(lambda: padding(sizes.batch, sizes.queries)))


def decoder_layer(case):
    options = layer_options()
    sizes = Sizes(options["batch_first"])
    case(options, sizes.sequence(sizes.queries, 4), sizes.sequence(sizes.keys, 4),
         tgt_mask=maybe(lambda: sizes.attn_mask(2, sizes.queries, sizes.queries)),
         memory_mask=maybe(lambda: sizes.attn_mask(2, sizes.queries, sizes.keys)),
         tgt_key_padding_mask=maybe(lambda: padding(sizes.batch, sizes.queries)),
         memory_key_padding_mask=maybe(lambda: padding(sizes.batch, sizes.keys)))


def transformer(case):
    options = {**layer_options(), "num_encoder_layers": pick(1, 2), "num_decoder_layers": pick(1, 2)}
    sizes = Sizes(options["batch_first"])
    case(options, sizes.sequence(sizes.keys, 4), sizes.sequence(sizes.queries, 4),
         src_mask=maybe(lambda: sizes.attn_mask(2, sizes.keys, sizes.keys)),
         tgt_mask=maybe(lambda: sizes.attn_mask(2, sizes.queries, sizes.queries)),
         memory_mask=maybe(lambda: sizes.attn_mask(2, sizes.queries, sizes.keys)),
         src_key_padding_mask=maybe(lambda: padding(sizes.batch, sizes.keys)),
         tgt_key_padding_mask=maybe(lambda: padding(sizes.batch, sizes.queries)),
         memory_key_padding_mask=maybe(lambda: padding(sizes.batch, sizes.keys)))
