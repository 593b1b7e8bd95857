// The complete program of docs/tutorials/01_getting_started.md: a small network learns how long the days of a year are.

#include "region.h"

// [start:train]
#include <gradus/gradus.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numbers>
#include <string>

namespace nn = gradus::nn;
using gradus::Tensor;

struct Tanh : nn::Module {
  Tensor operator()(const Tensor& x) const { return x.tanh(); }  // (...) -> (...)
};

// A network from one number to one number, with two hidden layers of 16.
nn::Sequential network() { return nn::Sequential(nn::Linear(1, 16), Tanh(), nn::Linear(16, 16), Tanh(), nn::Linear(16, 1)); }

// Day 0 … 364 of the year as a number from -1 to 1: networks like numbers of that size.
Tensor scaled(const Tensor& day) { return day / 182.0 - 1; }  // (...) -> (...)

// Hours of daylight at about 50 degrees north: a wave around 12 hours.
double hours_of_light(double day) { return 12 + 4 * std::sin(2 * std::numbers::pi * (day - 80) / 365); }

int main() {
  region("output");
  gradus::manual_seed(0);

  // The data: 100 days of the year, and the hours that somebody noted down, a few minutes off.
  const Tensor day = gradus::randint(365, {100, 1});  // (100, 1) int64
  Tensor hours = gradus::empty({100, 1});             // (100, 1) float32
  for (int i = 0; i < 100; ++i) hours[i].fill_(hours_of_light(day[i].item()));
  hours += gradus::randn({100, 1}) * 0.1;
  const Tensor x = scaled(day);       // (100, 1)
  const Tensor y = (hours - 12) / 4;  // (100, 1), between -1 and 1 too

  // The training: guess, measure, differentiate, step.
  const nn::Sequential model = network();
  std::printf("%s\n", model.str().c_str());
  gradus::optim::Adam adam(model.parameters(), {.lr = 0.01});
  for (int step = 1; step <= 1000; ++step) {
    Tensor loss = (model(x) - y).pow(2).mean();  // ()
    adam.zero_grad();
    loss.backward();
    adam.step();
    if (step == 1 || step % 250 == 0) std::printf("step %4d: loss %.4f\n", step, loss.item());
  }

  // Save the weights; load them into a new network, which knows nothing yet.
  const std::string file = std::filesystem::temp_directory_path() / "daylight.safetensors";
  gradus::io::save_safetensors(file, model.state_dict(), {{"about", "hours of daylight"}});
  const nn::Sequential loaded = network();
  loaded.load_state_dict(gradus::io::load_safetensors(file).tensors);

  // Ask it about days that it may never have seen.
  gradus::NoGradGuard no_grad;
  const Tensor question = gradus::tensor({{0}, {80}, {172}, {266}, {355}});  // (5, 1)
  const Tensor answer = loaded(scaled(question)) * 4 + 12;                   // (5, 1)
  std::printf("\n day   hours   the network says\n");
  for (int i = 0; i < question.size(0); ++i)
    std::printf("%4d   %5.1f   %5.1f\n", question[i].item<int>(), hours_of_light(question[i].item()), answer[i].item());
}
// [end:train]
