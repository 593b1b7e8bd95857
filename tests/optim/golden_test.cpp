#include <doctest/doctest.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/io.h"
#include "gradus/optim/adam.h"
#include "gradus/optim/optimizer.h"
#include "gradus/optim/sgd.h"
#include "parsed.h"
#include "source_root.h"

using gradus::Tensor;
using nlohmann::json;
namespace optim = gradus::optim;

namespace {

/// Options as PyTorch names them, over what they are without.
optim::SGDOptions read(const json& j, optim::SGDOptions o) {
  return {.lr = j.value("lr", o.lr),
          .momentum = j.value("momentum", o.momentum),
          .dampening = j.value("dampening", o.dampening),
          .weight_decay = j.value("weight_decay", o.weight_decay),
          .nesterov = j.value("nesterov", o.nesterov)};
}
template <class Options>
Options read(const json& j, Options o) {
  return {.lr = j.value("lr", o.lr),
          .betas = j.value("betas", o.betas),
          .eps = j.value("eps", o.eps),
          .weight_decay = j.value("weight_decay", o.weight_decay),
          .amsgrad = j.value("amsgrad", o.amsgrad)};
}

template <class Optimizer, class Options>
std::unique_ptr<optim::Optimizer> make(const json& description, const std::vector<Tensor>& params) {
  const Options defaults = read(description["options"], Options{});
  std::vector<optim::ParamGroup<Options>> groups;
  for (const json& group : description["groups"]) {
    groups.push_back({.params = {}, .options = read(group, defaults)});
    for (const size_t i : group["params"]) groups.back().params.push_back(params.at(i));
  }
  return std::make_unique<Optimizer>(groups, defaults);
}

}  // namespace

TEST_CASE("optimizers take PyTorch's steps, with every combination of options and with groups") {
  const auto golden = gradus::io::load_safetensors(GRADUS_SOURCE_ROOT "/tests/golden/optim.safetensors");
  int cases = 0;
  for (;; ++cases) {
    const std::string name = "optim." + std::to_string(cases);
    if (!golden.metadata.contains(name)) break;
    const std::string text = golden.metadata.at(name);
    CAPTURE(text);
    const json description = testing::parsed(text);
    std::vector<Tensor> params;
    while (const Tensor* start = golden.find(name + ".start." + std::to_string(params.size())))
      params.push_back(start->clone().requires_grad_());

    const std::string kind = description["optimizer"];
    const auto optimizer = kind == "SGD"    ? make<optim::SGD, optim::SGDOptions>(description, params)
                           : kind == "Adam" ? make<optim::Adam, optim::AdamOptions>(description, params)
                                            : make<optim::AdamW, optim::AdamWOptions>(description, params);
    int steps = 0;
    for (;; ++steps) {
      const std::string prefix = "." + std::to_string(steps) + ".";
      if (!golden.contains(name + ".grad" + prefix + "0")) break;
      for (size_t i = 0; i < params.size(); ++i) params[i].set_grad(golden.at(name + ".grad" + prefix + std::to_string(i)).clone());
      optimizer->step();
      for (size_t i = 0; i < params.size(); ++i) {
        const double tolerance = params[i].dtype() == gradus::float32 ? 2e-6 : 1e-13;
        CHECK(params[i].detach().allclose(golden.at(name + ".after" + prefix + std::to_string(i)), tolerance, tolerance));
      }
    }
    CHECK(steps == 6);
  }
  CHECK(cases >= 27);
}
