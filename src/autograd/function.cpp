#include <algorithm>
#include <mutex>
#include <set>
#include <string>

#include "autograd/node.h"
#include "autograd/op.h"
#include "autograd/tensor_impl.h"
#include "core/check.h"
#include "core/fork.h"
#include "gradus/autograd.h"

namespace gradus::autograd {

struct Context::Impl {
  std::vector<Tensor> to_save;  // as the forward gave them
  std::vector<Saved> saved;
  std::vector<int64_t> saved_output;  // which output a saved tensor is, or -1
  Node* node = nullptr;               // the node that the outputs hang on, while backward runs
};

void Context::save_for_backward(std::vector<Tensor> tensors) { impl_->to_save = std::move(tensors); }

std::vector<Tensor> Context::saved_tensors() const {
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < impl_->saved.size(); ++i) {
    const Tensor& kept = *impl_->saved[i];
    if (impl_->saved_output[i] < 0) {
      tensors.push_back(kept);
      continue;
    }
    // An output was kept without its history, which would keep this node alive; it is given back here.
    Tensor y = alias_of(kept);
    if (impl_->node && is_floating_point(y.dtype())) attach(y, Ref<Node>(impl_->node), static_cast<uint32_t>(impl_->saved_output[i]));
    tensors.push_back(std::move(y));
  }
  return tensors;
}

namespace {

/// A user's backward as the pullback of a node.
struct FunctionPullback {
  Context context;
  std::shared_ptr<Context::Impl> kept;
  ContextFunction backward;
  std::vector<OutputMeta> inputs;

  bool saves_tensors() const { return !kept->saved.empty() || context.state; }

  void operator()(std::span<Tensor> dy, InputGradients dx) {
    const char* name = dx.node().name;
    std::vector<Tensor> gradients = run({dy.begin(), dy.end()}, dx.node());
    check<AutogradError>(gradients.size() == inputs.size(),
                         "{}: backward gave {} gradients for {} inputs; give one for each, undefined where none is needed", name,
                         gradients.size(), inputs.size());
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!dx.needs(i) || !gradients[i].defined()) continue;
      check_gradient(name, i, gradients[i]);
      dx[i] = std::move(gradients[i]);
    }
  }

 private:
  std::vector<Tensor> run(const std::vector<Tensor>& dy, Node& node) {
    struct While {
      Node*& place;
      While(Node*& at, Node* value) : place(at) { place = value; }
      ~While() { place = nullptr; }
    };
    const While running(kept->node, &node);
    return backward(context, dy);
  }

  /// The engine adds a gradient up over dimensions in which it is larger, as broadcasting made them; nothing else fits.
  void check_gradient(const char* name, size_t i, const Tensor& dx) const {
    const Shape& to = inputs[i].shape;
    const Shape& from = dx.shape();
    const int64_t extra = from.size() - to.size();
    bool fits = extra >= 0;
    for (int64_t d = 0; fits && d < to.size(); ++d) fits = to[d] == from[d + extra] || to[d] == 1;
    check<ShapeError>(fits, "{}: backward gave a gradient of shape {} for input {} of shape {}", name, from, i, to);
    check<DTypeError>(is_floating_point(dx.dtype()), "{}: backward gave a gradient of dtype {} for input {}, which is {}", name,
                      gradus::name(dx.dtype()), i, gradus::name(inputs[i].dtype));
  }
};

constinit std::mutex names_mutex;
[[maybe_unused]] const bool names_prepared =
    at_fork(ForkOrder::Names, {.before = [] { names_mutex.lock(); }, .after = [] { names_mutex.unlock(); }});

/// The same text, kept for ever: nodes and the profiler refer to an operation's name without owning it.
const char* kept_name(const std::string& name) {
  const std::lock_guard lock(names_mutex);
  static auto& names = *new std::set<std::string>;
  return names.insert(name).first->c_str();
}

/// The results of a forward as tensors of their own: new handles outside every graph, and copies where they share elements with an input,
/// so that a change in place of one cannot pass the other's history by.
std::vector<Tensor> fresh_outputs(const std::vector<Tensor>& results, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> outputs;
  for (const Tensor& y : results) {
    const bool shared = std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& x) { return x.defined() && x.shares_storage_with(y); });
    outputs.push_back(shared ? y.clone() : alias_of(y));
  }
  return outputs;
}

void keep(Context::Impl& impl, const std::vector<Tensor>& results, const std::vector<Tensor>& outputs) {
  for (const Tensor& x : impl.to_save) {
    const auto found = std::find_if(results.begin(), results.end(), [&](const Tensor& y) { return y.is_same(x); });
    const bool is_output = x.defined() && found != results.end();
    const auto place = found - results.begin();
    impl.saved_output.push_back(is_output ? place : -1);
    impl.saved.emplace_back(is_output ? alias_of(outputs[static_cast<size_t>(place)]) : x);
  }
}

std::vector<uint32_t> versions_of(const std::vector<Tensor>& tensors) {
  std::vector<uint32_t> versions;
  for (const Tensor& x : tensors) versions.push_back(x.defined() ? x.version() : 0);
  return versions;
}

}  // namespace

std::vector<Tensor> apply_function(const std::vector<Tensor>& inputs, const char* name, const ContextFunction& forward,
                                   ContextFunction backward) {
  check<ValueError>(forward && backward, "{}: forward and backward must both be given", name);
  std::vector<bool> needs;
  for (const Tensor& x : inputs) needs.push_back(is_grad_enabled() && x.defined() && x.requires_grad());
  const bool recorded = std::find(needs.begin(), needs.end(), true) != needs.end();

  auto kept = std::make_shared<Context::Impl>();
  Context context(kept, needs);
  const std::vector<uint32_t> before = versions_of(inputs);
  std::vector<Tensor> results, outputs;
  {
    NoGradGuard no_grad;
    results = forward(context, inputs);
    check<AutogradError>(!results.empty(), "{}: forward gave no outputs", name);
    for (size_t i = 0; i < results.size(); ++i)
      check<AutogradError>(results[i].defined(), "{}: output {} of forward is undefined", name, i);
    check<AutogradError>(versions_of(inputs) == before, "{}: forward changed an input in place; work on a clone() of it", name);
    outputs = fresh_outputs(results, inputs);
  }
  if (recorded) {
    keep(*kept, results, outputs);
    kept->to_save.clear();
    std::vector<OutputMeta> metas;
    for (const Tensor& x : inputs) metas.push_back(x.defined() ? OutputMeta{x.shape(), x.dtype()} : OutputMeta{});
    Op(kept_name(name)).record_joint(outputs, inputs, FunctionPullback{std::move(context), kept, std::move(backward), std::move(metas)});
  }
  return outputs;
}

}  // namespace gradus::autograd
