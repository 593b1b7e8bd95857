#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>

/// What CLI11 lets through.
namespace recipe {

/// Whole numbers from least to most.
CLI::Validator whole(int64_t least, int64_t most = int64_t{1} << 40);
/// Numbers from least to most; not NaN.
CLI::Validator real(double least, double most);
/// Whole numbers that would wrap round if they were below 0.
CLI::Validator not_negative();

template <class T>
void option(CLI::App& app, const std::string& name, T& value, const std::string& help, const CLI::Validator& check) {
  app.add_option(name, value, help)->check(check)->capture_default_str();
}

}  // namespace recipe
