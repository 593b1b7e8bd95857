"""Operations that normalize, and dropout."""

from .draw import *
from .writer import Fixed


def write(w):
    for part in (layer_norm, batch_norm, group_norm, normalize, dropout):
        part(w)


def layer_norm(w):
    case = w.op("nn.functional.layer_norm")
    for shape, last in (((2, 3), (3,)), ((3,), (3,)), ((2, 2, 3), (2, 3)), ((2, 1, 2, 2), (2,)), ((2, 3), (2, 3)), ((0, 3), (3,)),
                        ((2, 37), (37,))):
        case(n(*shape), last)
        case(n(*shape), last, n(*last), n(*last))
    case(n(2, 3), (3,), n(3))
    case(n(2, 3), (3,), None, n(3))
    case(n(2, 3), (3,), n(3), n(3), 0.5)
    case.expanded(n(3, 4), (4,))
    case.only(n(2, 1), (1,), n(1), n(1))
    case.only(n(2, 3) * 1e-6 + 1e4, (3,))
    case.only(f64(NAN, 1.0, 2.0, 3.0).view(2, 2), (2,))
    case.refused(n(2, 3), ())
    case.refused(n(2, 3), (2,))
    case.refused(n(3), (1, 3))
    case.refused(n(2, 3), (3,), n(2))
    case.refused(n(2, 3), (3,), n(3), n(1, 3))
    case.refused(n(2, 3), (3,), n(3).float())
    case.refused(ints(9, 2, 3), (3,))
    case = w.op("native_layer_norm")
    case(n(2, 2, 3), (2, 3), n(2, 3), n(2, 3), 1e-5)
    case(n(2, 3), (3,), None, None, 0.1)
    case.refused(n(2, 3), (2,), None, None, 1e-5)


def batch_norm(w):
    case = w.op("nn.functional.batch_norm")
    for shape in ((4, 3), (2, 3, 4), (2, 1, 3, 2), (2, 2, 1, 2, 2)):
        c = shape[1]
        case(n(*shape), None, None, training=True)
        case(n(*shape), None, None, n(c), n(c), True)
        case(n(*shape), Fixed(n(c)), Fixed(pos(c)), n(c), n(c), True, 0.3, 0.1)
        case(n(*shape), Fixed(n(c)), Fixed(pos(c)), n(c), n(c))
        case(n(*shape), Fixed(n(c)), Fixed(pos(c)), eps=0.5)
    case(n(2, 3), Fixed(n(3)), None, n(3), None, True)
    case(n(2, 3), None, None, None, n(3), True)
    case(n(0, 3), Fixed(n(3)), Fixed(pos(3)), None, None, True)
    case.expanded(n(3, 2), None, None, None, None, True)
    case.refused(n(2, 3), None, None)
    case.refused(n(2, 3), Fixed(n(3)), None)
    case.refused(n(1, 3), None, None, training=True)
    case.refused(n(3), None, None, training=True)
    case.refused(n(2, 3), Fixed(n(2)), Fixed(pos(3)))
    case.refused(n(2, 3), None, None, n(2), n(3), True)
    case.refused(n(2, 3), None, None, n(3).float(), n(3), True)
    case.refused(ints(9, 2, 3), None, None, training=True)
    case(n(0), Fixed(n(0)), Fixed(n(0)), training=True)


def group_norm(w):
    case = w.op("nn.functional.group_norm")
    for shape, groups in (((2, 4), 2), ((2, 4, 3), 1), ((1, 3, 2, 2), 3), ((0, 2, 3), 2)):
        case(n(*shape), groups)
        case(n(*shape), groups, n(shape[1]), n(shape[1]), 0.1)
    case(n(2, 4, 3), 2, n(4))
    for shape, groups in (((2, 4), 3), ((2, 4), -2), ((4,), 2), ((1, 2), 2)):
        case.refused(n(*shape), groups)
    case.refused(n(2, 4), 2, n(2))
    case.refused(n(2, 4), 2, n(4).float())


def normalize(w):
    case = w.op("nn.functional.normalize")
    for shape, options in (((2, 3), {}), ((3,), {"dim": 0}), ((2, 3, 2), {"dim": -1}), ((2, 3), {"p": 1.0}),
                           ((2, 3), {"p": 3.0, "dim": 0}), ((2, 3), {"p": INF}), ((2, 3, 2), {"dim": (0, 2)}), ((2, 3), {"eps": 10.0}),
                           ((0, 3), {})):
        case(away(*shape), **options)
    case.only(zeros(2, 3))
    case.refused(n(2, 3), dim=2)


def dropout(w):
    """With p 0 or 1, or while not training, nothing is left to chance."""
    case = w.op("nn.functional.dropout")
    for shape in SHAPES:
        case(n(*shape), 0.5, False)
        case(n(*shape), 0.0)
        case(n(*shape), 1.0)
    for p in (1.5, -0.1):
        case.refused(n(3), p)
