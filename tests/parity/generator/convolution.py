"""Convolutions and pooling."""

from .draw import *


def write(w):
    for part in (convolutions, pooling, adaptive_pooling):
        part(w)


def convolutions(w):
    case = w.op("nn.functional.conv1d")
    for x, weight, bias, options in (((2, 3, 7), (4, 3, 3), True, {}), ((3, 5), (2, 3, 5), True, {}), ((1, 2, 4), (3, 2, 1), False, {}),
                                     ((2, 3, 9), (4, 3, 3), True, {"stride": 2, "padding": 2, "dilation": 2}),
                                     ((2, 4, 7), (6, 2, 3), False, {"groups": 2}), ((2, 4, 6), (4, 1, 3), True, {"groups": 4, "padding": 1}),
                                     ((2, 2, 5), (2, 2, 4), True, {"padding": "same"}), ((2, 5), (2, 2, 3), False, {"padding": "same", "dilation": 2}),
                                     ((1, 2, 5), (2, 2, 2), True, {"padding": "valid", "stride": (3,)}), ((0, 2, 4), (3, 2, 2), True, {}),
                                     ((1, 2, 1), (2, 2, 3), True, {"padding": (4,), "stride": 3})):
        case(n(*x), n(*weight), n(weight[0]) if bias else None, **options)
    case.expanded(n(2, 2, 5), n(3, 2, 2))
    case.only(ints(9, 2, 2, 5, low=-9), ints(9, 2, 2, 3, low=-9), ints(9, 2), padding=1)
    x, weight = n(1, 2, 5), n(4, 2, 3)
    for options in ({"stride": 0}, {"padding": -1}, {"dilation": 0}, {"groups": 0}, {"groups": 2}, {"groups": 3}, {"stride": (1, 1)},
                    {"padding": "full"}, {"padding": "same", "stride": 2}, {"dilation": 3}):
        case.refused(x, weight, **options)
    for args in ((n(5), weight), (n(1, 1, 2, 5), weight), (x, n(4, 3)), (x, n(4, 3, 3)), (x, n(4, 2, 6)), (x, n(4, 2, 0)), (x, weight, n(3)),
                 (x, weight, n(1, 4)), (x, weight.float()), (x, n(0, 2, 3))):
        case.refused(*args)
    case = w.op("nn.functional.conv2d")
    for x, weight, bias, options in (((2, 2, 4, 5), (3, 2, 3, 2), True, {}), ((2, 4, 4), (3, 2, 2, 2), False, {}),
                                     ((1, 2, 3, 3), (2, 2, 1, 1), True, {}),
                                     ((1, 2, 5, 6), (2, 2, 3, 2), True, {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}),
                                     ((1, 4, 3, 3), (4, 2, 2, 2), True, {"groups": 2, "padding": 1}),
                                     ((1, 2, 3, 4), (2, 2, 2, 3), True, {"padding": "same"}), ((1, 1, 3, 3), (1, 1, 2, 2), False, {"stride": 2}),
                                     ((0, 2, 3, 3), (2, 2, 2, 2), True, {})):
        case(n(*x), n(*weight), n(weight[0]) if bias else None, **options)
    case.only(ints(9, 1, 2, 3, 3), ints(9, 2, 2, 2, 2))
    for args in ((n(4, 4), n(1, 1, 2, 2)), (n(1, 1, 4, 4), n(1, 1, 5, 2)), (n(1, 1, 4, 4), n(1, 1, 2))):
        case.refused(*args)


def pooling(w):
    sequences = (((2, 2, 7), (2,), {}), ((2, 7), (3,), {"stride": 2, "padding": 1}), ((1, 2, 5), (2,), {"ceil_mode": True}),
                 ((1, 2, 8), (3,), {"stride": 4, "padding": 1, "ceil_mode": True}), ((0, 2, 4), (2,), {}))
    images = (((2, 2, 4, 5), (2,), {}), ((2, 5, 4), ((2, 3),), {"stride": (1, 2)}), ((1, 2, 4, 4), (3,), {"stride": 2, "padding": 1}),
              ((1, 1, 5, 5), (2,), {"ceil_mode": True}), ((0, 2, 3, 3), (2,), {}))
    dilated = {"1d": ((1, 2, 9), (3,), {"dilation": 2, "padding": 1, "stride": 3}), "2d": ((1, 1, 5, 6), (2,), {"dilation": (2, 3)})}
    for kind, calls in (("1d", sequences), ("2d", images)):
        for name in (f"max_pool{kind}", f"max_pool{kind}_with_indices", f"avg_pool{kind}"):
            case = w.op(f"nn.functional.{name}")
            for shape, args, options in calls + (() if "avg" in name else (dilated[kind],)):
                case(distinct(*shape), *args, **options)
            shape = calls[0][0]
            for options in ({"stride": 0}, {"padding": 2}, {"padding": -1}, {"stride": (1, 1, 1)}):
                case.refused(distinct(*shape), 2, **options)
            case.refused(distinct(*shape), 0)
            case.refused(distinct(*shape), 9)
            case.refused(distinct(5), 2)
            case.refused(distinct(2, 0, *shape[2:]), 2)
            case.refused(distinct(*shape, 2), 2)
    for kind, shape in (("1d", (1, 1, 6)), ("2d", (1, 1, 2, 3))):
        case = w.op(f"nn.functional.max_pool{kind}_with_indices")
        case.only(f64(1.0, 1.0, NAN, NAN, 3.0, -INF).view(shape), 2, 1)
        case.only(ints(2, *shape).double(), 2, 1)
        case.refused(distinct(*shape), 2, dilation=0)
        case.refused(ints(9, *shape), 2)
        case = w.op(f"nn.functional.avg_pool{kind}")
        for shape, args in (((1, 2, 5), (3, 2, 1, True, False)), ((2, 6), (3, 3, 1, False, False)), ((1, 1, 5), (4, 3, 2, True))):
            case(n(*shape) if kind == "1d" else n(*shape, 4), *args)
        case.only(ints(20, 1, 2, 6, low=-20) if kind == "1d" else ints(20, 1, 2, 6, 5, low=-20), 2)
    case(n(1, 2, 4, 4), 2, divisor_override=3)
    case(n(1, 1, 4, 4), 3, 2, 1, divisor_override=-2)
    case.refused(n(1, 1, 4, 4), 2, divisor_override=0)
    w.op("nn.functional.max_pool1d")(distinct(1, 2, 5), 2, return_indices=True)
    w.op("nn.functional.max_pool2d")(distinct(1, 2, 3, 3), 2, return_indices=True)


def adaptive_pooling(w):
    for kind, calls in (("1d", (((2, 2, 7), 3), ((2, 5), 1), ((1, 2, 3), 5), ((1, 2, 4), 4), ((0, 2, 4), 2), ((1, 1, 3), (2,)))),
                        ("2d", (((2, 2, 4, 5), 3), ((2, 5, 4), (2, 3)), ((1, 2, 3, 4), (None, 2)), ((1, 1, 4, 4), 1), ((0, 2, 3, 3), 2)))):
        for name in (f"adaptive_avg_pool{kind}", f"adaptive_max_pool{kind}", f"adaptive_max_pool{kind}_with_indices"):
            case = w.op(f"nn.functional.{name}")
            for shape, size in calls:
                case(distinct(*shape), size)
            case.refused(distinct(*calls[0][0]), -1)
            case.refused(distinct(*calls[0][0], 2), 2)
            case.refused(distinct(2, 2, 0, *calls[0][0][3:]), 2)
            case.refused(ints(9, *calls[0][0]), 2)
