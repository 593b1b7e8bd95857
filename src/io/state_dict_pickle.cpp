#include "io/state_dict_pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/quoted.h"

namespace gradus::io {
namespace {

/// So many are read of any file, and more of one that is large.
constexpr size_t kTensors = size_t{1} << 16, kBytesPerTensor = 1024;

enum class Known : uint8_t {
  OrderedDict,
  Counter,
  Size,
  Device,
  RebuildTensor,
  RebuildTensorV2,
  RebuildTensorV3,  // its storage has bytes, and the dtype is an argument
  RebuildParameter,
  RebuildFromType,
  TensorType,
  UntypedStorage,
  TypedStorage,  // of a format
  DType,         // of a format
};

struct KnownName {
  const char* module;
  const char* name;
  Known what;
};
constexpr KnownName kKnownNames[] = {
    {"collections", "OrderedDict", Known::OrderedDict},
    {"collections", "Counter", Known::Counter},
    {"torch", "Size", Known::Size},
    {"torch", "device", Known::Device},
    {"torch._utils", "_rebuild_tensor", Known::RebuildTensor},
    {"torch._utils", "_rebuild_tensor_v2", Known::RebuildTensorV2},
    {"torch._utils", "_rebuild_tensor_v3", Known::RebuildTensorV3},
    {"torch._utils", "_rebuild_parameter", Known::RebuildParameter},
    {"torch._utils", "_rebuild_parameter_with_state", Known::RebuildParameter},
    {"torch._tensor", "_rebuild_from_type_v2", Known::RebuildFromType},
    {"torch", "Tensor", Known::TensorType},
    {"torch.nn.parameter", "Parameter", Known::TensorType},
    {"torch.storage", "UntypedStorage", Known::UntypedStorage},
};

/// What people put beside a state dict, and what they could put there in its place.
struct RefusedName {
  const char* module;
  const char* name;  // null for all of the module
  const char* remedy;
};
constexpr RefusedName kRefused[] = {
    {"torch._utils", "_rebuild_sparse_tensor", "a sparse tensor; save its to_dense()"},
    {"torch._utils", "_rebuild_qtensor", "a quantized tensor; save its dequantize()"},
    {"torch._utils", "_rebuild_nested_tensor", "a nested tensor; save its to_padded_tensor(0)"},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", "a tensor on the device meta, which has no elements; leave it out"},
    {"numpy.core.multiarray", nullptr, "a number or array of NumPy; save float(x) or torch.from_numpy(x)"},
    {"numpy._core.multiarray", nullptr, "a number or array of NumPy; save float(x) or torch.from_numpy(x)"},
    {"_codecs", "encode", "bytes; save a text"},
    {"argparse", "Namespace", "arguments of a program; save vars(arguments)"},
    {"builtins", "set", "a set; save a list"},
    {"__builtin__", "set", "a set; save a list"},
};

/// A name's payload has what it is, and the index in its table.
PickleValue name_value(Known what, size_t index) {
  return {PickleValue::Kind::Name, 0, static_cast<uint64_t>(what) | static_cast<uint64_t>(index) << 8};
}
Known known(const PickleValue& name) { return static_cast<Known>(name.payload & 0xFF); }
size_t index_of(const PickleValue& name) { return static_cast<size_t>(name.payload >> 8); }
const ElementFormat* format_of(const PickleValue& name) { return &element_formats()[index_of(name)]; }

/// The distance from the first to the last place, beyond which a layout does not reach; false where int64 does not count it.
bool reach(const Layout& layout, int64_t& last) {
  last = layout.offset;
  for (int64_t k = 0; k < layout.rank(); ++k) {
    int64_t step = 0;
    if (__builtin_mul_overflow(layout.shape[k] - 1, layout.strides[k], &step) || __builtin_add_overflow(last, step, &last)) return false;
  }
  return true;
}

bool is_empty(const Shape& shape) { return std::find(shape.begin(), shape.end(), 0) != shape.end(); }

}  // namespace

std::string StateDictPickle::name_text(const PickleValue& v) {
  if (known(v) == Known::TypedStorage) return fmt::format("torch.{}", format_of(v)->storage);
  if (known(v) == Known::DType) return fmt::format("torch.{}", format_of(v)->pytorch);
  return fmt::format("{}.{}", kKnownNames[index_of(v)].module, kKnownNames[index_of(v)].name);
}

PickleValue StateDictPickle::name(std::string_view module, std::string_view name) {
  for (size_t i = 0; i < std::size(kKnownNames); ++i)
    if (module == kKnownNames[i].module && name == kKnownNames[i].name) return name_value(kKnownNames[i].what, i);
  if (module == "torch") {
    const auto formats = element_formats();
    for (size_t i = 0; i < formats.size(); ++i) {
      if (formats[i].storage && name == formats[i].storage) return name_value(Known::TypedStorage, i);
      if (name == formats[i].pytorch) return name_value(Known::DType, i);
    }
  }
  const std::string asked = gradus::quoted(fmt::format("{}.{}", module, name));
  if (module == "torch" && name.ends_with("Storage"))
    file().fail("holds a tensor in a {}, which has no counterpart here; convert it with .float() or .long() before torch.save", asked);
  for (const RefusedName& refused : kRefused)
    if (module == refused.module && (!refused.name || name == refused.name)) file().fail("asks for {}, for {}", asked, refused.remedy);
  file().fail(
      "asks for {}, which a state dict does not need; nothing of the file was run. Save the tensors alone: "
      "torch.save(model.state_dict(), path)",
      asked);
}

const PickleValue& StateDictPickle::argument(const PickleValue& arguments, size_t i, Kind kind) const {
  const Items& given = items(arguments);
  file().check(i < given.size() && given[i].is(kind), "the pickle is damaged: argument {} of {} is missing or of another kind", i + 1,
               given.size());
  return given[i];
}

PickleValue StateDictPickle::call(const PickleValue& function, const PickleValue& arguments) {
  switch (known(function)) {
    case Known::OrderedDict: return ordered_dict(arguments);
    case Known::Counter: return items(arguments).empty() ? new_container(Kind::Dict, {}) : argument(arguments, 0, Kind::Dict);
    case Known::Size: return argument(arguments, 0, Kind::Tuple);
    case Known::Device: return argument(arguments, 0, Kind::Text);
    case Known::RebuildTensor:
    case Known::RebuildTensorV2:
    case Known::RebuildTensorV3: return rebuild_tensor(function, arguments);
    case Known::RebuildParameter: return argument(arguments, 0, Kind::Tensor);
    case Known::RebuildFromType: return rebuild_from_type(arguments);
    default: file().fail("the pickle calls {}, which a state dict does not", name_text(function));
  }
}

/// Python 2 gave the items as a list of lists.
PickleValue StateDictPickle::ordered_dict(const PickleValue& arguments) {
  const Items given = items(arguments).empty() ? Items() : items(argument(arguments, 0, Kind::List));
  count_values(2 * given.size());
  Items all;
  for (const PickleValue& pair : given) {
    const bool is_pair = (pair.is(Kind::List) || pair.is(Kind::Tuple)) && items(pair).size() == 2;
    file().check(is_pair, "the pickle is damaged: an OrderedDict is made of something else than pairs");
    all.insert(all.end(), items(pair).begin(), items(pair).end());
  }
  return new_container(Kind::Dict, std::move(all));
}

PickleValue StateDictPickle::outside(const PickleValue& id) {
  file().check(id.is(Kind::Tuple) && text(argument(id, 0, Kind::Text)) == "storage",
               "the pickle refers to something outside that is no storage");
  const PickleValue& type = argument(id, 1, Kind::Name);
  file().check(known(type) == Known::TypedStorage || known(type) == Known::UntypedStorage,
               "the pickle is damaged: {} is no type of a storage", name_text(type));
  PickledStorage storage{text(argument(id, 2, Kind::Text)), known(type) == Known::TypedStorage ? format_of(type) : nullptr,
                         argument(id, 4, Kind::Integer).integer()};
  file().check(storage.numel >= 0, "the pickle is damaged: storage {} has {} elements", gradus::quoted(storage.key), storage.numel);
  const auto [found, is_new] = storage_by_key_.try_emplace(storage.key, storages_.size());
  if (is_new) {
    storages_.push_back(storage);
  } else {
    const PickledStorage& known_one = storages_[found->second];
    const bool same = known_one.format == storage.format && known_one.numel == storage.numel;
    // An untyped one got its format, and the number of elements, from the first tensor on it.
    file().check(same || !storage.format, "storage {} is used as two types; save a clone() of one of the tensors",
                 gradus::quoted(storage.key));
  }
  return {Kind::Storage, 0, found->second};
}

size_t StateDictPickle::storage_of(const PickleValue& v, const ElementFormat* format) {
  PickledStorage& storage = storages_[v.payload];
  if (!storage.format && format) {
    const auto bytes = static_cast<int64_t>(format->bytes);
    file().check(storage.numel % bytes == 0, "the pickle is damaged: storage {} of {} bytes holds no whole number of {}",
                 gradus::quoted(storage.key), storage.numel, format->pytorch);
    storage.format = format;
    storage.numel /= bytes;
  }
  file().check(storage.format && (!format || storage.format == format),
               "storage {} is used as two types; save a clone() of one of the tensors", gradus::quoted(storage.key));
  return static_cast<size_t>(v.payload);
}

Shape StateDictPickle::sizes(const PickleValue& tuple, const char* what) const {
  const Items& values = items(tuple);
  file().check(values.size() <= static_cast<size_t>(Shape::max_rank), "holds a tensor of {} dimensions, more than {}; save it reshaped",
               values.size(), Shape::max_rank);
  Shape shape;
  for (const PickleValue& v : values) {
    file().check(v.is(Kind::Integer) && v.integer() >= 0, "the pickle is damaged: a tensor's {} are no numbers from 0", what);
    shape.push_back(v.integer());
  }
  return shape;
}

/// (storage, offset, size, stride, requires_grad, hooks, metadata), or (storage, offset, size, stride, requires_grad, hooks, dtype,
/// metadata).
PickleValue StateDictPickle::rebuild_tensor(const PickleValue& function, const PickleValue& arguments) {
  const bool has_dtype = known(function) == Known::RebuildTensorV3;
  const ElementFormat* format = nullptr;
  if (has_dtype) {
    const PickleValue& dtype = argument(arguments, 6, Kind::Name);
    file().check(known(dtype) == Known::DType, "the pickle is damaged: {} is no dtype", name_text(dtype));
    format = format_of(dtype);
  }
  const size_t metadata = has_dtype ? 7 : 6;
  if (const Items& given = items(arguments); given.size() > metadata && !given[metadata].is(Kind::None))
    file().check(items(argument(arguments, metadata, Kind::Dict)).empty(),
                 "holds a tensor whose elements are kept negated or conjugated; save a clone() of it");

  PickledTensor x{storage_of(argument(arguments, 0, Kind::Storage), format), {}};
  x.layout.offset = argument(arguments, 1, Kind::Integer).integer();
  x.layout.shape = sizes(argument(arguments, 2, Kind::Tuple), "sizes");
  x.layout.strides = sizes(argument(arguments, 3, Kind::Tuple), "strides");
  const PickledStorage& storage = storages_[x.storage];
  file().check(x.layout.shape.size() == x.layout.strides.size() && x.layout.offset >= 0 && dense_bytes(x.layout.shape, 8).has_value(),
               "the pickle is damaged: a tensor of shape {} has strides {} and offset {}", x.layout.shape, x.layout.strides,
               x.layout.offset);
  if (is_empty(x.layout.shape)) {
    x.layout = {x.layout.shape, contiguous_strides(x.layout.shape), 0};
  } else {
    int64_t last = 0;
    file().check(reach(x.layout, last) && last < storage.numel,
                 "the pickle is damaged: a tensor of shape {}, strides {} and offset {} leaves its storage {} of {} elements",
                 x.layout.shape, x.layout.strides, x.layout.offset, gradus::quoted(storage.key), storage.numel);
  }
  const size_t most = kTensors + static_cast<size_t>(file().size()) / kBytesPerTensor;
  file().check(tensors_.size() < most, "holds more than {} tensors", most);
  tensors_.push_back(x);
  return {Kind::Tensor, 0, tensors_.size() - 1};
}

/// (function, type, arguments, state): a tensor that somebody gave attributes.
PickleValue StateDictPickle::rebuild_from_type(const PickleValue& arguments) {
  const PickleValue function = argument(arguments, 0, Kind::Name), type = argument(arguments, 1, Kind::Name);
  file().check(known(type) == Known::TensorType && known(function) != Known::RebuildFromType,
               "the pickle makes a {} of {}, which is no tensor", name_text(type), name_text(function));
  return call(function, argument(arguments, 2, Kind::Tuple));
}

}  // namespace gradus::io
