// The program of docs/tutorials/12_when_it_goes_wrong.md: mistakes on purpose, and how each of them shows.

// [start:includes]
#include <gradus/gradus.h>

#include <cmath>
#include <cstdio>
#include <ctime>
#include <functional>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace autograd = gradus::autograd;
namespace nn = gradus::nn;
namespace optim = gradus::optim;
namespace plot = gradus::plot;
using gradus::Tensor;
// [end:includes]

#include "region.h"

// [start:attempt]
/// Calls f, and prints what the library says to it.
static void attempt(const std::function<void()>& f) {
  try {
    f();
    std::cout << "no error\n";
  } catch (const gradus::Error& error) {
    const std::string text = error.what();
    std::cout << text.substr(0, text.find('\n')) << "\n";
  }
}
// [end:attempt]

// [start:tagger]
/// Gives each word of a sentence one of 5 tags. Its head takes 32 features, and the GRU gives 16.
struct Tagger : nn::Module {
  nn::Embedding embedding = register_module("embedding", nn::Embedding(100, 8));
  nn::GRU rnn = register_module("rnn", nn::GRU(8, 16));
  nn::Linear head = register_module("head", nn::Linear(32, 5));
  Tensor operator()(const Tensor& tokens) const { return head(rnn(embedding(tokens)).output); }  // (T, B) → (T, B, 5)
};
// [end:tagger]

// [start:log]
/// The natural logarithm as a layer.
struct Log : nn::Module {
  Tensor operator()(const Tensor& x) const { return x.log(); }
};
// [end:log]

// [start:watch]
static bool finite(const Tensor& x) { return gradus::isfinite(x).all().item<bool>(); }

/// From now on, the first layer inside net that gives a number that is not finite throws.
static void watch(const nn::Module& net) {
  const auto look = [](const nn::Module& layer, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs) {
    const gradus::NoGradGuard no_grad;
    if (!finite(outputs[0]))
      throw gradus::ValueError(layer.type_name() + " gives NaN or infinity; its inputs go from " + std::to_string(inputs[0].min().item()) +
                               " to " + std::to_string(inputs[0].max().item()));
    return std::vector<Tensor>();  // the output stays as it is
  };
  for (const auto& [name, layer] : net.named_children()) layer.register_forward_hook(look);
}
// [end:watch]

// [start:explode]
/// Reads a sequence, and gives one number.
struct Adder : nn::Module {
  nn::RNN rnn = register_module("rnn", nn::RNN(1, 32, {.nonlinearity = nn::RNNNonlinearity::Relu}));
  nn::Linear head = register_module("head", nn::Linear(32, 1));
  Tensor operator()(const Tensor& x) const { return head(rnn(x).h_n[0]); }  // (T, B, 1) → (B, 1)
};

struct Run {
  std::vector<double> loss, norm;  // one entry a step
};

/// Trains a recurrent network to add up 25 numbers. max_norm is what gradients are clipped to.
static Run add_up(double max_norm) {
  gradus::manual_seed(3);
  const Adder adder;
  adder.to(gradus::float64);  // for the page: the same numbers on other processors
  optim::SGD sgd(adder.parameters(), {.lr = 0.001});
  Run run;
  for (int step = 0; step < 150; ++step) {
    const Tensor x = gradus::rand({25, 16, 1}, {.dtype = gradus::float64});  // (T, B, 1)
    const Tensor error = adder(x) - x.sum(0);                                // (B, 1)
    const Tensor loss = error.pow(2).mean();                                 // ()
    sgd.zero_grad();
    loss.backward();
    run.loss.push_back(loss.item());
    run.norm.push_back(nn::clip_grad_norm_(adder, max_norm, 2, false));  // the norm before clipping
    sgd.step();
  }
  return run;
}
// [end:explode]

// [start:faults]
/// In which of two classes is a point of the plane? The class says whether its coordinates have the same sign.
struct Net : nn::Module {
  nn::Linear hidden = register_module("hidden", nn::Linear(2, 32));
  nn::Linear out = register_module("out", nn::Linear(32, 2));
  bool cut = false;                           // whether the graph ends behind the hidden layer
  Tensor operator()(const Tensor& x) const {  // (B, 2) → (B, 2)
    const Tensor units = hidden(x).relu();    // (B, 32)
    return out(cut ? units.detach() : units);
  }
};

/// What may be wrong with a training.
struct Fault {
  const char* name;
  double rate = 0.5;
  bool zero_grad = true, cut = false, dead = false, shuffled = false;
};

static const std::vector<Fault> kFaults{{.name = "nothing wrong"},
                                        {.name = "rate 0.001", .rate = 0.001},
                                        {.name = "rate 20", .rate = 20},
                                        {.name = "no zero_grad", .zero_grad = false},
                                        {.name = "graph cut", .cut = true},
                                        {.name = "dead ReLU", .dead = true},
                                        {.name = "labels shuffled", .shuffled = true}};

struct Outcome {
  std::vector<double> loss;  // one a step
  double first, last;        // norms of the gradients of both layers after the first step's backward
  double idle;               // which part of the hidden units is 0 at all points
};

static Outcome train(const Fault& fault, int64_t count, int steps) {
  gradus::manual_seed(1);
  const Tensor x = gradus::randn({count, 2}).to(gradus::float64);      // (N, 2)
  Tensor y = (x.select(1, 0) * x.select(1, 1) > 0).to(gradus::int64);  // (N)
  if (fault.shuffled) y = y.index_select(0, gradus::randperm(count));  // (N)
  Net net;
  net.to(gradus::float64);  // for the page, as above
  net.cut = fault.cut;
  if (fault.dead) {
    const gradus::NoGradGuard no_grad;
    net.hidden.bias.fill_(-10);
  }
  optim::SGD sgd(net.parameters(), {.lr = fault.rate});
  Outcome outcome{};
  for (int step = 0; step < steps; ++step) {
    const Tensor loss = gradus::cross_entropy(net(x), y);  // ()
    if (fault.zero_grad) sgd.zero_grad();
    loss.backward();
    if (step == 0) outcome.first = nn::grad_norm(net.hidden.parameters()), outcome.last = nn::grad_norm(net.out.parameters());
    sgd.step();
    outcome.loss.push_back(loss.item());
  }
  const gradus::NoGradGuard no_grad;
  const Tensor units = net.hidden(x).relu();  // (N, 32)
  outcome.idle = (units.sum(0) == 0).to(gradus::float32).mean().item();
  return outcome;
}
// [end:faults]

// [start:answer_1]
/// The loss after 200 steps of a classifier whose scores go through a softmax first, or not.
static double with_softmax(bool twice) {
  gradus::manual_seed(1);
  const Tensor x = gradus::randn({256, 2});                                  // (N, 2)
  const Tensor y = (x.select(1, 0) * x.select(1, 1) > 0).to(gradus::int64);  // (N)
  const nn::Sequential net(nn::Linear(2, 32), nn::ReLU(), nn::Linear(32, 2));
  optim::SGD sgd(net.parameters(), {.lr = 0.5});
  double last = 0;
  for (int step = 0; step < 200; ++step) {
    const Tensor scores = net(x);                                                      // (N, 2)
    const Tensor loss = gradus::cross_entropy(twice ? scores.softmax(1) : scores, y);  // ()
    sgd.zero_grad();
    loss.backward();
    sgd.step();
    last = loss.item();
  }
  return last;
}
// [end:answer_1]

// [start:answer_2]
/// Norms of the gradients of the first and the last of 12 layers.
template <class Activation>
static void compare_layers(const char* name) {
  gradus::manual_seed(0);
  nn::Sequential net;
  for (int i = 0; i < 12; ++i) net.push_back(nn::Linear(32, 32)), net.push_back(Activation());
  const Tensor x = gradus::randn({64, 32});  // (N, 32)
  net(x).pow(2).mean().backward();
  const std::vector<Tensor> parameters = net.parameters();  // weight and bias of each layer
  const double first = nn::grad_norm({parameters[0]}), last = nn::grad_norm({parameters[22]});
  std::printf("%-8s first %.1e, last %.1e, ratio %.0e\n", name, first, last, first / last);
}
// [end:answer_2]

int main() {
  region("shapes");
  // [start:shapes]
  gradus::manual_seed(0);
  const Tagger tagger;
  attempt([&] { tagger(gradus::randint(100, {7, 4})); });                                         // tokens (T 7, B 4)
  attempt([&] { tagger(gradus::randint(101, {700, 4})); });                                       // a word that is not in the vocabulary
  attempt([&] { tagger.rnn(gradus::randn({4, 7, 8}), gradus::zeros({1, 4, 16})); });              // (B 4, T 7, E 8), but not batch_first
  attempt([&] { gradus::cross_entropy(gradus::randn({4, 7, 5}), gradus::randint(5, {4, 7})); });  // scores (B, T, V): V must come second
  attempt([&] { gradus::cross_entropy(gradus::randn({4, 5}), gradus::zeros({4})); });             // classes that are float32
  attempt([&] { gradus::randn({7, 4}).matmul(gradus::randn({7, 4})); });
  // [end:shapes]

  region("silent");
  // [start:silent]
  const Tensor prediction = gradus::tensor({{1.0}, {2.0}, {3.0}});  // (B 3, 1)
  const Tensor truth = gradus::tensor({1.0, 2.0, 3.0});             // (B 3)
  std::cout << "loss " << (prediction - truth).pow(2).mean().item() << ", of a difference of shape " << (prediction - truth).shape()
            << "\n";
  attempt([&] { gradus::mse_loss(prediction, truth); });
  // [end:silent]

  region("nan");
  // [start:nan]
  const nn::Sequential net(nn::Linear(4, 8), nn::ReLU(), Log(), nn::Linear(8, 2));
  const Tensor points = gradus::randn({5, 4});  // (B 5, 4)
  std::cout << "data finite:   " << (finite(points) ? "yes" : "no") << "\n";
  std::cout << "output finite: " << (finite(net(points)) ? "yes" : "no") << "\n";
  watch(net);
  attempt([&] { net(points); });
  // [end:nan]

  region("anomaly");
  // [start:anomaly]
  const nn::Linear layer(4, 3);
  const auto mean_length = [&](const Tensor& x) { return layer(x).pow(2).sum(1).sqrt().mean(); };  // (B, 4) → ()
  {
    const gradus::NoGradGuard no_grad;
    layer.bias.zero_();
  }
  const Tensor empty_row = gradus::zeros({1, 4});
  std::cout << "loss " << mean_length(empty_row).item() << "\n";
  mean_length(empty_row).backward();
  attempt([&] { nn::clip_grad_norm_(layer, 1.0); });
  attempt([&] {
    const autograd::DetectAnomalyGuard guard;  // before the forward pass
    mean_length(empty_row).backward();
  });
  // [end:anomaly]

  region("explode");
  // [start:exploding]
  const Run free = add_up(INFINITY), clipped = add_up(20);
  std::printf("              free                   clipped to 20\n");
  for (const size_t i : {0, 10, 20, 23, 25, 27, 149})
    std::printf("step %3zu: norm %8.2g loss %8.2g     norm %8.2g loss %8.2g\n", i, free.norm[i], free.loss[i], clipped.norm[i],
                clipped.loss[i]);
  // [end:exploding]

  // [start:explode_picture]
  const auto over = [](const char* title, const std::vector<double>& of_free, const std::vector<double>& of_clipped) {
    return plot::Figure({.title = title, .x_label = "step", .width = 400, .height = 340, .log_y = true, .y_range = plot::Range{1, 1e6}})
        .line(of_free, "free")
        .line(of_clipped, "clipped to 20");
  };
  plot::save("gradients.svg", {over("norm of the gradient", free.norm, clipped.norm), over("loss", free.loss, clipped.loss)});
  // [end:explode_picture]

  region("detached");
  // [start:detached]
  attempt([] { nn::Linear(2, 2)(gradus::ones({1, 2})).detach().sum().backward(); });
  // [end:detached]

  region("faults");
  // [start:stays]
  std::printf("                 loss of 256 points           gradient, step 0    units      8 points\n");
  std::printf("                 step 0   step 20  step 120   hidden    out       always 0   by heart\n");
  const plot::FigureOptions frame{.x_label = "step", .y_label = "loss", .width = 420, .height = 360, .y_range = plot::Range{0, 1.2}};
  plot::Figure left(frame), right(frame);
  for (size_t i = 0; i < kFaults.size(); ++i) {
    const Fault& fault = kFaults[i];
    const Outcome all = train(fault, 256, 121), eight = train(fault, 8, 601);
    std::printf("%-16s %-8.3g %-8.3g %-8.3g   %-8.3f  %-8.3f  %3.0f %%      %s\n", fault.name, all.loss[0], all.loss[20], all.loss[120],
                all.first, all.last, 100 * all.idle, eight.loss[600] < 0.05 ? "yes" : "no");
    if (i < 4) left.line(all.loss, fault.name);
    if (i == 0 || i >= 4) right.line(all.loss, fault.name);
  }
  plot::save("losses.svg", {left, right});
  // [end:stays]

  region("profile");
  // [start:profile]
  const nn::Sequential model(nn::Linear(64, 256), nn::ReLU(), nn::Linear(256, 10));
  optim::Adam adam(model.parameters());
  const auto step = [&](int64_t batch) {
    const Tensor loss = gradus::cross_entropy(model(gradus::ones({batch, 64})), gradus::zeros({batch}, {.dtype = gradus::int64}));
    adam.zero_grad();
    loss.backward();
    adam.step();
  };
  step(32);  // the first step allocates
  gradus::Profiler profiler;
  for (int i = 0; i < 20; ++i) step(32);
  profiler.stop();
  std::cout << profiler.table(5);
  // [end:profile]

  region("speed");
  // [start:speed]
  std::printf("microseconds of the processor an example\n");
  for (const int64_t batch : {1, 4, 16, 64, 256}) {
    step(batch);
    const std::clock_t begin = std::clock();
    for (int i = 0; i < 50; ++i) step(batch);
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    std::printf("batches of %3lld: %6.1f\n", static_cast<long long>(batch), 1e6 * seconds / 50 / static_cast<double>(batch));
  }
  // [end:speed]

  region("memory");
  // [start:memory]
  nn::Sequential deep;
  for (int i = 0; i < 20; ++i) deep.push_back(nn::Linear(256, 256)), deep.push_back(nn::Tanh());
  const Tensor input = gradus::ones({256, 256});  // (B, 256)
  const auto peak = [&] {
    gradus::reset_peak_memory();
    const size_t before = gradus::memory_stats().live_bytes;
    deep(input);  // (B, 256)
    return (gradus::memory_stats().peak_bytes - before) / 1024;
  };
  std::printf("recorded:         %5zu kB at the peak\n", peak());
  const auto unrecorded = [&] {
    const gradus::NoGradGuard no_grad;
    return peak();
  };
  std::printf("with NoGradGuard: %5zu kB\n", unrecorded());
  // [end:memory]

  region("answer_1");
  // [start:run_1]
  std::printf("scores:          %.3f\n", with_softmax(false));
  std::printf("softmax, scores: %.3f, and it cannot be below %.3f\n", with_softmax(true), std::log(1 + std::exp(-1.0)));
  // [end:run_1]

  region("answer_2");
  // [start:run_2]
  compare_layers<nn::Sigmoid>("sigmoid");
  compare_layers<nn::Tanh>("tanh");
  compare_layers<nn::ReLU>("ReLU");
  // [end:run_2]

  region("answer_3");
  // [start:run_3]
  const nn::Sequential dropping(nn::Linear(4, 64), nn::ReLU(), nn::Dropout(0.5), nn::Linear(64, 2));
  const auto same = [&] { return gradus::equal(dropping(points), dropping(points)) ? "yes" : "no"; };
  std::cout << "training mode, twice the same: " << same() << "\n";
  dropping.eval();
  std::cout << "after eval():                  " << same() << "\n";
  // [end:run_3]
}
