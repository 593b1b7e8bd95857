"""Runs calls in PyTorch and writes them, with what they gave, as a folder of cases."""

import math
import operator
import zlib

import torch

from .folder import Tensors, write

SPECIAL = {"__getitem__": operator.getitem, "slice": torch.ops.aten.slice}


def function_named(name):
    """PyTorch's function of that name, or the tensor method."""
    if name in SPECIAL:
        return SPECIAL[name]
    found = torch
    for part in name.split("."):
        found = getattr(found, part, None)
    return found or getattr(torch.Tensor, name)


class Fixed:
    """A floating-point argument that gets no gradient."""

    def __init__(self, tensor):
        self.tensor = tensor


def replaced(value, change):
    """value with each tensor and each Fixed in it changed."""
    if isinstance(value, (torch.Tensor, Fixed)):
        return change(value)
    if isinstance(value, torch.Size):
        return list(value)
    if isinstance(value, (list, tuple)):
        return type(value)(replaced(v, change) for v in value)
    return value


def encoded(value, places):
    """An argument as JSON; `places` says which tensor of the case is which."""
    if isinstance(value, torch.Tensor):
        return {"$t": places[id(value)]}
    if isinstance(value, tuple):
        return {"$tuple": [encoded(v, places) for v in value]}
    if isinstance(value, list):
        return [encoded(v, places) for v in value]
    if isinstance(value, slice):
        return {"$slice": [value.start, value.stop, value.step]}
    if isinstance(value, torch.dtype):
        return {"$dtype": str(value).removeprefix("torch.")}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if value is Ellipsis:
        return {"$ellipsis": True}
    assert value is None or isinstance(value, (bool, int, float, str)), value
    return value


def transposed(x):
    return x.transpose(0, -1).contiguous().transpose(0, -1) if x.dim() > 1 else stepped(x)


def stepped(x):
    """x as every second element of a larger tensor, the first one skipped."""
    if x.dim() == 0:
        return torch.stack([x, x])[1]
    return torch.stack([x, x], -1).flatten(-2)[..., 1::2]


def expanded(x):
    """x with its first row in place of every row, all of them one place in memory."""
    return x[:1].expand(x.shape) if x.dim() > 0 and x.shape[0] > 1 else x


class Writer:
    """Collects cases. The numbers of a case depend on the seed, its operation and how many cases of that one came before, on nothing else."""

    def __init__(self, seed):
        self.seed = seed
        self.cases = {}
        self.files = {}
        self.tensors = {}
        self.start(None)

    def family(self, name):
        """The operations that follow belong to this family."""
        self.folder = name

    def start(self, name):
        """Begins the random numbers of the next case of an operation."""
        torch.manual_seed(zlib.crc32(f"{self.seed}/{name}/{len(self.cases.get(name, []))}".encode()))
        self.begin = torch.get_rng_state()

    def subject(self, name):
        """What the cases that follow are of."""
        # Such numbers would depend on the operation before.
        assert torch.equal(self.begin, torch.get_rng_state()), f"numbers were drawn before {name} was named: draw them after"
        file = f"{self.folder}/{name}"
        assert self.files.setdefault(name, file) == file, f"{name} is in two families: {file} and {self.files[name]}"
        self.cases.setdefault(name, [])
        self.tensors.setdefault(file, Tensors())
        self.start(name)

    def op(self, name):
        """Adds cases of an operation."""
        self.subject(name)
        return Operation(self, name)

    def module(self, name):
        """The same for a module of torch.nn."""
        self.subject(name)
        return ModuleCase(self, name)

    def add(self, name, case, kind="op"):
        kind = {} if kind == "op" and "kind" in case else {kind: name}
        self.cases[name].append({"id": f"{name}.{len(self.cases[name])}", **kind, **case, "file": self.files[name]})
        self.start(name)

    def put(self, name, tensor):
        """What a tensor is called in the data file of an operation."""
        return self.tensors[self.files[name]].put(tensor)

    def cotangent(self, y):
        """Random numbers of y's shape, the same for every output of that shape."""
        source = torch.Generator().manual_seed(zlib.crc32(f"{self.seed}/cotangent/{tuple(y.shape)}".encode()))
        return torch.randn(y.shape, generator=source, dtype=torch.float64).to(y.dtype)

    def save(self, folder, **parts):
        cases = [case for of_one in self.cases.values() for case in of_one]
        write(folder, {"pytorch": torch.__version__, "seed": self.seed}, parts, cases, self.tensors)
        print(f"{folder}: {len(cases)} cases of {len(self.cases)} operations")


class Operation:
    def __init__(self, writer, name):
        self.writer = writer
        self.name = name
        self.function = function_named(name)
        self.turn = 0

    def __call__(self, *args, **kwargs):
        """One call; the same in float32; the same with strided tensors, where transposed and stepped ones take turns."""
        self.only(*args, **kwargs)
        if self.changed(lambda x: x.float() if x.dtype == torch.float64 else x, args, kwargs):
            self.only(*self.last_args, **self.last_kwargs)
        self.turn += 1
        if self.changed(transposed if self.turn % 2 else stepped, args, kwargs):
            self.only(*self.last_args, **self.last_kwargs)

    def expanded(self, *args, **kwargs):
        """One call with the rows of every floating-point tensor being one row in memory."""
        assert self.changed(lambda x: expanded(x) if x.is_floating_point() else x, args, kwargs)
        self.only(*self.last_args, **self.last_kwargs)

    def changed(self, change, args, kwargs):
        """Keeps the arguments with their tensors changed; whether that made any difference."""
        different, done = False, {}

        def one(x):
            nonlocal different
            tensor = x.tensor if isinstance(x, Fixed) else x
            if id(tensor) not in done:
                done[id(tensor)] = change(tensor)
            y = done[id(tensor)]
            before, after = ((t.dtype, t.stride(), t.storage_offset()) for t in (tensor, y))
            different = different or before != after
            return Fixed(y) if isinstance(x, Fixed) else y

        self.last_args = replaced(args, one)
        self.last_kwargs = {key: replaced(value, one) for key, value in kwargs.items()}
        return different

    def only(self, *args, **kwargs):
        """One call as it stands."""
        case, tensors, args, kwargs = self.call(args, kwargs)
        self.describe(case, tensors)  # before the call, which may change them
        outputs = self.function(*args, **kwargs)
        if isinstance(outputs, bool):
            outputs = torch.tensor(outputs)
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
        case["outs"] = [{"name": self.put(y)} for y in outputs]
        recorded = [y if y.requires_grad else None for y in outputs]
        wanted = [x for x in tensors if x.requires_grad]
        if wanted and any(y is not None for y in recorded):
            cotangents = [None if y is None else self.writer.cotangent(y) for y in recorded]
            found = iter(torch.autograd.grad([y for y in recorded if y is not None], wanted, [v for v in cotangents if v is not None],
                                             allow_unused=True))
            grads = [next(found) if x.requires_grad else None for x in tensors]
            case["cotangents"] = [None if v is None else self.put(v) for v in cotangents]
            case["grads"] = [None if g is None else self.put(g) for g in grads]
            for description, x, g in zip(case["tensors"], tensors, grads):
                if x.requires_grad and g is None:
                    description["requires_grad"] = True
        self.writer.add(self.name, case)

    def refused(self, *args, **kwargs):
        """One call that PyTorch refuses."""
        case, tensors, args, kwargs = self.call(args, kwargs)
        try:
            self.function(*args, **kwargs)
        except Exception as error:  # of whatever type PyTorch throws
            self.describe(case, tensors)
            case["error"] = {"type": type(error).__name__}
            self.writer.add(self.name, case)
            return
        raise AssertionError(f"PyTorch does not refuse {self.name}{args}{kwargs}")

    def call(self, args, kwargs):
        """The case, its tensors, and the arguments that hold these."""
        tensors, places, done = [], {}, {}

        def own(x):
            tensor = x.tensor if isinstance(x, Fixed) else x
            if id(tensor) not in done:
                mine = tensor.detach().requires_grad_(tensor.is_floating_point() and not isinstance(x, Fixed))
                done[id(tensor)] = mine
                places[id(mine)] = len(tensors)
                tensors.append(mine)
            return done[id(tensor)]

        args = replaced(args, own)
        kwargs = {key: replaced(value, own) for key, value in kwargs.items()}
        case = {}
        if args:
            case["args"] = [encoded(v, places) for v in args]
        if kwargs:
            case["kwargs"] = {key: encoded(v, places) for key, v in kwargs.items()}
        return case, tensors, args, kwargs

    def describe(self, case, tensors):
        """Names the case's tensors; strides and offset where they are not those of a contiguous tensor."""
        for x in tensors:
            description = {"name": self.put(x)}
            if not x.is_contiguous() or x.storage_offset() != 0:
                description["strides"] = list(x.stride())
                description["offset"] = x.storage_offset()
            case.setdefault("tensors", []).append(description)

    def put(self, tensor):
        return self.writer.put(self.name, tensor)


class ModuleCase:
    """Cases of one module of torch.nn."""

    def __init__(self, writer, name):
        self.writer = writer
        self.name = name

    def __call__(self, options, *args, **kwargs):
        """A module made with `options` and its call: in float64 with gradients, and in float32 in evaluation without any."""
        self.only(torch.float64, True, options, args, kwargs)
        self.only(torch.float32, False, options, args, kwargs)

    def only(self, dtype, training, options, args, kwargs):
        module = getattr(torch.nn, self.name)(**options).to(dtype).train(training)
        parameters = dict(module.named_parameters())
        for p in parameters.values():
            p.detach().normal_(0, 0.5)
        args, kwargs = (replaced(v, lambda x: x.to(dtype) if x.is_floating_point() else x) for v in (args, list(kwargs.items())))
        case, tensors, args, kwargs = Operation.call(self, args, dict(kwargs))
        case = {"kind": "module_db", "dtype": str(dtype).removeprefix("torch."), "eval": not training,
                "ctor": options, "params": {key: self.put(p) for key, p in parameters.items()},
                "forward": {"args": case["args"], "kwargs": case.get("kwargs", {})}}
        # A Transformer without gradients would cut padded steps off.
        with torch.set_grad_enabled(training or self.name == "Transformer"):
            outputs = module(*args, **kwargs)
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else [y for y in outputs if y is not None]
        Operation.describe(self, case, tensors)
        case["outs"] = [{"name": self.put(y)} for y in outputs]
        if training:
            cotangents = [self.writer.cotangent(y) for y in outputs]
            wanted = [x for x in tensors if x.requires_grad] + list(parameters.values())
            found = iter(torch.autograd.grad(outputs, wanted, cotangents, allow_unused=True))
            put = lambda g: None if g is None else self.put(g)
            case["cotangents"] = [self.put(v) for v in cotangents]
            case["grads"] = [put(next(found)) if x.requires_grad else None for x in tensors]
            case["param_grads"] = {key: put(g) for key, g in zip(parameters, found)}
        self.writer.add(self.name, case, "module")

    def put(self, tensor):
        return self.writer.put(self.name, tensor)
