"""Activations and what makes shares of 1: softmax and its relatives."""

from .draw import *
from .writer import Fixed

# In float32, so that nobody takes differences across them.
KINKS = f64(-6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0)


def write(w):
    for part in (smooth, piecewise, prelu, rrelu, gates, shares, softmin, masked_softmax):
        part(w)


def smooth(w):
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


def piecewise(w):
    options = {"mish": [{}], "celu": [{}, {"alpha": 0.5}, {"alpha": -2.0}], "selu": [{}], "softsign": [{}], "tanhshrink": [{}],
               "hardtanh": [{}, {"min_val": -0.5, "max_val": 2.0}], "relu6": [{}], "hardsigmoid": [{}], "hardswish": [{}],
               "hardshrink": [{}, {"lambd": 1.5}], "softshrink": [{}, {"lambd": 1.5}, {"lambd": 0.0}],
               "threshold": [{"threshold": 0.25, "value": 20.0}]}
    for name, variants in options.items():
        case = w.op(f"nn.functional.{name}")
        for variant in variants:
            for shape in SHAPES:
                case(distinct(*shape), **variant)
            # PyTorch's exponential units give NaN a gradient that depends on its place; softsign has none at infinity.
            doubtful = name in ("celu", "selu", "softsign", "hardswish")
            case.only(Fixed(strange()) if doubtful else strange(), **variant)
            case.only(f64(-800.0, -40.0, -20.0, -1e-9, 1e-9, 20.0, 40.0, 800.0), **variant)
            kinks = KINKS[KINKS < 3] if name == "hardswish" else KINKS  # its gradient at 3 depends on the place too
            case.only(kinks.float(), **variant)
            case.expanded(distinct(3, 2), **variant)
    for name in ("relu6", "hardtanh", "softsign", "tanhshrink"):
        w.op(f"nn.functional.{name}").only(ints(9, 3, low=-4))
    w.op("nn.functional.hardtanh").only(ints(9, 4, low=-4), -2.5, 1.5)
    w.op("nn.functional.threshold").only(ints(9, 3, low=-4), 1, 7)
    w.op("nn.functional.softshrink").refused(n(3), lambd=-0.1)
    for name in ("mish", "hardsigmoid", "hardshrink", "selu"):
        w.op(f"nn.functional.{name}").refused(ints(9, 3))
    w.op("nn.functional.celu").refused(n(3), alpha=0.0)


def prelu(w):
    case = w.op("nn.functional.prelu")
    for shape, slopes in (((4,), (1,)), ((2, 3), (3,)), ((2, 3), (1,)), ((2, 3, 2), (3,)), ((2, 3, 2, 2), (3,)), ((), (1,)), ((3,), ()),
                          ((0, 3), (3,)), ((2, 3), ())):
        case(distinct(*shape), away(*slopes))
    case.only(strange(), f64(0.25))
    case.expanded(distinct(3, 2), away(2))
    case.refused(n(2, 3), n(2))
    case.refused(n(4), n(4))
    case.refused(n(2, 3), n(3, 1))
    case.refused(n(2, 3), n(3).float())


def rrelu(w):
    """Without training, or with equal bounds, nothing is left to chance."""
    case = w.op("nn.functional.rrelu")
    for shape in SHAPES:
        case(distinct(*shape))
        case(distinct(*shape), 0.1, 0.2)
        case(distinct(*shape), 0.25, 0.25, True)
    case.refused(n(3), 0.5, 0.2)


def gates(w):
    case = w.op("nn.functional.glu")
    for shape, dim in (((4,), 0), ((2, 4), -1), ((4, 3), 0), ((2, 2, 3), 1), ((0, 4), 1)):
        case(n(*shape), dim)
    case(n(2, 6))
    case.refused(n(3))
    case.refused(n(2, 4), 2)
    case.refused(n())


def shares(w):
    for name in ("softmax", "log_softmax"):
        case = w.op(name)
        for shape, dim in ALONG + [((0, 3), 1), ((3, 0), 1)]:
            case(n(*shape), dim)
        case(n(2, 3) * 300 + 500, 1)
        case.expanded(n(3, 4), 0)
        case.only(n(2, 3).float(), 1, dtype=F64)
        case.only(ints(9, 2, 3), 0, dtype=F32)
        for x in (f64(INF, 0.0, 1.0), f64(-INF, 0.0, 1.0), f64(-INF, -INF), f64(NAN, 1.0)):
            case.only(x, 0)
        bad_dims(case, False)
        case.refused(ints(9, 3), 0)


def softmin(w):
    case = w.op("nn.functional.softmin")
    for shape, dim in (((5,), 0), ((2, 3), 0), ((2, 3), -1), ((2, 3, 4), 1), ((), 0)):
        case(n(*shape), dim)
    case.only(ints(9, 2, 3), 1, dtype=F32)
    case.refused(n(2, 3), 2)


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
