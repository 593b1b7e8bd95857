#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "gradus/nn/module.h"
#include "parity/cases.h"
#include "parity/table.h"

/// Cases of whole modules.
namespace gradus::parity {

/// A module as its constructor's arguments made it, and its call.
struct Built {
  std::shared_ptr<nn::Module> module;
  std::function<Outputs(const Arguments&)> call;
};

/// PyTorch's name and signatures, and how to build it.
struct ModuleRow {
  const char* name;
  const char* constructor;
  const char* forward;
  Built (*build)(const Arguments&);
};

/// Null when there is none.
const ModuleRow* find_module(std::string_view name);
std::vector<ModuleRow> activation_modules();
std::vector<ModuleRow> indexing_modules();
std::vector<ModuleRow> product_modules();
std::vector<ModuleRow> convolution_modules();
std::vector<ModuleRow> normalization_modules();
std::vector<ModuleRow> attention_modules();
std::vector<ModuleRow> loss_modules();
std::vector<ModuleRow> recurrent_modules();

/// Wraps a module and a function that calls it.
template <class M, class F>
Built built(M module, F call) {
  auto held = std::make_shared<M>(std::move(module));
  return {held, [held, call](const Arguments& a) { return Outputs(call(*held, a)); }};
}

/// Makes the calls of a case of any kind but "op" and compares.
Verdict run_module_case(Folder& folder, const json& test);
Verdict run_optimizer_case(Folder& folder, const json& test);
Verdict run_clip_case(Folder& folder, const json& test);
Verdict run_training_case(Folder& folder, const json& test);
/// What the manifest holds beside its cases, each with its name.
std::vector<std::pair<std::string, Verdict>> run_initialisers(const json& part);
std::vector<std::pair<std::string, Verdict>> run_schedulers(const json& part);
std::vector<std::pair<std::string, Verdict>> run_module_errors(const json& part);

/// What a module outside the project's list is skipped for; empty when it should be here.
std::string outside_the_list(std::string_view module);

/// The first difference between a module's gradients and the expected ones, or nothing.
std::string parameter_difference(Folder& folder, const json& test, const std::string& part, const nn::StateDict& ours);

}  // namespace gradus::parity
