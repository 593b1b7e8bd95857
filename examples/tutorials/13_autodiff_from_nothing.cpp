// The program of docs/tutorials/13_autodiff_from_nothing.md: a reverse-mode engine in a hundred lines, and gradus beside it.

// [start:includes]
#include <gradus/gradus.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace autograd = gradus::autograd;
namespace plot = gradus::plot;
using gradus::Tensor;
// [end:includes]

#include "region.h"

// [start:value]
struct Node;

/// A number that knows how it was computed. It is a handle: a copy is the same number.
struct Value {
  std::shared_ptr<Node> node;

  Value(double number);  // a leaf: nothing came before it
  double number() const;
  void set(double number) const;  // changes a leaf in place
};
// [end:value]

// [start:node]
/// How a gradient goes back: from dy, that of the result y, to those of the inputs.
using Pullback = std::function<std::vector<Value>(const Value& dy, const Value& y)>;

struct Node {
  double number;
  const char* op = "leaf";
  std::vector<Value> inputs = {};
  Pullback pullback = {};
  int version = 0;      // how often number was changed in place
  long id = ++created;  // greater than the ids of all inputs, which were there before
  inline static long created = 0, alive = 0;

  explicit Node(double number) : number(number) { ++alive; }
  ~Node() { --alive; }
};

Value::Value(double number) : node(std::make_shared<Node>(number)) {}
double Value::number() const { return node->number; }
void Value::set(double number) const {
  if (!node->inputs.empty()) throw std::logic_error("set: only a leaf is changed in place");
  node->number = number;
  ++node->version;
}
// [end:node]

// [start:saved]
/// A value that a pullback keeps. Looking at it throws when it was changed meanwhile.
class Saved {
 public:
  explicit Saved(const Value& x) : x_(x), version_(x.node->version) {}
  const Value& operator*() const {
    if (x_.node->version != version_) throw std::logic_error("a value that the gradient needs was changed in place");
    return x_;
  }

 private:
  Value x_;
  int version_;
};
// [end:saved]

// [start:record]
/// Whether operations remember where they came from, while it lives.
struct Recording {
  inline static bool on = true;
  const bool before = on;
  explicit Recording(bool now) { on = now; }
  ~Recording() { on = before; }
};

static Value record(double number, const char* op, std::vector<Value> inputs, Pullback pullback) {
  Value y(number);
  if (!Recording::on) return y;
  y.node->op = op;
  y.node->inputs = std::move(inputs);
  y.node->pullback = std::move(pullback);
  return y;
}
// [end:record]

// [start:operations]
static Value operator*(const Value& a, const Value& b) {
  return record(a.number() * b.number(), "*", {a, b}, [a = Saved(a), b = Saved(b)](const Value& dy, const Value&) -> std::vector<Value> {
    return {dy * *b, dy * *a};
  });
}

static Value operator+(const Value& a, const Value& b) {
  return record(a.number() + b.number(), "+", {a, b}, [](const Value& dy, const Value&) -> std::vector<Value> { return {dy, dy}; });
}

static Value operator-(const Value& a, const Value& b) {
  return record(a.number() - b.number(), "-", {a, b}, [](const Value& dy, const Value&) -> std::vector<Value> { return {dy, dy * -1}; });
}

static Value tanh(const Value& x) {
  return record(std::tanh(x.number()), "tanh", {x},
                [](const Value& dy, const Value& y) -> std::vector<Value> { return {dy * (1 - y * y)}; });
}
// [end:operations]

// [start:gradients]
/// dy/dx for each x of xs. With `again` the walk is recorded, so that its results can be differentiated.
static std::vector<Value> gradients(const Value& y, const std::vector<Value>& xs, bool again = false) {
  struct Waiting {
    Value value, gradient;
  };
  const Recording recording(again);
  std::vector<Value> found(xs.size(), Value(0));
  std::map<long, Waiting, std::greater<>> waiting;  // by id: the youngest value comes first
  waiting.insert({y.node->id, {y, 1}});
  while (!waiting.empty()) {
    const auto [value, dy] = waiting.extract(waiting.begin()).mapped();
    for (size_t i = 0; i < xs.size(); ++i)
      if (xs[i].node == value.node) found[i] = dy;
    const std::vector<Value>& inputs = value.node->inputs;
    if (inputs.empty()) continue;  // a leaf
    const std::vector<Value> dx = value.node->pullback(dy, value);
    for (size_t i = 0; i < inputs.size(); ++i) {
      const auto [place, first] = waiting.insert({inputs[i].node->id, {inputs[i], dx[i]}});
      if (!first) place->second.gradient = place->second.gradient + dx[i];  // used more than once: the shares add up
    }
  }
  return found;
}
// [end:gradients]

// [start:paths]
/// What somebody would write who has no order: each share is carried on as soon as it arrives. Counts its steps.
static void carry(const Value& value, double dy, const Value& x, double& sum, long& steps) {
  ++steps;
  if (value.node == x.node) sum += dy;
  if (value.node->inputs.empty()) return;
  const std::vector<Value> dx = value.node->pullback(dy, value);
  for (size_t i = 0; i < dx.size(); ++i) carry(value.node->inputs[i], dx[i].number(), x, sum, steps);
}
// [end:paths]

// [start:careless]
static Value careless_product(const Value& a, const Value& b) {
  return record(a.number() * b.number(), "*", {a, b}, [a, b](const Value& dy, const Value&) -> std::vector<Value> {
    return {dy * b, dy * a};
  });
}
// [end:careless]

// [start:leaky]
static Value leaky_tanh(const Value& x) {
  Value y = record(std::tanh(x.number()), "tanh", {x}, {});
  y.node->pullback = [y](const Value& dy, const Value&) -> std::vector<Value> { return {dy * (1 - y * y)}; };  // y holds y
  return y;
}
// [end:leaky]

// [start:network]
/// 2 inputs, H units with tanh, 1 output with tanh. w: H rows of 4, which are a unit's weight in the sum, its two weights and its bias;
/// then the bias of the sum. T is a number of either engine.
template <class T>
static T network(const std::vector<T>& w, double x0, double x1) {
  T sum = w.back();
  for (size_t i = 0; i + 4 < w.size(); i += 4) sum = sum + w[i] * tanh(w[i + 1] * x0 + w[i + 2] * x1 + w[i + 3]);
  return tanh(sum);
}

struct Example {
  double x0, x1, label;
};

/// The mean of (network - label)².
template <class T>
static T mean_loss(const std::vector<T>& w, const std::vector<Example>& examples) {
  T sum = (network(w, examples[0].x0, examples[0].x1) - examples[0].label) * 0;
  for (const Example& example : examples) {
    const T error = network(w, example.x0, example.x1) - example.label;
    sum = sum + error * error;
  }
  return sum * (1.0 / static_cast<double>(examples.size()));
}
// [end:network]

// [start:circle]
/// Points of a square; the label is 1 inside a circle and -1 outside.
static std::vector<Example> circle(int64_t count) {
  const Tensor points = gradus::rand({count, 2}, {.dtype = gradus::float64}) * 2 - 1;  // (count, 2)
  std::vector<Example> examples;
  for (int64_t i = 0; i < count; ++i) {
    const double x0 = points[i][0].item(), x1 = points[i][1].item();
    examples.push_back({x0, x1, x0 * x0 + x1 * x1 < 0.5 ? 1.0 : -1.0});
  }
  return examples;
}
// [end:circle]

// [start:answer_1]
static Value exp(const Value& x) {
  return record(std::exp(x.number()), "exp", {x}, [](const Value& dy, const Value& y) -> std::vector<Value> { return {dy * y}; });
}

static Value operator/(const Value& a, const Value& b) {
  return record(a.number() / b.number(), "/", {a, b}, [b = Saved(b)](const Value& dy, const Value& y) -> std::vector<Value> {
    const Value da = dy / *b;
    return {da, da * y * -1};  // d(a/b)/db = -a/b² = -y/b
  });
}

/// 1 / (1 + e^-x), of the pieces, for either engine.
template <class T>
static T logistic(const T& x) {
  return 1.0 / (exp(x * -1.0) + 1.0);
}
// [end:answer_1]

// [start:answer_2]
/// The graph behind y for Graphviz: values as boxes, an arrow from each input to the result.
static std::string graphviz(const Value& y) {
  std::map<long, Value, std::greater<>> waiting{{y.node->id, y}};  // each value once, as in gradients()
  std::string text = "digraph {\n  rankdir = LR\n  node [shape = box]\n";
  while (!waiting.empty()) {
    const Value value = waiting.extract(waiting.begin()).mapped();
    const std::string name = "v" + std::to_string(value.node->id);
    char label[64];
    std::snprintf(label, sizeof label, "%s\\n%.2f", value.node->op, value.number());
    text += "  " + name + " [label = \"" + label + "\"]\n";
    for (const Value& input : value.node->inputs) {
      text += "  v" + std::to_string(input.node->id) + " -> " + name + "\n";
      waiting.insert({input.node->id, input});
    }
  }
  return text + "}\n";
}
// [end:answer_2]

// [start:answer_3]
/// Σ a[i] b[i] as one node with 2 n inputs.
static Value dot(const std::vector<Value>& a, const std::vector<Value>& b) {
  double sum = 0;
  std::vector<Value> inputs;
  std::vector<Saved> factors;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += a[i].number() * b[i].number();
    inputs.insert(inputs.end(), {a[i], b[i]});
    factors.insert(factors.end(), {Saved(b[i]), Saved(a[i])});  // each in the other's place
  }
  return record(sum, "dot", inputs, [factors](const Value& dy, const Value&) {
    std::vector<Value> dx;
    for (const Saved& factor : factors) dx.push_back(dy * *factor);
    return dx;
  });
}

/// The same of products and sums.
static Value dot_of_pieces(const std::vector<Value>& a, const std::vector<Value>& b) {
  Value sum = a[0] * b[0];
  for (size_t i = 1; i < a.size(); ++i) sum = sum + a[i] * b[i];
  return sum;
}
// [end:answer_3]

int main() {
  region("first");
  // [start:first]
  Value a = 1.0, b = -2.0;
  Value p = a * b;     // -2
  Value s = p + a;     // -1: a is used a second time
  Value y = tanh(s);   // -0.76
  Value loss = y * y;  // 0.58: y, twice
  for (const Value& v : {a, b, p, s, y, loss}) std::printf("%ld  %-4s  %5.2f\n", v.node->id, v.node->op, v.number());
  // [end:first]

  region("gradients");
  // [start:asked]
  const std::vector<Value> slopes = gradients(loss, {loss, y, s, p, b, a});
  for (const Value& slope : slopes) std::printf("%5.2f ", slope.number());
  std::printf("\n");
  // [end:asked]

  region("paths");
  // [start:doubled]
  Value x = 1.0, doubled = x;
  for (int i = 0; i < 16; ++i) doubled = doubled + doubled;  // 2^16 x
  double sum = 0;
  long steps = 0;
  carry(doubled, 1, x, sum, steps);
  std::printf("every share at once: %.0f in %ld steps\n", sum, steps);
  std::printf("the youngest first:  %.0f in 17 steps\n", gradients(doubled, {x})[0].number());
  // [end:doubled]

  region("changed");
  // [start:changed]
  Value u = 2.0, v = 3.0;
  Value careful = u * v, careless = careless_product(u, v);
  u.set(10.0);  // after the products were computed
  std::printf("careless: %.0f\n", gradients(careless, {v})[0].number());
  try {
    gradients(careful, {v});
  } catch (const std::logic_error& error) {
    std::printf("careful:  %s\n", error.what());
  }
  // [end:changed]

  region("changed_too");
  // [start:changed_too]
  Tensor tu = gradus::tensor(2.0).requires_grad_(), tv = gradus::tensor(3.0).requires_grad_();  // (), ()
  Tensor product = tu * tv;                                                                     // ()
  {
    gradus::NoGradGuard no_grad;
    tu.fill_(10);
  }
  try {
    product.backward();
  } catch (const gradus::AutogradError& error) {
    std::printf("gradus:   %s\n", error.what());
  }
  // [end:changed_too]

  region("cycle");
  // [start:cycle]
  const long before = Node::alive;
  for (int i = 0; i < 100; ++i) tanh(x);
  std::printf("after 100 of tanh:       %ld values left\n", Node::alive - before);
  for (int i = 0; i < 100; ++i) leaky_tanh(x);
  std::printf("after 100 of leaky_tanh: %ld values left\n", Node::alive - before);
  // [end:cycle]

  region("again");
  // [start:again]
  Value z = 0.5;
  const Value first = gradients(tanh(z), {z}, true)[0];
  const Value second = gradients(first, {z}, true)[0];
  const Value third = gradients(second, {z})[0];
  std::printf("here:   %.6f, %.6f, %.6f\n", first.number(), second.number(), third.number());
  // [end:again]
  // [start:again_too]
  Tensor t = gradus::tensor(0.5, {.dtype = gradus::float64}).requires_grad_();  // ()
  const Tensor t1 = autograd::grad({t.tanh()}, {t}, {}, {.create_graph = true})[0];
  const Tensor t2 = autograd::grad({t1}, {t}, {}, {.create_graph = true})[0];
  const Tensor t3 = autograd::grad({t2}, {t})[0];
  std::printf("gradus: %.6f, %.6f, %.6f\n", t1.item(), t2.item(), t3.item());
  // [end:again_too]

  region("agree");
  // [start:agree]
  gradus::manual_seed(0);
  const int64_t hidden = 6;
  const std::vector<Example> examples = circle(120);
  const std::vector<double> start = gradus::randn({4 * hidden + 1}, {.dtype = gradus::float64}).to_vector<double>();
  const std::vector<Value> ours(start.begin(), start.end());  // 25 values
  std::vector<Tensor> theirs;                                 // 25 tensors of shape ()
  for (const double w : start) theirs.push_back(gradus::tensor(w, {.dtype = gradus::float64}).requires_grad_());

  const Value our_loss = mean_loss(ours, examples);
  const Tensor their_loss = mean_loss(theirs, examples);  // ()
  const std::vector<Value> our_slopes = gradients(our_loss, ours);
  const std::vector<Tensor> their_slopes = autograd::grad({their_loss}, theirs);
  double apart = 0;
  for (size_t i = 0; i < ours.size(); ++i) apart = std::max(apart, std::abs(our_slopes[i].number() - their_slopes[i].item()));
  std::printf("loss %.6f here, %.6f in gradus\n", our_loss.number(), their_loss.item());
  std::printf("largest difference of %zu derivatives: %.1e\n", ours.size(), apart);
  // [end:agree]

  region("train");
  // [start:train]
  for (int step = 0; step <= 200; ++step) {
    const Value now = mean_loss(ours, examples);
    if (step % 50 == 0) std::printf("step %3d: loss %.3f\n", step, now.number());
    const std::vector<Value> slope = gradients(now, ours);
    for (size_t i = 0; i < ours.size(); ++i) ours[i].set(ours[i].number() - 0.5 * slope[i].number());
  }
  // [end:train]

  // [start:picture]
  std::vector<double> inside[2], outside[2], answers;
  for (const Example& example : examples) {
    std::vector<double>* where = example.label > 0 ? inside : outside;
    where[0].push_back(example.x0), where[1].push_back(example.x1);
  }
  std::vector<std::string> across(21), down(21);  // the names of columns and rows: most have none
  across[0] = down[20] = "−1", across[10] = down[10] = "0", across[20] = down[0] = "1";
  {
    const Recording off(false);
    for (int row = 0; row <= 20; ++row)
      for (int column = 0; column <= 20; ++column) answers.push_back(network(ours, column / 10.0 - 1, 1 - row / 10.0).number());
  }
  plot::save(
      "circle.svg",
      {plot::Figure({.title = "points", .width = 400, .height = 400, .x_range = plot::Range{-1, 1}, .y_range = plot::Range{-1, 1}})
           .scatter(inside[0], inside[1], {.label = "inside"})
           .scatter(outside[0], outside[1], {.label = "outside"}),
       plot::Figure({.title = "answers", .width = 400, .height = 400})
           .heat_map(gradus::from_vector(answers, {21, 21}), {.row_labels = down, .column_labels = across, .range = plot::Range{-1, 1}})});
  // [end:picture]

  // [start:whole]
  const Tensor flat = gradus::from_vector(start, 4 * hidden + 1);                        // (4 H + 1) float64
  const Tensor rows = flat.slice(0, 0, 4 * hidden).view({hidden, 4});                    // (H, 4)
  Tensor v_out = rows.slice(1, 0, 1).t().clone().requires_grad_();                       // (1, H)
  Tensor W = rows.slice(1, 1, 3).clone().requires_grad_();                               // (H, 2)
  Tensor bias = rows.select(1, 3).clone().requires_grad_();                              // (H)
  Tensor bias_out = flat.slice(0, 4 * hidden, 4 * hidden + 1).clone().requires_grad_();  // (1)
  std::vector<double> coordinates, signs;
  for (const Example& e : examples) coordinates.insert(coordinates.end(), {e.x0, e.x1}), signs.push_back(e.label);
  const int64_t N = static_cast<int64_t>(signs.size());
  const Tensor X = gradus::from_vector(coordinates, {N, 2});  // (N, 2)
  const Tensor labels = gradus::from_vector(signs, {N, 1});   // (N, 1)
  const auto whole_loss = [&] {
    const Tensor units = gradus::linear(X, W, bias).tanh();               // (N, H)
    const Tensor answer = gradus::linear(units, v_out, bias_out).tanh();  // (N, 1)
    return (answer - labels).pow(2).mean();                               // ()
  };
  // [end:whole]

  region("nodes");
  // [start:nodes]
  gradus::Profiler profiler;
  const std::vector<Tensor> whole_slopes = autograd::grad({whole_loss()}, {W, bias, v_out, bias_out});
  profiler.stop();
  int64_t visited = 0;
  for (const auto& entry : profiler.entries())
    if (entry.name.find("Backward") != std::string::npos) visited += entry.calls;
  const long nodes = Node::created;
  const Value counted = mean_loss(std::vector<Value>(start.begin(), start.end()), examples);
  std::printf("nodes of one step: %ld of numbers, %lld of tensors\n", Node::created - nodes, static_cast<long long>(visited));
  std::printf("db of the first unit: %.6f and %.6f\n", our_slopes[3].number(), whole_slopes[1][0].item());
  // [end:nodes]

  region("times");
  // [start:times]
  const auto milliseconds = [](int times, const auto& step) {  // of the processor, whatever else it does
    step();                                                    // the first time allocates
    const std::clock_t begin = std::clock();
    for (int i = 0; i < times; ++i) step();
    return 1000.0 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC / times;
  };
  std::printf("one step, in milliseconds\n");
  std::printf("numbers, this engine: %.2f\n", milliseconds(10, [&] { gradients(mean_loss(ours, examples), ours); }));
  std::printf("numbers, gradus:      %.2f\n", milliseconds(10, [&] { autograd::grad({mean_loss(theirs, examples)}, theirs); }));
  std::printf("tensors, gradus:      %.2f\n", milliseconds(100, [&] { autograd::grad({whole_loss()}, {W, bias, v_out, bias_out}); }));
  // [end:times]

  region("answer_1");
  // [start:run_1]
  Value q = 0.7;
  Tensor tq = gradus::tensor(0.7, {.dtype = gradus::float64}).requires_grad_();  // ()
  std::printf("here:    %.6f, slope %.6f\n", logistic(q).number(), gradients(logistic(q), {q})[0].number());
  std::printf("gradus:  %.6f, slope %.6f\n", logistic(tq).item(), autograd::grad({logistic(tq)}, {tq})[0].item());
  std::printf("sigmoid: %.6f, slope %.6f\n", tq.sigmoid().item(), autograd::grad({tq.sigmoid()}, {tq})[0].item());
  // [end:run_1]

  region("answer_2");
  // [start:run_2]
  std::printf("%s", graphviz(loss).c_str());
  // [end:run_2]

  region("answer_3");
  // [start:run_3]
  const std::vector<Value> left{1, 2, 3, 4}, right{5, 6, 7, 8};
  long count = Node::created;
  const Value fused = dot(left, right);
  std::printf("dot:         %.0f, %ld value made\n", fused.number(), Node::created - count);
  count = Node::created;
  const Value pieces = dot_of_pieces(left, right);
  std::printf("its pieces:  %.0f, %ld values made\n", pieces.number(), Node::created - count);
  std::printf("d/dleft[2]:  %.0f and %.0f\n", gradients(fused, left)[2].number(), gradients(pieces, left)[2].number());
  // [end:run_3]
}
