"""Losses. Inputs at kinks are float32, so that nobody takes differences across them."""

import warnings

import torch

from .draw import *
from .writer import Fixed

warnings.filterwarnings("ignore", message="reduction: 'mean' divides|Using a target size")
REDUCTIONS = ("none", "mean", "sum")


def shapes(reduction):
    return [(2, 3), (), (2, 1, 2), (0, 2)] if reduction == "mean" else [(2, 3)]


def write(w):
    for part in (cross_entropy, nll_loss, regression, binary, likelihoods, margins, class_margins, distances):
        part(w)


def probabilities(*shape):
    return torch.rand(shape, dtype=F64) * 0.9 + 0.05


def signs(*shape):
    """1 and -1."""
    return ints(2, *shape).double() * 2 - 1


def dense(case, *args, **kwargs):
    """One call and the same in float32: PyTorch has no gradients of these losses for strided inputs."""
    case.only(*args, **kwargs)
    case.changed(lambda x: x.float() if x.dtype == F64 else x, args, kwargs)
    case.only(*case.last_args, **case.last_kwargs)


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


def nll_loss(w):
    case = w.op("nn.functional.nll_loss")
    for reduction in REDUCTIONS:
        for shape, target in (((4, 3), (4,)), ((2, 3, 2), (2, 2)), ((3,), ()), ((2, 3, 1, 2), (2, 1, 2)), ((2, 2, 1, 2, 1), (2, 1, 2, 1)),
                              ((0, 3), (0,))):
            classes = shape[len(shape) > 1]
            dense(case, n(*shape), ints(classes, *target), reduction=reduction)
            dense(case, n(*shape), ints(classes, *target), Fixed(pos(classes)), reduction=reduction)
        dense(case, n(4, 3), i64(0, 1, 2, 1), reduction=reduction, ignore_index=1)
        dense(case, n(4, 3), i64(0, -100, 2, 1), Fixed(pos(3)), reduction=reduction)
        dense(case, n(4, 3), i64(0, 5, 2, 5), Fixed(pos(3)), reduction=reduction, ignore_index=5)
        dense(case, n(2, 3, 2), i64(0, 1, 2, 1).view(2, 2), reduction=reduction, ignore_index=1)
        dense(case, n(3, 5), i64(-100, -100, -100), reduction=reduction)
        case.only(torch.full((2, 3), -INF, dtype=F64), i64(-100, 1), reduction=reduction)
    dense(case, n(2, 3), i64(0, 0), Fixed(f64(0.0, 1.0, 1.0)))
    for target in (i64(0, 3), i64(0, -1), i64(0, 1, 2), i64(2**40, 0), f64(0.0, 1.0)):
        case.refused(n(2, 3), target)
    case.refused(n(2, 3), i64(0, 1), weight=Fixed(pos(4)))
    case.refused(n(2, 3), i64(0, 1), weight=Fixed(pos(3).float()))
    case.refused(n(2, 3), i64(0, 1), reduction="average")
    case.refused(n(), i64(0)[0])


def regression(w):
    options = {"mse_loss": [{}], "l1_loss": [{}], "smooth_l1_loss": [{}, {"beta": 0.3}, {"beta": 0.0}],
               "huber_loss": [{}, {"delta": 0.4}]}
    for name, variants in options.items():
        case = w.op(f"nn.functional.{name}")
        for variant in variants:
            for reduction in REDUCTIONS:
                for shape in shapes(reduction):
                    case(distinct(*shape), distinct(*shape) + 0.05, reduction=reduction, **variant)
                case.expanded(distinct(3, 2), n(3, 2), reduction=reduction, **variant)
            case.only(f64(-1.0, -0.4, -0.3, 0.0, 0.3, 0.4, 1.0).float(), Fixed(zeros(7).float()), reduction="none", **variant)
            case.only(strange(), Fixed(zeros(7)), reduction="none", **variant)
            case(n(3), Fixed(n(3)), **variant)
            if name != "huber_loss":
                case.only(Fixed(n(3).float()), Fixed(n(3)), **variant)
            case.only(Fixed(n(3)), ints(5, 3), **variant)
        case.refused(n(2, 3), n(4))
        case.refused(ints(5, 3), ints(5, 3))
    w.op("nn.functional.smooth_l1_loss").refused(n(3), n(3), beta=-1.0)
    w.op("nn.functional.huber_loss").refused(n(3), n(3), delta=0.0)


def binary(w):
    case = w.op("nn.functional.binary_cross_entropy")
    for reduction in REDUCTIONS:
        for shape in shapes(reduction):
            case(probabilities(*shape), probabilities(*shape), reduction=reduction)
            case(probabilities(*shape), Fixed(ints(2, *shape).double()), Fixed(pos(*shape)), reduction=reduction)
        case(probabilities(2, 3), probabilities(2, 3), Fixed(pos(3)), reduction=reduction)
        case(probabilities(2, 3), probabilities(2, 3), Fixed(pos(2, 1)), reduction=reduction)
    case.only(f64(0.0, 1.0, 0.0, 1.0, 1e-30, 0.5).float(), Fixed(f64(0.0, 1.0, 1.0, 0.0, 1.0, 0.5).float()), reduction="none")
    case.refused(f64(0.5, 1.5), f64(1.0, 0.0))
    case.refused(f64(0.5, -0.5), f64(1.0, 0.0))
    case.refused(f64(0.5, NAN), f64(1.0, 0.0))
    case.refused(probabilities(3), probabilities(4))
    case.refused(probabilities(3), probabilities(3).float())
    case.refused(probabilities(3), ints(2, 3))
    case.refused(probabilities(3), probabilities(3), weight=Fixed(pos(2)))
    case.refused(probabilities(3), probabilities(3), weight=Fixed(pos(2, 3)))
    case = w.op("nn.functional.binary_cross_entropy_with_logits")
    for reduction in REDUCTIONS:
        for shape in shapes(reduction):
            case(n(*shape), probabilities(*shape), reduction=reduction)
            case(n(*shape), probabilities(*shape), Fixed(pos(*shape)), reduction=reduction)
            case(n(*shape), probabilities(*shape), reduction=reduction, pos_weight=Fixed(pos(*shape)))
        case(n(2, 3), Fixed(ints(2, 2, 3).double()), Fixed(pos(2, 1)), reduction=reduction, pos_weight=Fixed(pos(3)))
    case.only(f64(-800.0, 800.0, -40.0, 40.0, 0.0, INF, NAN), Fixed(f64(1.0, 0.0, 0.5, 0.5, 1.0, 0.0, 1.0)), reduction="none")
    case.only(Fixed(n(3).float()), Fixed(probabilities(3)))
    case.only(Fixed(n(3)), Fixed(probabilities(3).float()))
    case.refused(n(3), n(4))
    case.refused(n(3), ints(2, 3))
    case.refused(n(3), n(3), pos_weight=Fixed(pos(2, 3)))


def likelihoods(w):
    case = w.op("nn.functional.kl_div")
    for reduction in REDUCTIONS + ("batchmean",):
        for shape in shapes(reduction):
            case(n(*shape), probabilities(*shape), reduction=reduction)
            case(n(*shape), n(*shape), reduction=reduction, log_target=True)
        case(n(2, 3), probabilities(3), reduction=reduction)
    case.only(n(4), Fixed(f64(0.0, 1.0, -1.0, NAN)), reduction="none")
    case.refused(n(3), n(4))
    case.refused(n(3), ints(2, 3))
    case = w.op("nn.functional.poisson_nll_loss")
    for reduction in REDUCTIONS:
        for shape in shapes(reduction):
            for full in (False, True):
                case(n(*shape), pos(*shape), reduction=reduction, full=full)
                case(pos(*shape), pos(*shape), log_input=False, reduction=reduction, full=full)
        case(n(2, 3), pos(3), reduction=reduction)
        case.only(n(4), ints(5, 4), full=True, reduction=reduction)
    case(pos(3), pos(3), log_input=False, eps=0.5)
    case.only(ints(3, 4), ints(5, 4))
    case.refused(n(2, 3), n(4))
    case = w.op("nn.functional.gaussian_nll_loss")
    for reduction in REDUCTIONS:
        for shape, spread in (((4,), (1,)), ((2, 3), (2, 3)), ((2, 3), (2,)), ((2, 3), (2, 1)), ((), ()), ((0, 2), (0, 2))):
            case(n(*shape), n(*shape), pos(*spread), full=spread == (2, 3), reduction=reduction)
        case(n(2, 3), n(2, 1), pos(2, 3), reduction=reduction)
    case.only(n(3).float(), n(3).float(), f64(0.0, 0.3, 0.6).float(), eps=0.5)
    case.refused(n(2, 3), n(2, 3), pos(3))
    case.refused(n(2), n(2), f64(1.0, -0.5))


def margins(w):
    case = w.op("nn.functional.hinge_embedding_loss")
    for reduction in REDUCTIONS:
        for shape in shapes(reduction):
            case(distinct(*shape), Fixed(signs(*shape)), reduction=reduction)
            case(distinct(*shape), ints(3, *shape, low=-1), margin=0.7, reduction=reduction)
        case(distinct(2, 3), Fixed(signs(3)), reduction=reduction)
    case.only(f64(1.0, 1.0, 0.5).float(), Fixed(f64(-1.0, 1.0, 0.0).float()), reduction="none")
    case.refused(n(2, 3), signs(4))
    case = w.op("nn.functional.margin_ranking_loss")
    for reduction in REDUCTIONS:
        for shape in shapes(reduction):
            case(distinct(*shape), n(*shape), Fixed(signs(*shape)), reduction=reduction)
            case(distinct(*shape), n(*shape), ints(2, *shape) * 2 - 1, margin=0.3, reduction=reduction)
        case(distinct(2, 1), n(1, 3), Fixed(signs(2, 3)), reduction=reduction)
    case.only(ints(9, 4), ints(9, 4), ints(2, 4) * 2 - 1, margin=0.5)
    case.refused(n(2, 3), n(2, 3), signs(3))
    case.refused(n(2, 3), n(2, 4), signs(2, 3))
    case = w.op("nn.functional.soft_margin_loss")
    for reduction in REDUCTIONS:
        for shape in shapes(reduction):
            case(n(*shape), Fixed(signs(*shape)), reduction=reduction)
        case(n(2, 3), Fixed(signs(3)), reduction=reduction)
        case.only(n(3), ints(2, 3) * 2 - 1, reduction=reduction)
    case.only(f64(-800.0, -40.0, 40.0, 800.0, NAN), Fixed(f64(1.0, 1.0, 1.0, 1.0, 1.0)), reduction="none")
    case.refused(n(3), Fixed(signs(2, 3)))
    case.refused(n(3), Fixed(signs(4)))
    case = w.op("nn.functional.multilabel_soft_margin_loss")
    for reduction in REDUCTIONS:
        for shape in ((2, 3), (4,), (2, 3, 2), (0, 2)):
            case(n(*shape), Fixed(ints(2, *shape).double()), reduction=reduction)
            case(n(*shape), probabilities(*shape), Fixed(pos(shape[-1])), reduction=reduction)
        case.only(n(2, 3), ints(2, 2, 3), reduction=reduction)
    case.refused(n(), probabilities())
    case.refused(n(2, 3), probabilities(2, 4))


def class_margins(w):
    case = w.op("nn.functional.multi_margin_loss")
    for reduction in REDUCTIONS:
        for shape, target in (((4, 3), (4,)), ((5,), ()), ((5,), (1,)), ((), ())):
            classes = shape[-1] if shape else 1
            for options in ({}, {"p": 2}, {"margin": 0.3}, {"p": 2, "margin": 0.5, "weight": Fixed(pos(classes))}):
                dense(case, n(*shape), ints(classes, *target), reduction=reduction, **options)
    case.only(f64(1.0, 0.0, 2.0).float(), i64(0)[0], reduction="none")
    for target in (i64(0, 3), i64(0, -1), i64(0, 1, 2), f64(0.0, 1.0)):
        case.refused(n(2, 3), target)
    case.refused(n(2, 3), i64(0, 1), p=3)
    case.refused(n(2, 0), i64(0, 0))
    case.refused(n(2, 3), i64(0, 1), weight=Fixed(pos(3).float()))
    case.refused(n(2, 3, 2), ints(3, 2, 2))
    case = w.op("nn.functional.multilabel_margin_loss")
    for reduction in REDUCTIONS:
        for target in ([[0, 2, -1, 0], [1, -1, 0, 3]], [[3, 2, 1, 0], [-1, 0, 0, 0]], [[0, 0, 1, -1], [2, 2, 2, 2]]):
            dense(case, distinct(2, 4), torch.tensor(target), reduction=reduction)
        dense(case, distinct(4), i64(2, 0, -1, 1), reduction=reduction)
        dense(case, n(), i64(0)[0], reduction=reduction)
    for target in ([[0, 4, -1, 0], [1, -1, 0, 3]], [[0, -2, 1, 0], [1, -1, 0, 3]], [[0, -1, 7, 0], [1, -1, 0, 3]]):
        case.refused(n(2, 4), torch.tensor(target))
    case.refused(n(2, 3), ints(3, 2, 4))
    case.refused(n(2, 0), ints(1, 2, 0))


def distances(w):
    case = w.op("nn.functional.cosine_embedding_loss")
    for reduction in REDUCTIONS:
        for shape, target in (((4, 3), (4,)), ((3,), ()), ((0, 3), (0,))):
            case(n(*shape), n(*shape), Fixed(signs(*target)), reduction=reduction)
            case(n(*shape), n(*shape), ints(3, *target, low=-1), margin=0.2, reduction=reduction)
        case(n(4, 3), n(1, 3), Fixed(signs(4)), reduction=reduction)
    case.only(ints(5, 2, 3), ints(5, 2, 3), i64(1, -1))
    case.refused(n(2, 3), n(2, 3), signs(2, 1))
    case.refused(n(3), n(3), signs(1))
    case.refused(n(2, 3), n(2, 4), signs(2))
    case = w.op("nn.functional.triplet_margin_loss")
    for reduction in REDUCTIONS:
        for shape in ((2, 3), (3,)):
            for options in ({}, {"p": 1.0}, {"swap": True}, {"margin": 0.3, "p": 3.0, "eps": 1e-3, "swap": True}):
                case(n(*shape), n(*shape), n(*shape), reduction=reduction, **options)
    case.only(ints(5, 2, 3), ints(5, 2, 3), ints(5, 2, 3))
    case.refused(n(2, 3), n(3), n(2, 3))
    case.refused(n(2, 3), n(2, 4), n(2, 3))
    case = w.op("nn.functional.triplet_margin_with_distance_loss")
    for reduction in REDUCTIONS:
        for options in ({}, {"margin": 0.3, "swap": True}):
            case(n(4, 3), n(4, 3), n(4, 3), reduction=reduction, **options)
