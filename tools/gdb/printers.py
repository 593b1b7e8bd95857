"""How gdb shows gradus::Tensor, gradus::Shape and gradus::nn::Module.

`meson install` puts this where gdb finds it by itself; `source tools/gdb/printers.py` does without. The library needs no debugging
information and nothing is called in the program, so that core files show as much: where the parts of objects lie stands in the tables
gradus_tensor_places and gradus_module_places of the library (src/autograd/debugger.h, src/nn/debugger.h).
"""
import struct

import gdb
import gdb.printing
import gdb.types

TENSOR_PLACES = ("storage", "shape", "rank", "strides", "offset", "dtype", "grad_fn", "sink", "data_in_storage")
MODULE_PLACES = ("state", "name", "cpp_type", "details", "training", "parameters", "buffers", "children", "slot_pair_size", "slot_in_pair",
                 "tensor_in_slot", "child_pair_size", "child_in_pair")
DTYPES = (("bool", "?", 1), ("int64", "q", 8), ("float32", "f", 4), ("float64", "d", 8))
MOST_ELEMENTS = 50
MOST_TEXT = 1 << 16
POINTER = 8


def read(address, size):
    return gdb.selected_inferior().read_memory(address, size).tobytes()


def int64s(address, count=1):
    return struct.unpack(f"<{count}q", read(address, 8 * count))


def pointer(address):
    return struct.unpack("<Q", read(address, POINTER))[0]


def std_string(address):
    """The text of a std::string of libstdc++."""
    size = pointer(address + POINTER)
    return read(pointer(address), min(size, MOST_TEXT)).decode("utf-8", "replace") if size else ""


def places(symbol, names):
    """A table of the library, as a dictionary."""
    address = int(gdb.parse_and_eval(f"(long)&{symbol}"))
    return dict(zip(names, int64s(address, len(names))))


def bracketed(numbers):
    return "[" + ", ".join(str(n) for n in numbers) + "]"


def first_word(value):
    """The pointer that an object of one pointer consists of, wherever it is held. The bytes of a reference are an address."""
    if value.type.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
        value = value.referenced_value()
    return struct.unpack("<Q", bytes(value.bytes[:POINTER]))[0] if hasattr(value, "bytes") else pointer(int(value.address))


class Elements:
    """The elements of a tensor as text, nested by dimension."""

    def __init__(self, data, shape, strides, dtype):
        self.data, self.shape, self.strides = data, shape, strides
        _, self.code, self.size = DTYPES[dtype]
        self.left = MOST_ELEMENTS

    def number(self, at):
        value = struct.unpack("<" + self.code, read(self.data + at * self.size, self.size))[0]
        return f"{value:.6g}" if isinstance(value, float) else str(value).lower()

    def text(self, at=0, dim=0):
        if dim == len(self.shape):
            self.left -= 1
            return self.number(at)
        parts = []
        for i in range(self.shape[dim]):
            if self.left <= 0:
                parts.append("...")
                break
            parts.append(self.text(at + i * self.strides[dim], dim + 1))
        return "{" + ", ".join(parts) + "}"


def tensor_text(impl, elements=True):
    """float32 [2, 2] {{1, 2}, {3, 4}}"""
    if impl == 0:
        return "undefined"
    at = places("gradus_tensor_places", TENSOR_PLACES)
    rank = int64s(impl + at["rank"])[0]
    dtype = read(impl + at["dtype"], 1)[0]
    storage = pointer(impl + at["storage"])
    if not 0 <= rank <= 8 or dtype >= len(DTYPES):
        return f"not a tensor, at {impl:#x}"
    shape = int64s(impl + at["shape"], rank) if rank else ()
    strides = int64s(impl + at["strides"], rank) if rank else ()
    text = f"{DTYPES[dtype][0]} {bracketed(shape)}"
    if pointer(impl + at["grad_fn"]) or pointer(impl + at["sink"]):
        text += " requires_grad"
    if elements and storage:
        offset = int64s(impl + at["offset"])[0]
        data = storage + at["data_in_storage"] + offset * DTYPES[dtype][2]
        text += " " + Elements(data, shape, strides, dtype).text()
    return text


def demangled_type(type_info):
    """The name of a C++ type without its namespaces, from its std::type_info."""
    mangled = pointer(type_info + POINTER)
    symbol = gdb.execute(f"info symbol {type_info:#x}", to_string=True)
    if symbol.startswith("typeinfo for "):
        return symbol[len("typeinfo for "):].split(" in section")[0].split("<")[0].split("::")[-1]
    raw = bytes()
    while not raw.endswith(b"\0") and len(raw) < 256:
        raw += read(mangled + len(raw), 1)
    return raw[:-1].decode("ascii", "replace")


def entries(vector, pair_size):
    """The addresses of the elements of a std::vector."""
    begin, end = pointer(vector), pointer(vector + POINTER)
    return range(begin, end, pair_size)


def module_text(state):
    """The tree of modules, as Module::str() has it, with the shapes of parameters and buffers."""
    if state == 0:
        return "moved from"
    at = places("gradus_module_places", MODULE_PLACES)
    name = std_string(state + at["name"])
    cpp_type = pointer(state + at["cpp_type"])
    if not name:
        name = demangled_type(cpp_type) if cpp_type else "Module"
    lines = []
    for kind in ("parameters", "buffers"):
        for pair in entries(state + at[kind], at["slot_pair_size"]):
            slot = pointer(pair + at["slot_in_pair"])
            lines.append(f"{std_string(pair)}: {tensor_text(pointer(slot + at['tensor_in_slot']), elements=False)}")
    for pair in entries(state + at["children"], at["child_pair_size"]):
        child = pointer(pair + at["child_in_pair"] + at["state"])
        lines.append(f"({std_string(pair)}): " + module_text(child).replace("\n", "\n  "))
    head = f"{name}({std_string(state + at['details'])})"
    if not read(state + at["training"], 1)[0]:
        head += " eval"
    return head + "".join("\n  " + line for line in lines)


class Printer:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        try:
            return self.text()
        except (gdb.error, gdb.MemoryError) as error:
            return f"<{error}>"


class ShapePrinter(Printer):
    def text(self):
        size = int(self.value["size_"])
        if not 0 <= size <= 8:
            return f"not a shape: {size} entries"
        numbers = self.value["values_"]["_M_elems"]
        return bracketed(int(numbers[i]) for i in range(size))


class TensorPrinter(Printer):
    def text(self):
        return tensor_text(first_word(self.value))


class ModulePrinter(Printer):
    def text(self):
        offset = places("gradus_module_places", MODULE_PLACES)["state"]
        return module_text(pointer(int(self.value.address) + offset))


def derives_from(type_, base):
    if type_.name == base:
        return True
    return any(field.is_base_class and derives_from(field.type.strip_typedefs(), base) for field in type_.fields())


class Printers(gdb.printing.PrettyPrinter):
    """Chooses by base class: Parameter is a Tensor, and the layers and models are Modules."""

    def __init__(self):
        super().__init__("gradus")

    def __call__(self, value):
        type_ = gdb.types.get_basic_type(value.type)
        if type_.code != gdb.TYPE_CODE_STRUCT or not type_.name:
            return None
        if type_.name == "gradus::Shape":
            return ShapePrinter(value)
        if derives_from(type_, "gradus::Tensor"):
            return TensorPrinter(value)
        if derives_from(type_, "gradus::nn::Module"):
            return ModulePrinter(value) if value.address is not None else None
        return None


gdb.printing.register_pretty_printer(gdb.current_objfile(), Printers(), replace=True)
