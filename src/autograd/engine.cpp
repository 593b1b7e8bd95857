#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "autograd/arrivals.h"
#include "autograd/node.h"
#include "autograd/op.h"
#include "autograd/row_sparse.h"
#include "autograd/tensor_impl.h"
#include "core/check.h"
#include "core/meanwhile.h"
#include "core/span.h"
#include "gradus/autograd.h"
#include "gradus/creation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/reduction.h"

namespace gradus {
namespace {

/// A node that waits for its turn, with what has arrived for each of its outputs.
struct Pending {
  Ref<Node> node;
  std::vector<Tensor> dy;
  std::vector<bool> owned;  // the sum was made here, so it may be added to in place
};

/// One backward pass. Nodes run in the order of falling ids: a node's id is greater than those of the nodes that it depends on, so when
/// its turn comes, everything that can arrive has arrived.
class Pass {
 public:
  Pass(bool retain_graph, bool create_graph) : retain_graph_(retain_graph), grad_mode_(create_graph) {}

  /// With leaves_early leaves are visited as soon as nothing more can arrive there: not last, although their ids are the smallest. Those
  /// that welcome rows take row-sparse gradients that were not asked for, from one lookup each: those of several would be added up in
  /// another order than dense ones.
  void look_at_leaves(const std::vector<Edge>& roots, const autograd::GradOptions& options) {
    if (!options.leaves_early && options.rows_welcome.empty()) return;
    auto edges = edges_to_leaves(roots);
    for (const Tensor& leaf : options.rows_welcome) {
      const auto found = edges.find(gradient_edge(leaf).node.get());
      if (found != edges.end() && found->second == 1) takes_rows_.insert(found->first);
    }
    if (options.leaves_early) awaited_ = std::move(edges);
  }

  /// Gradients that arrive at `edge` are kept in `captured(i)`, i counting the calls; once one is wanted, no leaf is added to.
  void capture(const Edge& edge) {
    captures_[edge.node.get()].push_back({edge.slot, results_.size()});
    results_.emplace_back();
  }
  Tensor captured(size_t i) const { return results_[i]; }

  void run(std::vector<Edge> roots, std::vector<Tensor> gradients) {
    begin_pass();
    if (!captures_.empty()) find_paths(roots);
    for (size_t i = 0; i < roots.size(); ++i) {
      deliver(roots[i], std::move(gradients[i]));
      count_arrival(roots[i]);
    }
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      const auto found = pending_.find(heap_.back().second);
      heap_.pop_back();
      if (found == pending_.end()) continue;  // a leaf that was visited early
      Pending task = std::move(found->second);
      pending_.erase(found);
      visit(task);
    }
  }

 private:
  using Visit = std::pair<uint64_t, Node*>;

  /// How many edges lead to each leaf, those of `roots` included.
  static std::unordered_map<Node*, int64_t> edges_to_leaves(const std::vector<Edge>& roots) {
    std::unordered_map<Node*, int64_t> found;
    std::vector<Node*> stack;
    std::unordered_set<Node*> seen;
    const auto follow = [&](const Edge& edge) {
      Node* node = edge.node.get();
      if (!node) return;
      if (node->edges().empty()) ++found[node];
      else if (seen.insert(node).second) stack.push_back(node);
    };
    for (const Edge& root : roots) follow(root);
    while (!stack.empty()) {
      Node* node = stack.back();
      stack.pop_back();
      for (const Edge& edge : node->edges()) follow(edge);
    }
    return found;
  }

  /// Marks the nodes from which a captured edge can be reached, so that no other is visited.
  void find_paths(const std::vector<Edge>& roots) {
    std::vector<std::pair<Node*, bool>> stack;
    std::unordered_set<Node*> seen;
    for (const Edge& root : roots)
      if (root.node) stack.push_back({root.node.get(), false});
    while (!stack.empty()) {
      auto [node, children_done] = stack.back();
      stack.pop_back();
      if (children_done) {
        const bool leads = captures_.contains(node) || std::any_of(node->edges().begin(), node->edges().end(), [&](const Edge& e) {
                             return e.node && on_path_.contains(e.node.get());
                           });
        if (leads) on_path_.insert(node);
        continue;
      }
      if (!seen.insert(node).second) continue;
      stack.push_back({node, true});
      for (const Edge& edge : node->edges())
        if (edge.node) stack.push_back({edge.node.get(), false});
    }
  }

  /// After what `edge` brings, or does not bring, has come: visits its leaf early when it was the last.
  void count_arrival(const Edge& edge) {
    if (awaited_.empty()) return;
    const auto waiting = awaited_.find(edge.node.get());
    if (waiting == awaited_.end() || --waiting->second > 0) return;
    const auto found = pending_.find(waiting->first);
    if (found == pending_.end()) return;  // nothing came
    Pending task = std::move(found->second);
    pending_.erase(found);
    visit(task);
    early_.push_back(std::move(task.node));  // whose place in the heap stays
  }

  bool are_rows_welcome_to(std::span<const Edge> edges) const {
    if (takes_rows_.empty()) return false;
    return std::any_of(edges.begin(), edges.end(),
                       [&](const Edge& edge) { return takes_rows_.contains(edge.node.get()) && !edge.node->hooks_if_any(); });
  }

  bool wanted(Node* node) const { return captures_.empty() || on_path_.contains(node); }

  /// Adds dy to what waits at an edge, brought to the shape and dtype of the tensor there; only a leaf takes a row-sparse one.
  void deliver(const Edge& edge, Tensor dy) {
    Node* node = edge.node.get();
    if (!node || !dy.defined() || !wanted(node)) return;
    const OutputMeta& meta = node->outputs()[edge.slot];
    if (dy.is_sparse() && !node->edges().empty()) dy = dy.to_dense();
    if (dy.shape() != meta.shape) dy = sum_to(dy, meta.shape);
    if (dy.dtype() != meta.dtype) dy = dy.to(meta.dtype);

    auto [entry, fresh] = pending_.try_emplace(node);
    Pending& task = entry->second;
    if (fresh) {
      task.node = edge.node;
      task.dy.resize(node->outputs().size());
      task.owned.resize(node->outputs().size());
      heap_.push_back({node->id, node});
      std::push_heap(heap_.begin(), heap_.end());
    }
    Tensor& sum = task.dy[edge.slot];
    if (!sum.defined()) {
      sum = std::move(dy);
    } else {
      sum = sum_of_gradients(sum, dy, task.owned[edge.slot] && !grad_mode_);
      task.owned[edge.slot] = true;
    }
  }

  void run_hooks(Pending& task) {
    Node::Hooks* hooks = task.node->hooks_if_any();
    if (!hooks) return;
    std::unique_lock lock(hooks->mutex);
    const auto entries = hooks->entries;
    const auto retained = hooks->retained;
    lock.unlock();
    for (const auto& entry : entries) {
      Tensor& dy = task.dy[entry.slot];
      if (!dy.defined()) continue;
      Tensor replaced = entry.hook(dy);
      if (!replaced.defined()) continue;
      check<ShapeError>(replaced.shape() == dy.shape() && replaced.dtype() == dy.dtype(),
                        "hook on {}: gave a gradient of shape {} ({}) for one of shape {} ({})", task.node->name, replaced.shape(),
                        name(replaced.dtype()), dy.shape(), name(dy.dtype()));
      dy = replaced;
      task.owned[entry.slot] = false;
    }
    for (const auto& [slot, sink] : retained)
      if (task.dy[slot].defined()) sink->accumulate(task.dy[slot]);
  }

  void visit(Pending& task) {
    Node& node = *task.node;
    const profiling::Span span(profiling::Kind::Backward, node.name);
    run_hooks(task);
    if (const auto found = captures_.find(&node); found != captures_.end()) {
      for (const auto& [slot, result] : found->second) results_[result] = task.dy[slot];
      if (!on_path_through(node)) return;
    }
    const std::span<Edge> edges = node.edges();
    if (edges.empty() && !captures_.empty()) return;
    std::vector<Tensor> dx(edges.size());
    needed_.resize(edges.size());
    for (size_t i = 0; i < edges.size(); ++i) needed_[i] = edges[i].node && wanted(edges[i].node.get());
    {
      const RowsWelcome rows(are_rows_welcome_to(edges));
      node.pull(task.dy, InputGradients(dx, needed_, node));
    }
    if (detecting_anomalies()) [[unlikely]]
      refuse_nan(node, dx);
    Meanwhile::attend();
    task.dy.clear();
    if (!retain_graph_) node.free_saved();
    for (size_t i = 0; i < edges.size(); ++i) {
      deliver(edges[i], std::move(dx[i]));
      count_arrival(edges[i]);
    }
  }

  /// Throws AutogradError when a gradient holds NaN, with the operation and where it was called.
  static void refuse_nan(Node& node, const std::vector<Tensor>& dx) {
    NoGradGuard no_grad;
    for (size_t i = 0; i < dx.size(); ++i) {
      if (!dx[i].defined() || !any(isnan(held_values(dx[i]))).item<bool>()) continue;
      const Node::Hooks* known = node.hooks_if_any();
      fail<AutogradError>("backward: {} gave NaN in the gradient of its input {} of shape {}; \"{}\" was called at:{}",
                          node_display_name(node.name), i, dx[i].shape(), node.name,
                          known && !known->trace.empty() ? describe_trace(known->trace)
                                                         : " an unknown place; make the DetectAnomalyGuard before the forward pass");
    }
  }

  bool on_path_through(Node& node) const {
    return std::any_of(node.edges().begin(), node.edges().end(), [&](const Edge& e) { return e.node && on_path_.contains(e.node.get()); });
  }

  const bool retain_graph_;
  const bool grad_mode_;
  std::vector<Visit> heap_;
  std::unordered_map<Node*, Pending> pending_;
  std::unordered_map<Node*, std::vector<std::pair<uint32_t, size_t>>> captures_;
  std::unordered_set<Node*> on_path_;
  std::unordered_set<Node*> takes_rows_;
  std::unordered_map<Node*, int64_t> awaited_;  // by leaf, how many edges lead to it; none where leaves come last
  std::vector<Ref<Node>> early_;                // leaves that were visited early
  std::vector<bool> needed_;                    // by the node that is visited
  std::vector<Tensor> results_;
};

Tensor root_gradient(const char* op, const Tensor& output, const Tensor& given) {
  check<AutogradError>(output.requires_grad(),
                       "{}: the output of shape {} does not depend on anything that requires a gradient; call requires_grad_() on the "
                       "inputs and compute it outside a NoGradGuard",
                       op, output.shape());
  if (!given.defined()) {
    check<AutogradError>(output.numel() == 1, "{}: the output has shape {}; give a gradient of that shape, or reduce it to one number", op,
                         output.shape());
    NoGradGuard no_grad;
    return ones_like(output);
  }
  check<ShapeError>(given.shape() == output.shape(), "{}: a gradient of shape {} for an output of shape {}; they must be equal", op,
                    given.shape(), output.shape());
  check<DTypeError>(given.dtype() == output.dtype(), "{}: a gradient of dtype {} for an output of dtype {}; they must be equal", op,
                    name(given.dtype()), name(output.dtype()));
  return given;
}

struct Roots {
  std::vector<Edge> edges;
  std::vector<Tensor> gradients;
};

Roots make_roots(const char* op, const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients) {
  check<ValueError>(!outputs.empty(), "{}: no outputs", op);
  check<ValueError>(gradients.empty() || gradients.size() == outputs.size(), "{}: {} gradients for {} outputs", op, gradients.size(),
                    outputs.size());
  Roots roots;
  for (size_t i = 0; i < outputs.size(); ++i) {
    roots.gradients.push_back(root_gradient(op, outputs[i], gradients.empty() ? Tensor() : gradients[i]));
    roots.edges.push_back(gradient_edge(follow_base(outputs[i])));
  }
  return roots;
}

}  // namespace

namespace autograd {

void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients, const GradOptions& options) {
  Roots roots = make_roots("backward", outputs, gradients);
  GradMode mode(options.create_graph);
  Pass pass(options.retain_graph.value_or(options.create_graph), options.create_graph);
  for (const auto* leaves : {&options.leaves, &options.rows_welcome})
    for (const Tensor& leaf : *leaves) impl_of("backward", leaf);
  pass.look_at_leaves(roots.edges, options);
  std::optional<Arrivals> arrivals;
  if (options.arrived) arrivals.emplace(options.leaves, options.arrived);
  const Meanwhile meanwhile(options.meanwhile);
  pass.run(std::move(roots.edges), std::move(roots.gradients));
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs, const std::vector<Tensor>& grad_outputs,
                         const GradOptions& options) {
  Roots roots = make_roots("grad", outputs, grad_outputs);
  Pass pass(options.retain_graph.value_or(options.create_graph), options.create_graph);
  check<ValueError>(!inputs.empty(), "grad: no inputs");
  for (const Tensor& x : inputs) {
    check<AutogradError>(x.requires_grad(), "grad: an input of shape {} does not require a gradient; call requires_grad_() on it first",
                         x.shape());
    pass.capture(gradient_edge(follow_base(x)));
  }
  GradMode mode(options.create_graph);
  pass.run(std::move(roots.edges), std::move(roots.gradients));
  std::vector<Tensor> results;
  for (size_t i = 0; i < inputs.size(); ++i) {
    results.push_back(pass.captured(i));
    check<AutogradError>(options.allow_unused || results.back().defined(),
                         "grad: the outputs do not depend on input {} of shape {}; set allow_unused to get an undefined tensor for it", i,
                         inputs[i].shape());
  }
  return results;
}

}  // namespace autograd
}  // namespace gradus
