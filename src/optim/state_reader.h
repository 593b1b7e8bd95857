#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gradus/optim/optimizer.h"

namespace gradus::optim {

/// Takes entries out of a state, and collects all that is wrong with it.
class StateReader {
 public:
  explicit StateReader(const State& state);
  bool has(const std::string& name) const { return entries_.contains(name); }

  /// A contiguous copy of the entry; an undefined tensor when it is missing or does not fit.
  Tensor take(const std::string& name, const Shape& shape, DType dtype);
  /// Numbers stored as float64, of which `fits` must hold; zeros when they are missing or do not fit.
  std::vector<double> take_numbers(const std::string& name, size_t count, bool (*fits)(double));
  /// A whole number that is at least `smallest`; `smallest` when it is missing or does not fit.
  int64_t take_whole(const std::string& name, int64_t smallest);
  void refuse(std::string problem) { problems_.push_back(std::move(problem)); }

  /// Throws ValueError that lists the problems, and the entries that nobody took.
  void finish(const char* op);

 private:
  std::map<std::string, Tensor> entries_;
  std::vector<std::string> problems_;
};

/// Numbers as an entry of a state.
Tensor numbers(const std::vector<double>& values);
Tensor number(double value);
Tensor whole(int64_t value);

}  // namespace gradus::optim
