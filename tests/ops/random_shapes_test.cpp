#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/ops/elementwise.h"
#include "gradus/parallel.h"
#include "gradus/random.h"
#include "parity/cases.h"
#include "parity/table.h"
#include "source_root.h"

/// Every operation of the table on random shapes, dtypes and strides. The cases that PyTorch made say which arguments an operation takes;
/// here their sizes become others, their numbers are shuffled, and the call is made three times: with operands that are spread over
/// memory, with contiguous ones, and with contiguous ones of float64.
namespace gradus::parity {
namespace {

using Tensors = std::vector<Tensor>;
using Random = std::mt19937_64;

int64_t below(Random& random, int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); }
bool once_in(Random& random, int64_t n) { return below(random, n) == 0; }

/// A call with other sizes than its case.
struct Call {
  json test;
  Tensors inputs;                               // contiguous
  std::vector<std::optional<int64_t>> repeats;  // of each input, the dimension along which its elements are all the same
  bool is_mixed = false;                        // whether its inputs are of any dtypes
};

/// Which size becomes which.
class Sizes {
 public:
  Sizes(Random& random, const std::set<int64_t>& old) {
    const bool some_are_empty = once_in(random, 8);
    bool one_is_large = once_in(random, 8);
    for (const int64_t size : old) {
      int64_t fresh = once_in(random, 4) ? size : 1 + below(random, 7);
      if (size <= 1 && !once_in(random, 4)) fresh = size;
      if (some_are_empty && once_in(random, 3)) fresh = 0;
      if (one_is_large && once_in(random, 2)) {
        fresh = 30 + below(random, 170);
        one_is_large = false;
      }
      // As the gates of a recurrent layer, or the two halves of glu.
      for (int64_t factor = 2; factor <= 4; ++factor)
        if (size % factor == 0 && size > factor && map_.contains(size / factor)) fresh = factor * map_.at(size / factor);
      map_[size] = fresh;
    }
  }
  int64_t of(int64_t size) const {
    const auto found = map_.find(size);
    return found == map_.end() ? size : found->second;
  }

 private:
  std::map<int64_t, int64_t> map_;
};

/// The arguments with sizes that become others where they stand in lists, or everywhere.
json with_sizes(const json& value, const Sizes& sizes, bool everywhere, bool in_list = false) {
  if (value.is_array()) {
    json list = json::array();
    for (const json& item : value) list.push_back(with_sizes(item, sizes, everywhere, true));
    return list;
  }
  if (value.is_object() && value.contains("$tuple")) return {{"$tuple", with_sizes(value["$tuple"], sizes, everywhere)}};
  if (value.is_number_integer() && (in_list || everywhere)) return sizes.of(value.get<int64_t>());
  return value;
}

/// How many elements a result may have that takes its sizes from the arguments.
double product(const json& value) {
  double elements = 1;
  if (value.is_number_integer()) elements = std::max(std::abs(value.get<double>()), 1.0);
  else if (value.is_structured())
    for (const json& item : value) elements *= product(item);
  return elements;
}

/// Elements drawn from those of x, so that they are such as the operation takes. They are the same in float32 and float64.
Tensor drawn(Random& random, const Tensor& x, const Shape& shape, std::optional<int64_t> repeat) {
  Shape distinct = shape;
  if (repeat) distinct[*repeat] = std::min<int64_t>(distinct[*repeat], 1);
  const std::vector<double> from = x.numel() == 0 ? std::vector<double>{0.0} : x.detach().to_vector<double>();
  std::vector<double> values(static_cast<size_t>(distinct.numel()));
  for (double& v : values) v = from[static_cast<size_t>(below(random, static_cast<int64_t>(from.size())))];
  if (is_floating_point(x.dtype()))
    for (double& v : values) v = static_cast<float>(v);
  return from_vector(values, distinct).to(x.dtype()).expand(shape).contiguous();
}

/// Operations that are about the memory of their input, or give what is in memory.
const std::set<std::string_view> about_memory{"as_strided", "view", "view_as", "empty", "empty_like"};
/// Those that write to some of their inputs, as the running statistics, which then must not share elements.
const std::set<std::string_view> writes_to_inputs{"nn.functional.batch_norm", "nn.functional.embedding", "nn.functional.embedding_bag"};
/// Those whose result jumps, or whose slope does, so that rounding to float32 makes it another one; whose result is about the dtype; or
/// that draw other numbers for it.
const std::set<std::string_view> about_dtype{"floor_divide", "remainder", "fmod",       "div",         "round", "std",
                                             "std_mean",     "argsort",   "allclose",   "to",          "equal", "nan_to_num",
                                             "multinomial",  "rand_like", "randn_like", "randint_like"};
/// Those whose results grow from step to step, and rounding with them.
const std::set<std::string_view> recurrent{"rnn_tanh", "rnn_relu", "lstm", "gru"};

/// A call of the operation of a case; nothing where it would be too large.
std::optional<Call> varied(Random& random, const json& test, const Tensors& templates) {
  constexpr int64_t most_elements = 60'000;
  std::set<int64_t> old;
  for (const Tensor& x : templates) old.insert(x.shape().begin(), x.shape().end());
  const Sizes sizes(random, old);
  Call call{test, {}, {}, once_in(random, 6)};
  const bool lists = once_in(random, 2), everywhere = lists && once_in(random, 3);
  for (const char* place : {"args", "kwargs"}) {
    if (!lists || !test.contains(place)) continue;
    for (auto& [key, value] : call.test[place].items()) value = with_sizes(value, sizes, everywhere);
    if (product(call.test[place]) > most_elements) return {};
  }
  const int64_t change_of_rank = once_in(random, 6) ? below(random, 3) : 0;  // 1: all have a dimension more, 2: all are scalars
  const DType floating = once_in(random, 2) ? DType::Float64 : DType::Float32;
  for (const Tensor& x : templates) {
    Shape shape = x.shape();
    for (int64_t& size : shape) size = sizes.of(size);
    if (change_of_rank == 1 && shape.size() < Shape::max_rank) shape.insert(0, 2);
    if (change_of_rank == 2) shape = {};
    int64_t elements = 1;
    for (const int64_t size : shape) elements = std::min(elements * size, most_elements + 1);
    if (elements > most_elements) return {};
    const bool repeats = shape.size() > 0 && !writes_to_inputs.contains(test["op"].get<std::string>()) && once_in(random, 6);
    call.repeats.push_back(repeats ? std::optional(below(random, shape.size())) : std::nullopt);
    Tensor fresh = drawn(random, x, shape, call.repeats.back());
    if (is_floating_point(x.dtype())) {
      constexpr DType all[] = {DType::Float64, DType::Float32, DType::Int64, DType::Bool};
      const DType dtype = call.is_mixed ? all[below(random, 4)] : floating;
      fresh = (is_floating_point(dtype) ? fresh : nan_to_num(fresh, 0, 1, -1)).to(dtype);
    }
    if (x.requires_grad() && is_floating_point(fresh.dtype())) fresh.requires_grad_();
    call.inputs.push_back(fresh);
  }
  return call;
}

/// The same elements with other strides, between others that must not be read.
Tensor spread(Random& random, const Tensor& x, std::optional<int64_t> repeat) {
  if (repeat && x.size(*repeat) > 1) return spread(random, x.narrow(*repeat, 0, 1), {}).expand(x.shape());
  std::vector<int64_t> order(static_cast<size_t>(x.dim()));
  std::iota(order.begin(), order.end(), int64_t{0});
  if (once_in(random, 2)) std::shuffle(order.begin(), order.end(), random);
  Shape wide = Shape::filled(x.dim(), 0), places = wide;
  std::vector<int64_t> steps(order.size()), starts(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    steps[i] = once_in(random, 3) ? 1 + below(random, 3) : 1;
    starts[i] = once_in(random, 3) ? 1 + below(random, 3) : 0;
    wide[static_cast<int64_t>(i)] = starts[i] + x.size(order[i]) * steps[i];
    places[order[i]] = static_cast<int64_t>(i);
  }
  const double between = is_floating_point(x.dtype()) ? std::numeric_limits<double>::quiet_NaN() : 1;
  Tensor part = full(wide, between, {.dtype = x.dtype()});
  for (size_t i = 0; i < order.size(); ++i) part = part.slice(static_cast<int64_t>(i), starts[i], {}, steps[i]);
  return part.permute(places).copy_(x);
}

Tensors spread(Random& random, const Call& call) {
  NoGradGuard no_grad;
  Tensors inputs;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    inputs.push_back(spread(random, call.inputs[i].detach(), call.repeats[i]).detach());
    if (call.inputs[i].requires_grad()) inputs.back().requires_grad_();
  }
  return inputs;
}

/// The inputs, contiguous and with elements of their own; floating-point ones in the dtype given.
Tensors copied(const Call& call, std::optional<DType> floating) {
  Tensors inputs;
  for (const Tensor& x : call.inputs) {
    const Tensor copy = x.detach().clone();
    inputs.push_back(floating && is_floating_point(x.dtype()) ? copy.to(*floating) : copy);
    if (x.requires_grad()) inputs.back().requires_grad_();
  }
  return inputs;
}

/// What a call gives: the results, and the gradients for results that are weighted with fixed numbers.
struct Outcome {
  bool is_refused = false;
  Tensors results;
  Tensors gradients;
};

Tensor weights(const Tensor& y) {
  const Tensor all = arange(y.numel(), {.dtype = DType::Float64});
  return (sin(all * 1.7) + 0.25).reshape(y.shape()).to(y.dtype());
}

Outcome outcome(const Row& row, const Call& made, const Tensors& inputs) {
  Outcome outcome;
  try {
    manual_seed(1);
    outcome.results = call(row, made.test, inputs);
    Tensors weighted, cotangents, wanted;
    for (const Tensor& x : inputs)
      if (x.requires_grad()) wanted.push_back(x);
    for (Tensor& y : outcome.results) {
      if (y.requires_grad()) {
        weighted.push_back(y);
        cotangents.push_back(weights(y));
      }
    }
    if (!weighted.empty()) outcome.gradients = autograd::grad(weighted, wanted, cotangents, {.allow_unused = true});
  } catch (const Error&) {
    outcome.is_refused = true;
  } catch (const NoSuchCall&) {
    outcome.is_refused = true;
  }
  return outcome;
}

/// The numbers of a result; of a gradient that is nothing, none.
Tensor numbers(const Tensor& x) { return x.defined() ? x.detach().to_dense().to(DType::Float64) : zeros({0}, {.dtype = DType::Float64}); }

/// How far two results are from each other, as a share of the largest number in them. Infinity where one has NaN or infinity and the other
/// has not; what is beyond float32 may be infinite in the first.
double distance(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return std::numeric_limits<double>::infinity();
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  double most = 0, largest = 1;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) && std::isnan(y[i])) continue;
    constexpr double most32 = std::numeric_limits<float>::max();
    if (x[i] == y[i] || (std::isinf(x[i]) && std::abs(y[i]) > most32 && (x[i] > 0) == (y[i] > 0))) continue;
    const double apart = std::abs(x[i] - y[i]);
    most = std::isfinite(apart) ? std::max(most, apart) : std::numeric_limits<double>::infinity();
    if (std::isfinite(x[i])) largest = std::max(largest, std::abs(x[i]));
  }
  return most / largest;
}

/// What differs between two outcomes by more than `room`; of numbers of float32, `room32`. Empty when nothing does.
std::string difference(const Outcome& a, const Outcome& b, double room, double room32, bool same_dtypes) {
  if (a.is_refused != b.is_refused) return a.is_refused ? "only the first is refused" : "only the second is refused";
  if (a.results.size() != b.results.size() || a.gradients.size() != b.gradients.size()) return "unlike numbers of results or gradients";
  const auto compared = [&](const Tensors& ours, const Tensors& theirs, const std::string& what) -> std::string {
    for (size_t i = 0; i < ours.size(); ++i) {
      const std::string name = what + " " + std::to_string(i) + ": ";
      if (same_dtypes && ours[i].defined() && theirs[i].defined() && ours[i].dtype() != theirs[i].dtype()) return name + "unlike dtypes";
      const double apart = distance(numbers(ours[i]), numbers(theirs[i]));
      const bool is_coarse = ours[i].defined() && ours[i].dtype() == DType::Float32;
      if (!(apart <= (is_coarse ? room32 : room))) return name + std::to_string(apart) + " apart";
    }
    return "";
  };
  const std::string text = compared(a.results, b.results, "result");
  return text.empty() ? compared(a.gradients, b.gradients, "gradient") : text;
}

std::string described(const Call& made, const Tensors& inputs) {
  std::string text = made.test.value("op", "") + " as in " + made.test.value("id", "");
  for (const char* place : {"args", "kwargs"})
    if (made.test.contains(place)) text += " " + made.test[place].dump();
  for (const Tensor& x : inputs) {
    text += "\n  " + x.shape().str() + " " + name(x.dtype()) + " strides";
    for (int64_t d = 0; d < x.dim(); ++d) text += " " + std::to_string(x.stride(d));
  }
  return text;
}

/// Compares one call in its ways; false where it is refused.
bool check(Random& random, const Row& row, const Call& made) {
  const auto spread_anew = [&made, state = random] {
    Random same = state;
    return spread(same, made);
  };
  const Tensors inputs = spread_anew();
  set_num_threads(1);
  const Outcome strided = outcome(row, made, spread_anew()), dense = outcome(row, made, copied(made, {}));
  set_num_threads(2);
  const Outcome by_two = outcome(row, made, spread_anew());
  random.discard(1);
  const auto expect_none = [&](const char* what, const std::string& text) {
    if (!text.empty()) FAIL_CHECK(std::string(what) << ": " << text << ": " << described(made, inputs));
  };
  constexpr double rounding = 1e-11, rounding32 = 1e-4;
  expect_none("1 and 2 threads", difference(strided, by_two, 0, 0, true));
  expect_none("strided and contiguous", difference(strided, dense, rounding, rounding32, true));
  constexpr int64_t small = 1000;
  const bool is_long =
      recurrent.contains(row.name) && std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.numel() > small; });
  if (!about_dtype.contains(row.name) && !is_long && !made.is_mixed)
    expect_none("its dtype and float64", difference(dense, outcome(row, made, copied(made, DType::Float64)), rounding, 1e-3, false));
  return !strided.is_refused;
}

/// Makes `wanted` calls of every operation that are not refused, as far as some tries find them.
void check_table(int64_t wanted, uint64_t seed) {
  const int before = get_num_threads();
  Folder folder(GRADUS_SOURCE_ROOT "/tests/parity/cases");
  std::map<const Row*, std::vector<const json*>> cases;
  for (const json& test : folder.cases())
    if (test.contains("op") && test.contains("outs")) cases[find_row(test["op"].get<std::string>())].push_back(&test);
  for (const Row& row : table()) {
    if (about_memory.contains(row.name)) continue;
    CAPTURE(std::string(row.name));
    const auto& own = cases.at(&row);
    Random random(seed + std::hash<std::string_view>()(row.name));
    int64_t found = 0;
    for (int64_t tries = 0; tries < 8 * wanted && found < wanted; ++tries) {
      const json& test = *own[static_cast<size_t>(below(random, static_cast<int64_t>(own.size())))];
      const auto call = varied(random, test, folder.inputs(test));
      if (call && check(random, row, *call)) ++found;
    }
    CHECK(found == wanted);
  }
  set_num_threads(before);
}

}  // namespace

TEST_CASE("every operation on random shapes, dtypes and strides gives what it gives on contiguous float64") { check_table(8, 1); }

TEST_SUITE("slow") {
  TEST_CASE("every operation on many random shapes, dtypes and strides gives what it gives on contiguous float64") { check_table(100, 2); }
}

}  // namespace gradus::parity
