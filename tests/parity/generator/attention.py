"""Attention and the softmax under a mask."""

import torch

from .draw import *
from .writer import Fixed


def write(w):
    masked_softmax(w)
    scaled_dot_product_attention(w)


def some(*shape):
    """A mask with something true in every row along every dimension."""
    mask = bools(*shape)
    mask[..., 0] = True
    return mask


def masked_softmax(w):
    case = w.op("masked.softmax")
    for shape, mask, dim in (((5,), (5,), 0), ((2, 3), (2, 3), 1), ((2, 3), (3,), -1), ((2, 3, 4), (2, 1, 4), -1),
                             ((2, 3, 4), (3, 4), 2), ((2, 3, 4), (4,), -1), ((0, 3), (3,), 1), ((2, 40), (2, 40), 1)):
        case(n(*shape), dim, mask=some(*mask))
    case(n(3, 2), 0, mask=some(2, 3).t())
    case(n(3, 2, 4), 1, mask=flags(True, False).view(2, 1))
    case(n(2, 3), 1, mask=flags(True, True).view(2, 1))
    case.refused(n(2, 3), 2, mask=bools(2, 3))
    case.refused(n(2, 3), 1, mask=bools(2, 4))


def scaled_dot_product_attention(w):
    case = w.op("nn.functional._scaled_dot_product_attention")
    for batch in ((), (2,), (2, 3)):
        query, key, value = n(*batch, 4, 5), n(*batch, 3, 5), n(*batch, 3, 2)
        case(query, key, value)
        case(query, key, value, is_causal=True)
        case(query, key, value, some(4, 3))
        case(query, key, value, Fixed(n(4, 3)))
        case(query, key, value, n(*batch, 4, 3))
        case(query, key, value, some(*batch, 4, 3))
    case(n(2, 3, 4, 5), n(2, 3, 2, 5), n(2, 3, 2, 5), some(2, 1, 1, 2))
    case(n(2, 1, 5), n(2, 6, 5), n(2, 6, 5), is_causal=True)
    case(n(2, 4, 1), n(1, 3, 1), n(2, 3, 1))
    case(n(0, 4, 5), n(0, 3, 5), n(0, 3, 5))
    x = n(2, 3, 4)
    case(x, x, x)
    case.only(n(2, 3, 4), n(2, 3, 4), n(2, 3, 4), dropout_p=1.0)
    case.refused(n(2, 3, 4), n(2, 3, 5), n(2, 3, 4))
    case.refused(n(2, 3, 4), n(2, 5, 4), n(2, 3, 4))
    case.refused(n(2, 3, 4), n(3, 5, 4), n(3, 5, 4))
    case.refused(n(2, 3, 4), n(2, 5, 4), n(2, 5, 4), bools(3, 4))
    case.refused(n(2, 3, 4), n(2, 5, 4), n(2, 5, 4), bools(3, 5), is_causal=True)
    case.refused(n(2, 3, 4).float(), n(2, 5, 4), n(2, 5, 4))
    case.refused(n(2, 3, 4), n(2, 5, 4), n(2, 5, 4), dropout_p=1.5)
