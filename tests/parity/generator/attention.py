"""Attention."""

from .draw import *
from .writer import Fixed


def write(w):
    scaled_dot_product_attention(w)


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
