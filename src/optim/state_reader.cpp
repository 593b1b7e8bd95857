#include "optim/state_reader.h"

#include <algorithm>

#include "core/check.h"
#include "core/joined.h"
#include "gradus/creation.h"

namespace gradus::optim {

StateReader::StateReader(const State& state) {
  for (const auto& [name, tensor] : state)
    if (!entries_.emplace(name, tensor).second) refuse(name + " is there twice");
}

Tensor StateReader::take(const std::string& name, const Shape& shape, DType dtype) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    refuse(name + " is missing");
    return {};
  }
  const Tensor x = std::move(found->second);
  entries_.erase(found);
  if (x.defined() && x.shape() == shape && x.dtype() == dtype) return x.detach().clone();
  refuse(x.defined() ? fmt::format("{} is {} of shape {}, expected {} of shape {}", name, gradus::name(x.dtype()), x.shape(),
                                   gradus::name(dtype), shape)
                     : name + " is undefined");
  return {};
}

std::vector<double> StateReader::take_numbers(const std::string& name, size_t count, bool (*fits)(double)) {
  const Tensor x = take(name, {static_cast<int64_t>(count)}, DType::Float64);
  std::vector<double> values = x.defined() ? x.to_vector<double>() : std::vector<double>(count);
  if (!x.defined() || std::all_of(values.begin(), values.end(), fits)) return values;
  refuse(fmt::format("{} is [{}], out of range", name, joined(values, ", ")));
  return std::vector<double>(count);
}

int64_t StateReader::take_whole(const std::string& name, int64_t smallest) {
  const Tensor x = take(name, {}, DType::Int64);
  const int64_t value = x.defined() ? x.item<int64_t>() : smallest;
  constexpr int64_t largest = int64_t{1} << 62;  // so that counting on stays within 64 bits
  if (value < smallest) refuse(fmt::format("{} is {}, below {}", name, value, smallest));
  if (value > largest) refuse(fmt::format("{} is {}, above {}", name, value, largest));
  return std::clamp(value, smallest, largest);
}

void StateReader::finish(const char* op) {
  for (const auto& [name, tensor] : entries_) refuse(name + " is unexpected");
  check<ValueError>(problems_.empty(), "{}: load_state_dict: the state does not fit: {}", op, joined(problems_, "; "));
}

Tensor numbers(const std::vector<double>& values) { return from_vector(values, {static_cast<int64_t>(values.size())}); }
Tensor number(double value) { return full({}, value, {.dtype = DType::Float64}); }
Tensor whole(int64_t value) { return full({}, value, {.dtype = DType::Int64}); }

}  // namespace gradus::optim
