"""Operations of torch.nn.functional: activations, losses and the like."""

import torch

from .draw import *
from .writer import Fixed


def write(w):
    activations(w)
    composed(w)
    dropout(w)
    cross_entropy(w)


def activations(w):
    options = {"relu": [{}], "gelu": [{}, {"approximate": "tanh"}], "silu": [{}], "leaky_relu": [{}, {"negative_slope": 0.3}],
               "elu": [{}, {"alpha": 0.5}], "softplus": [{}, {"beta": 2.0}, {"beta": 3.0, "threshold": 1.0}], "logsigmoid": [{}]}
    for name, variants in options.items():
        case = w.op(f"nn.functional.{name}")
        for variant in variants:
            for shape in SHAPES:
                case(away(*shape), **variant)
            for x in (strange(), strange().float()):  # PyTorch's gradient of elu at NaN depends on the place of the element
                case.only(Fixed(x) if name == "elu" else x, **variant)
            case.only(f64(-800.0, -40.0, -20.0, -1e-9, 1e-9, 20.0, 40.0, 800.0), **variant)
            case.expanded(away(3, 2), **variant)
    w.op("nn.functional.gelu").refused(n(3), approximate="sigmoid")
    w.op("nn.functional.gelu").refused(ints(9, 3))
    w.op("nn.functional.relu").only(ints(9, 3, low=-4))


def composed(w):
    case = w.op("nn.functional.glu")
    for shape, dim in (((4,), 0), ((2, 4), -1), ((4, 3), 0), ((2, 2, 3), 1), ((0, 4), 1)):
        case(n(*shape), dim)
    case(n(2, 6))
    case.refused(n(3))
    case.refused(n(2, 4), 2)
    case.refused(n())
    case = w.op("nn.functional.softmin")
    for shape, dim in (((5,), 0), ((2, 3), 0), ((2, 3), -1), ((2, 3, 4), 1), ((), 0)):
        case(n(*shape), dim)
    case.only(ints(9, 2, 3), 1, dtype=F32)
    case.refused(n(2, 3), 2)
    case = w.op("nn.functional.normalize")
    for shape, options in (((2, 3), {}), ((3,), {"dim": 0}), ((2, 3, 2), {"dim": -1}), ((2, 3), {"p": 1.0}),
                           ((2, 3), {"p": 3.0, "dim": 0}), ((2, 3), {"p": INF}), ((2, 3, 2), {"dim": (0, 2)}), ((2, 3), {"eps": 10.0}),
                           ((0, 3), {})):
        case(away(*shape), **options)
    case.only(zeros(2, 3))
    case.refused(n(2, 3), dim=2)
    case = w.op("nn.functional.cosine_similarity")
    for a, b, options in (((2, 3), (2, 3), {}), ((3,), (3,), {"dim": 0}), ((2, 3, 2), (2, 3, 2), {"dim": -1}), ((2, 3), (1, 3), {}),
                          ((2, 1, 3), (2, 3), {"dim": 2}), ((0, 3), (0, 3), {}), ((2, 3), (2, 3), {"eps": 0.5})):
        case(away(*a), away(*b), **options)
    case.only(zeros(2, 3), n(2, 3))
    case.refused(n(2, 3), n(2, 4))
    case.refused(n(2, 3), n(2, 3), dim=2)
    case = w.op("nn.functional.pad")
    for shape, pad in (((3,), (1, 2)), ((2, 3), (1, 0)), ((2, 3), (0, 1, 2, 0)), ((2, 3), (-1, 1)), ((2, 3), (-1, -1, 1, 0)),
                       ((2, 3), (0, 0)), ((2, 1, 2), (1, 1, 0, 2, 1, 0)), ((0, 2), (1, 1, 1, 0)), ((), ()), ((2, 3), (-3, 2))):
        case(n(*shape), pad)
        case(n(*shape), pad, "constant", 2.5)
    case.only(ints(9, 3), (1, 1), value=7)
    case.only(bools(3), (0, 2), value=True)
    case.refused(n(3), (1,))
    case.refused(n(3), (1, 1, 1, 1))
    case.refused(n(3), (-2, -2))
    case.refused(n(3), (1, 1), "everywhere")


def dropout(w):
    """With p 0 or 1, or while not training, nothing is left to chance."""
    case = w.op("nn.functional.dropout")
    for shape in SHAPES:
        case(n(*shape), 0.5, False)
        case(n(*shape), 0.0)
        case(n(*shape), 1.0)
    for p in (1.5, -0.1):
        case.refused(n(3), p)


def cross_entropy(w):
    case = w.op("nn.functional.cross_entropy")
    for reduction in ("none", "mean", "sum"):
        for logits, target in (((4, 5), (4,)), ((2, 3, 2), (2, 2)), ((5,), ()), ((2, 3, 2, 2), (2, 2, 2)), ((1, 1), (1,))):
            classes = logits[len(logits) > 1]
            case(n(*logits), ints(classes, *target), reduction=reduction)
            case(n(*logits), ints(classes, *target), Fixed(pos(classes)), reduction=reduction)
        for more in ({"ignore_index": 1}, {"label_smoothing": 0.1}, {"ignore_index": 1, "label_smoothing": 0.2}):
            case(n(4, 3), i64(0, 1, 2, 1), reduction=reduction, **more)
            case(n(4, 3), i64(0, 1, 2, 1), Fixed(pos(3)), reduction=reduction, **more)
            case(n(2, 3, 2), i64(0, 1, 2, 1).view(2, 2), reduction=reduction, **more)
        case(n(3, 4), i64(3, -100, 0), reduction=reduction)
        for shape in ((4, 5), (2, 5, 3), (5,)):
            target = torch.softmax(n(*shape), dim=int(len(shape) > 1))
            case(n(*shape), Fixed(target), reduction=reduction)
            case(n(*shape), Fixed(target), Fixed(pos(5)), reduction=reduction, label_smoothing=0.1)
        case(n(2, 4), torch.softmax(n(2, 4), 1), reduction=reduction)
        case(n(3, 5), i64(-100, -100, -100), reduction=reduction)
        case(n(0, 5), ints(5, 0), reduction=reduction)
    for target in (i64(0, 3), i64(0, -1), i64(0, 1, 2), i64(2**40, 0)):
        case.refused(n(2, 3), target)
    case.refused(n(2, 3), i64(0, 1), weight=Fixed(pos(4)))
    case.refused(n(2, 3), i64(0, 1), reduction="average")
    case.refused(n(2, 3), i64(0, 1), label_smoothing=1.5)
    case.refused(n(2, 3), n(2, 4))
