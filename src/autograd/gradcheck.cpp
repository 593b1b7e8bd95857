#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "autograd/tensor_impl.h"
#include "core/check.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"

namespace gradus::autograd {
namespace {

/// How the inputs that are checked lie in memory. Overlapping ones repeat the first of their first rows, from one place.
enum class Placement { Contiguous, Transposed, Stepped, Overlapping };

constexpr const char* describe(Placement placement) {
  switch (placement) {
    case Placement::Contiguous: return "contiguous";
    case Placement::Transposed: return "transposed";
    case Placement::Stepped: return "step-2";
    case Placement::Overlapping: break;
  }
  return "overlapping";
}

/// The first dimension in which x can repeat a row, or -1.
int64_t repeated_dim(const Tensor& x) {
  const Shape& shape = x.shape();
  const auto* found = std::find_if(shape.begin(), shape.end(), [](int64_t size) { return size > 1; });
  return x.requires_grad() && x.numel() > 0 && found != shape.end() ? found - shape.begin() : -1;
}

/// x as a leaf of its own, its elements placed in the storage in another way. An overlapping input is a view of one, made by expand.
Tensor placed_leaf(const Tensor& x, Placement placement) {
  NoGradGuard no_grad;
  Tensor y = x.clone();
  if (placement == Placement::Overlapping && repeated_dim(x) >= 0)
    y = y.narrow(repeated_dim(x), 0, 1);  // in as much memory, for as_strided
  if (placement == Placement::Transposed && x.dim() >= 2) y = x.transpose(0, -1).clone().transpose(0, -1);
  if (placement == Placement::Stepped && x.dim() >= 1) {
    Shape wide = x.shape();
    wide[wide.size() - 1] = 2 * wide.back() + 1;
    y = zeros(wide, {.dtype = x.dtype()}).slice(-1, 1, {}, 2);
    y.copy_(x);
  }
  return y.detach().requires_grad_(x.requires_grad());
}

Tensor random_like(const Tensor& x, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::vector<double> values(static_cast<size_t>(x.numel()));
  for (double& v : values) v = normal(random);
  return from_vector(values, x.shape());
}

/// The outputs that have a gradient, float64 all of them.
std::vector<Tensor> differentiable(const char* op, const std::vector<Tensor>& outputs) {
  std::vector<Tensor> kept;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].defined() || !outputs[i].requires_grad()) continue;
    check<DTypeError>(outputs[i].dtype() == DType::Float64, "{}: output {} is {}; differences need float64 throughout", op, i,
                      name(outputs[i].dtype()));
    kept.push_back(outputs[i]);
  }
  return kept;
}

/// One cotangent per output; an undefined one leaves its output out.
using Cotangents = std::vector<Tensor>;

double weighted_sum(const std::vector<Tensor>& outputs, const Cotangents& cotangents) {
  double total = 0;
  for (size_t k = 0; k < outputs.size(); ++k) {
    if (!cotangents[k].defined()) continue;
    const Tensor y = outputs[k].detach().contiguous();
    const double *a = y.data<double>(), *c = cotangents[k].data<double>();
    for (int64_t i = 0; i < y.numel(); ++i) total += a[i] * c[i];
  }
  return total;
}

/// All outputs together, and, as an operation may treat an output that nobody uses apart, each one alone.
std::vector<Cotangents> cotangent_sets(const std::vector<Tensor>& outputs, uint64_t seed) {
  std::mt19937_64 random(seed);
  Cotangents all;
  for (const Tensor& y : outputs) all.push_back(random_like(y, random));
  std::vector<Cotangents> sets{all};
  for (size_t k = 0; outputs.size() > 1 && k < outputs.size(); ++k) {
    Cotangents one(outputs.size());
    one[k] = all[k];
    sets.push_back(one);
  }
  return sets;
}

struct Place {
  int64_t offset;  // in elements, from the first
  std::string text;
};

/// Where element i, in row-major order, of x is.
Place place_of(const Tensor& x, int64_t i) {
  Shape index = x.shape();
  int64_t offset = 0;
  for (int64_t d = x.dim() - 1; d >= 0; --d) {
    index[d] = i % x.size(d);
    i /= x.size(d);
    offset += index[d] * x.stride(d);
  }
  return {offset, index.str()};
}

class Checker {
 public:
  Checker(const char* op, const TensorFunction& f, const std::vector<Tensor>& inputs, Placement placement, const GradcheckOptions& options)
      : op_(op), f_(f), options_(options), placement_(placement) {
    for (const Tensor& x : inputs) {
      leaves_.push_back(placed_leaf(x, placement));
      inputs_.push_back(leaves_.back().shape() == x.shape() ? leaves_.back() : leaves_.back().expand(x.shape()));
    }
  }

  void run() {
    const std::vector<Tensor> outputs = differentiable(op_, f_(inputs_));
    // Where elements repeat, outputs chosen by their values can have other shapes, for which there are no cotangents.
    if (outputs.empty() && placement_ == Placement::Overlapping) return;
    check<AutogradError>(!outputs.empty(), "{}: no output depends on an input that requires a gradient", op_);
    check_repeatable(outputs);
    const std::vector<Cotangents> sets = cotangent_sets(outputs, options_.seed);

    std::vector<size_t> checked;
    std::vector<Tensor> wrt;
    for (size_t i = 0; i < leaves_.size(); ++i) {
      if (!leaves_[i].requires_grad()) continue;
      checked.push_back(i);
      wrt.push_back(leaves_[i]);
    }
    std::vector<std::vector<Tensor>> analytic;
    for (const Cotangents& set : sets) analytic.push_back(gradients(outputs, wrt, set));
    if (placement_ == Placement::Overlapping) return compare_with_copies(outputs, checked, wrt, sets, analytic);
    for (size_t k = 0; k < checked.size(); ++k) compare(checked[k], sets, analytic, k);
  }

 private:
  void check_repeatable(const std::vector<Tensor>& outputs) const {
    const std::vector<Tensor> again = differentiable(op_, f_(inputs_));
    bool same = again.size() == outputs.size();
    for (size_t k = 0; same && k < outputs.size(); ++k)
      same = again[k].shape() == outputs[k].shape() && again[k].detach().allclose(outputs[k].detach(), 0, 0, true);
    check<AutogradError>(same, "{}: the function gives other outputs when it is called again; take what is random out of it", op_);
  }

  /// The gradient of each input, contiguous; zeros where an input is not used.
  std::vector<Tensor> gradients(const std::vector<Tensor>& outputs, const std::vector<Tensor>& wrt, const Cotangents& cotangents) const {
    std::vector<Tensor> used, weights;
    for (size_t k = 0; k < outputs.size(); ++k) {
      if (!cotangents[k].defined()) continue;
      used.push_back(outputs[k]);
      weights.push_back(cotangents[k]);
    }
    std::vector<Tensor> result = grad(used, wrt, weights, {.retain_graph = true, .allow_unused = true});
    for (size_t k = 0; k < wrt.size(); ++k)
      result[k] = result[k].defined() ? result[k].detach().to_dense().contiguous() : zeros_like(wrt[k].detach()).contiguous();
    return result;
  }

  /// The gradients of overlapping inputs against those of copies in which every element has a place of its own. Differences would not do:
  /// where elements repeat, a function may have no derivative, such as the root of a variance of 0.
  void compare_with_copies(const std::vector<Tensor>& overlapping, const std::vector<size_t>& checked, const std::vector<Tensor>& wrt,
                           const std::vector<Cotangents>& sets, const std::vector<std::vector<Tensor>>& analytic) const {
    std::vector<Tensor> copies;
    for (const Tensor& x : inputs_) copies.push_back(x.clone());
    const std::vector<Tensor> outputs = differentiable(op_, f_(copies));
    // A function of places, such as as_strided, has other values there.
    for (size_t k = 0; k < outputs.size(); ++k)
      if (!outputs[k].detach().allclose(overlapping[k].detach(), 1e-5, 1e-8, true)) return;
    for (size_t s = 0; s < sets.size(); ++s) {
      const std::vector<Tensor> expected = gradients(outputs, wrt, sets[s]);
      for (size_t k = 0; k < checked.size(); ++k)
        for (int64_t e = 0; e < wrt[k].numel(); ++e) {
          const double found = analytic[s][k].data<double>()[e], wanted = expected[k].data<double>()[e];
          const bool close = std::abs(found - wanted) <= options_.atol + options_.rtol * std::abs(wanted);
          check<AutogradError>(close || (std::isnan(found) && std::isnan(wanted)) || found == wanted,
                               "{}: the gradient of input {} at {} is {:.9g}, but {:.9g} when its elements share no memory ({} inputs, {})",
                               op_, checked[k], place_of(wrt[k], e).text, found, wanted, describe(placement_), describe_set(s));
        }
    }
  }

  static std::string describe_set(size_t s) { return s == 0 ? std::string("all outputs") : fmt::format("output {} alone", s - 1); }

  /// What f gives now, copied: a view would follow the inputs to their next values.
  std::vector<Tensor> values_at_inputs() const {
    std::vector<Tensor> values = differentiable(op_, f_(inputs_));
    for (Tensor& y : values) y = y.detach().clone();
    return values;
  }

  /// Central differences for each element of input `i`, the k-th that is checked.
  void compare(size_t i, const std::vector<Cotangents>& sets, const std::vector<std::vector<Tensor>>& analytic, size_t k) {
    const Tensor& x = leaves_[i];
    for (int64_t e = 0; e < x.numel(); ++e) {
      const Place place = place_of(x, e);
      double& element = x.data<double>()[place.offset];
      const double value = element;
      element = value + options_.eps;
      const std::vector<Tensor> above = values_at_inputs();
      element = value - options_.eps;
      const std::vector<Tensor> below = values_at_inputs();
      element = value;
      check<AutogradError>(above.size() == sets[0].size() && below.size() == sets[0].size(),
                           "{}: the number of outputs with a gradient changes with input {}", op_, i);
      // Subtracted before they are added up, so that large elements which do not change leave no rounding behind.
      std::vector<Tensor> difference;
      for (size_t o = 0; o < above.size(); ++o) difference.push_back(above[o] - below[o]);
      for (size_t s = 0; s < sets.size(); ++s) {
        const double numeric = weighted_sum(difference, sets[s]) / (2 * options_.eps);
        const double found = analytic[s][k].data<double>()[e];
        // Written so that NaN fails.
        const bool close = std::abs(found - numeric) <= options_.atol + options_.rtol * std::abs(numeric);
        check<AutogradError>(close, "{}: the gradient of input {} at {} is {:.9g}, but central differences give {:.9g} ({} inputs, {})",
                             op_, i, place.text, found, numeric, describe(placement_), describe_set(s));
      }
    }
  }

  const char* op_;
  const TensorFunction& f_;
  const GradcheckOptions& options_;
  Placement placement_;
  std::vector<Tensor> leaves_;  // whose elements are varied
  std::vector<Tensor> inputs_;  // them, or views of them
};

bool check_gradients(const char* op, const TensorFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  check<ValueError>(static_cast<bool>(f), "{}: the function is empty", op);
  check<ValueError>(options.eps > 0, "{}: eps {} must be positive", op, options.eps);
  bool any = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    check<StateError>(inputs[i].defined(), "{}: input {} is undefined", op, i);
    if (!inputs[i].requires_grad()) continue;
    any = true;
    check<DTypeError>(inputs[i].dtype() == DType::Float64, "{}: input {} is {}; differences need float64", op, i, name(inputs[i].dtype()));
  }
  check<ValueError>(any, "{}: no input requires a gradient; call requires_grad_() on those to check", op);
  EnableGradGuard recording;
  for (const Placement placement : {Placement::Contiguous, Placement::Transposed, Placement::Stepped})
    Checker(op, f, inputs, placement, options).run();
  if (std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return repeated_dim(x) >= 0; }))
    Checker(op, f, inputs, Placement::Overlapping, options).run();
  return true;
}

}  // namespace

bool gradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  return check_gradients("gradcheck", f, inputs, options);
}

bool gradgradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  check<ValueError>(static_cast<bool>(f), "gradgradcheck: the function is empty");
  EnableGradGuard recording;
  const size_t count = inputs.size();
  // The gradients are a function of the inputs and, linearly, of the cotangents; both are checked.
  std::vector<Tensor> all = inputs;
  std::mt19937_64 random(options.seed + 1);
  for (const Tensor& y : differentiable("gradgradcheck", f(inputs))) all.push_back(random_like(y, random).requires_grad_());
  check<AutogradError>(all.size() > count, "gradgradcheck: no output depends on an input that requires a gradient");

  const TensorFunction gradients = [&f, count](const std::vector<Tensor>& arguments) -> std::vector<Tensor> {
    const std::vector<Tensor> x(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(count));
    const std::vector<Tensor> cotangents(arguments.begin() + static_cast<std::ptrdiff_t>(count), arguments.end());
    std::vector<Tensor> wrt;
    for (const Tensor& input : x)
      if (input.requires_grad()) wrt.push_back(input);
    const std::vector<Tensor> outputs = differentiable("gradgradcheck", f(x));
    const auto alike = [](const Tensor& y, const Tensor& cotangent) { return y.shape() == cotangent.shape(); };
    if (!std::equal(outputs.begin(), outputs.end(), cotangents.begin(), cotangents.end(), alike)) return {};
    return grad(outputs, wrt, cotangents, {.create_graph = true, .allow_unused = true});
  };
  return check_gradients("gradgradcheck", gradients, all, options);
}

}  // namespace gradus::autograd
