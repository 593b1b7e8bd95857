"""Cases of single operations: inputs, outputs, cotangents, gradients and second gradients, in float64."""

import zlib

import torch
import torch.nn.functional as F


def with_scalar(op):
    """op(x0, x1), or with a number in place of one of them: `other` (the second) or `self` (the first)."""
    def call(*xs, self=None, other=None, **kwargs):
        if self is not None:
            xs = (self, *xs)
        return op(*xs, *([] if other is None else [other]), **kwargs)
    return call


def with_dtype(op):
    def call(x, dtype=None, **kwargs):
        return op(x, **kwargs, **({} if dtype is None else {"dtype": getattr(torch, dtype)}))
    return call


def slice_(x, dim, start=None, end=None, step=1):
    return x[(slice(None),) * (dim % x.dim()) + (slice(start, end, step),)]


def pow_(*xs, self=None, exponent=None):
    return torch.pow(*([] if self is None else [self]), *xs, *([] if exponent is None else [exponent]))


# Every op by name; keyword arguments have PyTorch's names. cross_entropy takes the classes' weight as third input.
FUNCTIONS = {
    "add": with_scalar(torch.add), "sub": with_scalar(lambda x, y, **kw: torch.sub(x, y, **kw) if kw else x - y),
    "mul": with_scalar(torch.mul), "div": with_scalar(lambda x, y: x / y), "neg": torch.neg, "pow": pow_,
    "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt, "abs": torch.abs, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
    "relu": torch.relu, "clamp": torch.clamp,
    "where": lambda c, *xs, self=None, other=None: with_scalar(lambda x, y: torch.where(c, x, y))(*xs, self=self, other=other),
    "masked_fill": torch.masked_fill,
    "eq": with_scalar(torch.eq), "ne": with_scalar(torch.ne), "lt": with_scalar(torch.lt), "le": with_scalar(torch.le),
    "gt": with_scalar(torch.gt), "ge": with_scalar(torch.ge), "logical_not": torch.logical_not,
    "logical_and": torch.logical_and, "logical_or": torch.logical_or, "isnan": torch.isnan, "isfinite": torch.isfinite,
    "any": torch.any, "all": torch.all,
    "sum": with_dtype(torch.sum), "mean": with_dtype(torch.mean), "var": torch.var, "max": torch.max, "min": torch.min,
    "argmax": torch.argmax, "argmin": torch.argmin, "matmul": torch.matmul, "linear": F.linear,
    "permute": lambda x, dims: x.permute(dims), "transpose": torch.transpose, "t": torch.t, "reshape": torch.reshape,
    "expand": lambda x, size: x.expand(size), "squeeze": torch.squeeze, "unsqueeze": torch.unsqueeze, "flatten": torch.flatten,
    "slice": slice_, "select": torch.select, "narrow": torch.narrow,
    "cat": lambda *xs, dim: torch.cat(xs, dim), "stack": lambda *xs, dim: torch.stack(xs, dim),
    "split": lambda x, split_size_or_sections, dim: torch.split(x, split_size_or_sections, dim),
    "chunk": torch.chunk, "unbind": torch.unbind,
    "index_select": lambda x, index, dim: torch.index_select(x, dim, index),
    "gather": lambda x, index, dim: torch.gather(x, dim, index),
    "scatter_add": lambda x, index, src, dim: torch.scatter_add(x, dim, index, src),
    "index_add": lambda x, index, source, dim, alpha=1: torch.index_add(x, dim, index, source, alpha=alpha),
    "embedding": F.embedding, "one_hot": F.one_hot, "softmax": F.softmax, "log_softmax": F.log_softmax,
    "cross_entropy": lambda x, target, weight=None, **kw: F.cross_entropy(x, target, weight, **kw),
}


class OpCases:
    """Adds case after case to a file, numbering those of each op from 0."""

    def __init__(self, golden):
        self.golden = golden
        self.count = {}

    def op(self, name):
        """A function that adds a case of this op. The numbers drawn depend on the op's name alone."""
        torch.manual_seed(zlib.crc32(name.encode()))
        return lambda *xs, no_grad=(), **kwargs: self.case(name, xs, no_grad, kwargs)

    def case(self, name, xs, no_grad, kwargs):
        prefix = f"{name}.{self.count.setdefault(name, 0)}"
        self.count[name] += 1
        xs = [x.clone().requires_grad_(x.is_floating_point() and i not in no_grad) for i, x in enumerate(xs)]
        ys = FUNCTIONS[name](*xs, **kwargs)
        ys = [ys] if torch.is_tensor(ys) else list(ys)
        self.golden.note(prefix, kwargs)
        self.golden.add_all(f"{prefix}.x", xs)
        self.golden.add_all(f"{prefix}.y", ys)
        wrt = [x if x.requires_grad else None for x in xs]
        if not any(y.requires_grad for y in ys):
            return
        dys = [torch.randn_like(y).requires_grad_() if y.requires_grad else None for y in ys]
        dxs = gradients(present(ys, dys), present(dys), wrt, create_graph=True)
        vs = [None if dx is None else torch.randn_like(dx) for dx in dxs]
        varying = [(dx, v) for dx, v in zip(dxs, vs) if dx is not None and dx.requires_grad]
        seconds = gradients(*zip(*varying), wrt + dys) if varying else []
        for key, tensors in [("dy", dys), ("dx", dxs), ("v", vs), ("ddx", seconds[:len(wrt)]), ("ddy", seconds[len(wrt):])]:
            self.golden.add_all(f"{prefix}.{key}", tensors)


def present(tensors, which=None):
    return [t for t, w in zip(tensors, which or tensors) if w is not None]


def gradients(ys, dys, wrt, create_graph=False):
    """The gradients, None where there is none."""
    found = iter(torch.autograd.grad(ys, present(wrt), dys, create_graph=create_graph, allow_unused=True))
    return [None if x is None else next(found) for x in wrt]


def n(*shape):
    """Normal numbers."""
    return torch.randn(shape, dtype=torch.float64)


def pos(*shape):
    return torch.rand(shape, dtype=torch.float64) * 2 + 0.3


def away(*shape):
    """Numbers of both signs at a distance from 0."""
    x = n(*shape)
    return x + 0.2 * x.sign()


def distinct(*shape):
    count = torch.Size(shape).numel()
    return ((torch.randperm(count) - count / 2) * 0.25 + torch.rand(count) * 0.1).double().reshape(shape)


def ints(high, *shape, low=0):
    return torch.randint(low, high, shape)


def bools(*shape):
    return torch.rand(shape) < 0.5


BROADCASTS = [((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 1), (1, 3)), ((), (2, 3)), ((2, 3), ()), ((), ()), ((1,), (4,)),
              ((2, 3, 4), (3, 1)), ((4, 1, 2), (2, 1, 3, 1)), ((2, 2, 3, 2), (2, 2, 3, 2)), ((0, 3), (1, 3))]
SHAPES = [(5,), (2, 3), (2, 1, 3), (2, 3, 2, 2), (), (0, 2)]


def pointwise(cases):
    for name in ("add", "sub", "mul", "div"):
        case = cases.op(name)
        for a, b in BROADCASTS:
            case(n(*a), away(*b))
        case(n(2, 3), other=2.5)
        case(n(3), other=-2)
        if name != "mul":
            case(away(2, 3), self=1.5)
        if name in ("add", "sub"):
            case(n(2, 3), n(3), alpha=2.5)
            case(n(3, 1), n(1, 2), alpha=-1)
        case(ints(9, 2, 3, low=1), ints(9, 3, low=1))
        case(n(2, 3), ints(9, 3, low=1))
        case(ints(9, 3, low=1), away(2, 3))
    case = cases.op("pow")
    for a, b in BROADCASTS:
        case(pos(*a), n(*b))
    for exponent in (0, 1, 2, 3, -1, -2, 0.5, -0.5, 2.5):
        case(pos(2, 3), exponent=exponent)
    for exponent in (0, 1, 2, 3):
        case(torch.tensor([-1.5, 0.0, 2.0, -3.0], dtype=torch.float64), exponent=exponent)
    case(torch.tensor([-1.5, 2.0, -3.0], dtype=torch.float64), exponent=-1)
    for base in (2, 0.5):
        case(n(2, 3), self=base)
    case(ints(5, 4), exponent=2)
    for name, make in (("neg", n), ("exp", n), ("log", pos), ("sqrt", pos), ("abs", away), ("tanh", n), ("sigmoid", n),
                       ("relu", away),):
        case = cases.op(name)
        for shape in SHAPES:
            case(make(*shape))
    for name in ("tanh", "sigmoid"):
        cases.op(name)(torch.tensor([-800.0, -40.0, -20.0, -1e-9, 0.0, 1e-9, 20.0, 40.0, 800.0], dtype=torch.float64))
    case = cases.op("clamp")
    for shape in ((8,), (2, 3), (3, 1, 2), ()):
        for bounds in ({"min": -0.5}, {"max": 0.25}, {"min": -0.75, "max": 0.5}):
            case(n(*shape), **bounds)
    case(ints(9, 6), min=2, max=5)


def choosing(cases):
    case = cases.op("where")
    for c, a, b in (((2, 3), (2, 3), (2, 3)), ((3,), (2, 1), (2, 3)), ((2, 3), (), (3,)), ((2, 1, 2), (3, 1), (2,)), ((), (2,), (2,)),
                    ((), (), ())):
        case(bools(*c), n(*a), n(*b))
    case(bools(2, 3), n(2, 3), other=-2.5)
    case(bools(2, 3), n(3), self=0.5)
    case(bools(4), ints(9, 4), ints(9, 4))
    case = cases.op("masked_fill")
    for x, mask in (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), (2, 1)), ((2, 3, 4), (2, 1, 4)), ((), ()), ((2, 2), ()), ((3,), (1,))):
        case(n(*x), bools(*mask), value=-1e9)
    case(n(2, 3), torch.ones(2, 3, dtype=torch.bool), value=0)
    case(ints(9, 5), bools(5), value=7)


def comparisons(cases):
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        case = cases.op(name)
        for a, b in BROADCASTS[:7]:
            case(ints(3, *a), ints(3, *b))
        case(ints(3, 2, 3).double(), ints(3, 3).double())
        case(ints(3, 2, 3).double(), ints(3, 3))
        case(ints(3, 2, 3), other=1)
        case(ints(3, 2, 3).double(), other=1)
        case(ints(3, 2, 3), other=0.5)
        case(torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0]), torch.tensor([float("nan"), float("inf"), 1.0, -0.0]))
        case(bools(4), bools(4))
    for x in (bools(2, 3), ints(2, 5), torch.tensor([0.0, -0.0, 1.5, float("nan")]), bools()):
        cases.op("logical_not")(x)
    for name in ("logical_and", "logical_or"):
        cases.op(name)(bools(2, 3), bools(3))
        cases.op(name)(ints(2, 2, 3), ints(2, 2, 1).double())
    strange = torch.tensor([[0.0, float("nan")], [float("inf"), -float("inf")]])
    for name in ("isnan", "isfinite"):
        cases.op(name)(strange)
        cases.op(name)(ints(3, 4))
    for name in ("any", "all"):
        for x in (torch.zeros(3), torch.ones(2, 2), torch.tensor([0, 2, 0]), torch.empty(0), bools(), torch.ones(2, 3, dtype=torch.bool)):
            cases.op(name)(x)


REDUCED = [((5,), [0]), ((5,), [-1]), ((2, 3), [0]), ((2, 3), [1]), ((2, 3), [0, 1]), ((2, 3), []), ((2, 3, 4), [-2]), ((2, 3, 4), [0, 2]),
           ((2, 3, 4), [2, -3]), ((2, 1, 3), [2]), ((2, 3, 2, 3), [0, -1]), ((2, 3, 2, 3), [1, 2, 3])]


def reductions(cases):
    for name in ("sum", "mean", "var"):
        case = cases.op(name)
        case(n(2, 3))
        for k, (shape, dim) in enumerate(REDUCED):
            if name == "var" and not dim:
                continue  # PyTorch 1.13's gradient is NaN there
            case(n(*shape), dim=dim, keepdim=k % 3 == 1)
            if k < 5:
                case(n(*shape), dim=dim, keepdim=k % 3 != 1)
    for name in ("sum", "mean"):
        cases.op(name)(n(), dim=[])
        cases.op(name)(n(1), dim=[0])
        cases.op(name)(n(2, 1, 3), dim=[1])
        cases.op(name)(ints(9, 2, 3), dtype="float64")
        cases.op(name)(ints(9, 2, 3), dim=[1], keepdim=True, dtype="float32")
    for x, dim in ((n(0, 3), [0]), (ints(9, 2, 3), [1]), (bools(2, 3), [0]), (bools(6), [])):
        cases.op("sum")(x, dim=dim)
    case = cases.op("var")
    for shape, dim in (((2, 3), [1]), ((2, 3, 4), [0, 2]), ((5,), [0])):
        for unbiased in (False, True):
            case(n(*shape), dim=dim, unbiased=unbiased, keepdim=unbiased)
        for correction in (0, 1, 2):
            case(n(*shape) + 3, dim=dim, correction=correction, keepdim=correction == 2)
    case(n(6), unbiased=False)
    case(n(3, 1), dim=[1], unbiased=False)
    for name in ("max", "min", "argmax", "argmin"):
        case = cases.op(name)
        for shape in ((5,), (2, 3), (2, 3, 4), (), (1,)):
            case(distinct(*shape))
        for shape, dim in (((5,), 0), ((2, 3), 0), ((2, 3), -1), ((2, 3, 4), 1), ((2, 3, 2, 3), -2), ((2, 1, 3), 1), ((), 0)):
            for keepdim in (False, True):
                case(distinct(*shape), dim=dim, keepdim=keepdim)
        case(torch.tensor([[1.0, 3.0, 3.0], [0.0, 0.0, 1.0]], dtype=torch.float64), dim=1)
        case(torch.tensor([2, 7, 7, 1, 1]))
        case(torch.tensor([1.0, float("nan"), 3.0]))
    for name, ties in (("max", [1.0, 3.0, 3.0, 2.0]), ("min", [1.0, 3.0, 1.0, 1.0])):
        cases.op(name)(torch.tensor(ties, dtype=torch.float64))


def products(cases):
    case = cases.op("matmul")
    for a, b in (((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((1, 3), (3, 1)), ((2, 1), (1, 3)), ((2, 3, 4), (4, 2)),
                 ((2, 3), (2, 3, 4)), ((2, 3, 4), (2, 4, 3)), ((1, 3, 4), (2, 4, 3)), ((2, 3, 4), (1, 4, 3)), ((2, 3, 2, 4), (2, 3, 4, 2)),
                 ((2, 1, 2, 3), (3, 3, 2)), ((3, 2, 3), (2, 1, 3, 2)), ((3,), (2, 3, 4)), ((2, 3, 4), (4,)), ((2, 2, 3, 4), (4,)),
                 ((3,), (2, 2, 3, 2)), ((2, 3, 2, 4), (4, 3)), ((0, 3), (3, 2)), ((2, 0), (0, 3))):
        case(n(*a), n(*b))
    case(ints(5, 2, 3), ints(5, 3, 2))
    case = cases.op("linear")
    for x in ((4,), (3, 4), (2, 3, 4), (2, 1, 2, 4), (0, 4)):
        case(n(*x), n(5, 4))
        case(n(*x), n(5, 4), n(5))
    case(n(2, 3), n(1, 3), n(1))


def views(cases):
    case = cases.op("permute")
    for shape, dims in (((3,), [0]), ((2, 3), [1, 0]), ((2, 3, 4), [1, 0, 2]), ((2, 3, 4), [-1, 0, 1]), ((2, 3, 1, 4), [3, 1, 0, 2]),
                        ((), []), ((2, 0, 3), [2, 0, 1])):
        case(n(*shape), dims=dims)
    case = cases.op("transpose")
    for shape, a, b in (((2, 3), 0, 1), ((2, 3, 4), 0, 2), ((2, 3, 4), -1, 1), ((2, 3, 1, 4), -3, -2), ((3,), 0, -1), ((), 0, 0)):
        case(n(*shape), dim0=a, dim1=b)
    for shape in ((2, 3), (3,), (), (1, 4)):
        cases.op("t")(n(*shape))
    case = cases.op("reshape")
    for old, new in (((2, 3), [3, 2]), ((2, 3), [-1]), ((2, 3, 4), [6, -1]), ((6,), [2, 1, 3]), ((), [1, 1]), ((1, 1), []),
                     ((4,), [2, -1, 2]), ((0, 3), [3, 0])):
        case(n(*old), shape=new)
    case = cases.op("expand")
    for old, new in (((1, 3), [2, 3]), ((3,), [2, 3]), ((2, 1), [-1, 3]), ((), [2, 2]), ((1, 2, 1), [3, 1, 2, 2]), ((2, 3), [2, 3]),
                     ((1,), [0])):
        case(n(*old), size=new)
    case = cases.op("squeeze")
    for shape in ((2, 1, 3, 1), (2, 3), (1, 1), ()):
        case(n(*shape))
    for shape, dim in (((2, 1, 3), 1), ((2, 1, 3), -2), ((2, 1, 3), 0), ((1,), 0), ((1, 2, 1, 3), -4)):
        case(n(*shape), dim=dim)
    for shape, dim in (((2, 3), 0), ((2, 3), 1), ((2, 3), -1), ((2, 3), -3), ((), 0), ((2, 1, 3), 3)):
        cases.op("unsqueeze")(n(*shape), dim=dim)
    case = cases.op("flatten")
    for shape in ((2, 3), (2, 3, 4), (), (5,)):
        case(n(*shape))
    for shape, start, end in (((2, 3, 4), 1, -1), ((2, 3, 2, 2), 1, 2), ((2, 3, 4), 0, 1), ((2, 3, 4), -2, -1), ((2, 3), 1, 1)):
        case(n(*shape), start_dim=start, end_dim=end)
    case = cases.op("slice")
    for shape, dim, start, end, step in (((7,), 0, 2, 5, 1), ((7,), 0, None, None, 2), ((7,), 0, 1, None, 3), ((7,), 0, -3, -1, 1),
                                         ((7,), 0, 3, 100, 1), ((7,), 0, 5, 2, 1), ((2, 5), 1, None, 3, 1), ((2, 5), -1, 1, None, 2),
                                         ((4, 3, 2), 0, 1, 3, 1), ((2, 3, 2, 4), 3, -100, 3, 2), ((2, 3), 0, None, None, 1)):
        case(n(*shape), dim=dim, start=start, end=end, step=step)
    for shape, dim, index in (((5,), 0, 2), ((2, 3), 0, 1), ((2, 3), 1, -1), ((2, 3, 4), -2, 0), ((2, 3, 2, 2), 3, -2), ((1, 3), 0, 0)):
        cases.op("select")(n(*shape), dim=dim, index=index)
    for shape, dim, start, length in (((5,), 0, 1, 3), ((2, 5), 1, 2, 3), ((3, 2, 4), -1, 0, 2), ((3, 2), 0, -2, 1), ((4,), 0, 4, 0)):
        cases.op("narrow")(n(*shape), dim=dim, start=start, length=length)


def joining(cases):
    case = cases.op("cat")
    for shapes, dim in ((((2,), (3,)), 0), (((2, 3), (1, 3), (3, 3)), 0), (((2, 3), (2, 1)), 1), (((2, 3), (2, 2)), -1),
                        (((2, 1, 2), (2, 3, 2)), -2), (((4,),), 0), (((0, 3), (2, 3)), 0)):
        case(*(n(*s) for s in shapes), dim=dim)
    case(ints(9, 3), ints(9, 2), dim=0)
    case = cases.op("stack")
    for count, shape, dim in ((2, (3,), 0), (3, (2, 3), 1), (2, (2, 3), -1), (2, (2, 3), -3), (3, (), 0), (1, (2, 2), 2)):
        case(*(n(*shape) for _ in range(count)), dim=dim)
    case = cases.op("split")
    for shape, size, dim in (((7,), 3, 0), ((2, 6), 2, 1), ((4, 3), [1, 3], 0), ((2, 5), [2, 0, 3], -1), ((2, 3, 4), 3, -1),
                             ((2, 3), 10, 0)):
        case(n(*shape), split_size_or_sections=size, dim=dim)
    for shape, chunks, dim in (((7,), 3, 0), ((2, 6), 3, 1), ((5, 2), 4, 0), ((2, 3, 4), 2, -1), ((2,), 5, 0)):
        cases.op("chunk")(n(*shape), chunks=chunks, dim=dim)
    for shape, dim in (((3,), 0), ((2, 3), 0), ((2, 3, 2), -2)):
        cases.op("unbind")(n(*shape), dim=dim)


def indexing(cases):
    case = cases.op("index_select")
    for shape, dim, count in (((5,), 0, 3), ((4, 3), 0, 6), ((4, 3), 1, 2), ((2, 3, 4), -2, 4), ((3, 2), -1, 0)):
        case(n(*shape), ints(shape[dim], count), dim=dim)
    case(n(4, 2), torch.tensor(2), dim=0)
    case = cases.op("gather")
    for shape, index, dim in (((5,), (3,), 0), ((3, 4), (3, 2), 1), ((3, 4), (5, 4), 0), ((3, 4), (2, 3), 0), ((2, 3, 4), (2, 3, 1), -1),
                              ((2, 3, 4), (1, 5, 4), -2)):
        case(n(*shape), ints(shape[dim], *index), dim=dim)
    case = cases.op("scatter_add")
    for shape, index, dim in (((5,), (7,), 0), ((3, 4), (3, 6), 1), ((3, 4), (2, 3), 0), ((2, 3, 4), (2, 5, 4), -2)):
        case(n(*shape), ints(shape[dim], *index), n(*index), dim=dim)
    case = cases.op("index_add")
    for shape, source, dim in (((4,), (6,), 0), ((4, 3), (5, 3), 0), ((2, 4), (2, 3), -1)):
        case(n(*shape), ints(shape[dim], source[dim]), n(*source), dim=dim)
        case(n(*shape), ints(shape[dim], source[dim]), n(*source), dim=dim, alpha=-2.5)
    case = cases.op("embedding")
    for index in ((4,), (2, 3), (), (2, 1, 3)):
        case(ints(5, *index), n(5, 3))
    for padding_idx in (0, 2, -1):
        case(torch.tensor([[0, 2, 4, 2], [3, 0, 1, 4]]), n(5, 3), padding_idx=padding_idx)
    case(torch.zeros(6, dtype=torch.int64), n(1, 2))
    case = cases.op("one_hot")
    for shape in ((4,), (2, 3), (), (2, 1, 2)):
        case(ints(4, *shape), num_classes=5)
        case(ints(4, *shape), num_classes=-1)


def losses(cases):
    for name in ("softmax", "log_softmax"):
        case = cases.op(name)
        for shape, dim in (((5,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 3, 4), -2), ((2, 3, 2, 2), -1), ((2, 1), 1), ((), 0), ((0, 3), 1)):
            case(n(*shape), dim=dim)
        case(n(2, 3) * 300 + 500, dim=1)
    case = cases.op("cross_entropy")
    for reduction in ("none", "mean", "sum"):
        for logits, target in (((4, 5), (4,)), ((2, 5, 3), (2, 3)), ((5,), ()), ((2, 3, 2, 2), (2, 2, 2)), ((1, 1), (1,))):
            classes = logits[len(logits) > 1]
            case(n(*logits), ints(classes, *target), reduction=reduction)
            case(n(*logits), ints(classes, *target), pos(classes), no_grad=[2], reduction=reduction)
        for more in ({"ignore_index": 1}, {"label_smoothing": 0.1}, {"ignore_index": 1, "label_smoothing": 0.2}):
            case(n(4, 3), torch.tensor([0, 1, 2, 1]), reduction=reduction, **more)
            case(n(4, 3), torch.tensor([0, 1, 2, 1]), pos(3), no_grad=[2], reduction=reduction, **more)
            case(n(2, 3, 2), torch.tensor([[0, 1], [2, 1]]), reduction=reduction, **more)
        case(n(3, 4), torch.tensor([3, -100, 0]), reduction=reduction)
        for shape in ((4, 5), (2, 5, 3), (5,)):
            target = torch.softmax(n(*shape), dim=int(len(shape) > 1))
            case(n(*shape), target, no_grad=[1], reduction=reduction)
            case(n(*shape), target, pos(5), no_grad=[1, 2], reduction=reduction, label_smoothing=0.1)
        case(n(2, 4), torch.softmax(n(2, 4), 1), reduction=reduction)


def write(golden):
    cases = OpCases(golden)
    for family in (pointwise, choosing, comparisons, reductions, products, views, joining, indexing, losses):
        family(cases)
