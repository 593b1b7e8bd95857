#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gradus/parallel.h"
#include "kernels/naive_recurrent.h"
#include "kernels/recurrent.h"
#include "medium_precision.h"

using namespace gradus::kernels;

namespace {

struct Problem {
  RecurrentKind kind;
  int64_t T, B, I, H;
  bool reverse = false, has_bias = true, has_lengths = false, has_states = true;
};

template <class T>
std::vector<T> random_numbers(std::mt19937& source, int64_t n, T scale) {
  std::uniform_real_distribution<T> uniform(-scale, scale);
  std::vector<T> numbers(static_cast<size_t>(n));
  for (T& x : numbers) x = uniform(source);
  return numbers;
}

/// A layer, and room for its results.
template <class T>
class Layer {
 public:
  explicit Layer(const Problem& p) : p_(p), source_(7) {
    const int64_t G = gates_of(p.kind), TBH = p.T * p.B * p.H, room = TBH + p.B * p.H;
    const T scale = 1 / std::sqrt(static_cast<T>(p.H));
    for (int64_t row = 0; p.has_lengths && row < p.B; ++row) lengths_.push_back(row % (p.T + 1));
    const int64_t states = p.has_states ? p.B * p.H : 0;
    inputs_ = {of(p.T * p.B * p.I, 1),          of(states, 1),
               of(has_cells() ? states : 0, 1), of(G * p.H * p.I, scale),
               of(G * p.H * p.H, scale),        of(p.has_bias ? G * p.H : 0, 1),
               of(p.has_bias ? G * p.H : 0, 1)};
    dy_ = {of(TBH, 1), of(p.B * p.H, 1), of(has_cells() ? p.B * p.H : 0, 1)};
    for (const auto& input : inputs_) gradients_.emplace_back(input.size(), T(9));
    saved_ = {Numbers(static_cast<size_t>(room)), Numbers(static_cast<size_t>(has_cells() ? room : 0)),
              Numbers(static_cast<size_t>(G * TBH)), Numbers(static_cast<size_t>(TBH))};
    h_n_.resize(static_cast<size_t>(p.B * p.H)), c_n_.resize(static_cast<size_t>(has_cells() ? p.B * p.H : 0));
  }

  /// The states after every step, the last ones, and every gradient.
  std::vector<std::vector<T>> run(bool naively) {
    const RecurrentSizes s{p_.T, p_.B, p_.I, p_.H, p_.reverse, lengths_.empty() ? nullptr : lengths_.data()};
    const int64_t start = p_.reverse ? 0 : p_.B * p_.H;
    const RecurrentSaved<T> saved{saved_[0].data() + start, has_cells() ? saved_[1].data() + start : nullptr, saved_[2].data(),
                                  saved_[3].data()};
    const auto in = arrays<const T>(inputs_);
    const RecurrentOutputs<const T> dy{or_null<const T>(dy_[0]), or_null<const T>(dy_[1]), or_null<const T>(dy_[2])};
    const auto dx = arrays<T>(gradients_);
    if (naively) {
      naive_recurrent_forward(p_.kind, s, in, saved, h_n_.data(), or_null<T>(c_n_));
      naive_recurrent_backward(p_.kind, s, in, saved, dy, dx);
    } else {
      recurrent_forward(p_.kind, s, in, saved, h_n_.data(), or_null<T>(c_n_));
      recurrent_backward(p_.kind, s, in, saved, dy, dx);
    }
    std::vector<std::vector<T>> results{saved_[0], saved_[1], h_n_, c_n_};
    results.insert(results.end(), gradients_.begin(), gradients_.end());
    return results;
  }

  void drop_output_gradients() { dy_[0].clear(); }
  /// Only the gradient of this input is wanted.
  void want(size_t input) {
    for (size_t i = 0; i < gradients_.size(); ++i)
      if (i != input) gradients_[i].clear();
  }

 private:
  using Numbers = std::vector<T>;

  bool has_cells() const { return p_.kind == RecurrentKind::Lstm; }
  Numbers of(int64_t n, T scale) { return random_numbers<T>(source_, n, scale); }
  template <class Element, class Array>
  static Element* or_null(Array& array) {
    return array.empty() ? nullptr : array.data();
  }
  template <class Element, class Arrays>
  static RecurrentArrays<Element> arrays(Arrays& all) {
    return {or_null<Element>(all[0]), or_null<Element>(all[1]), or_null<Element>(all[2]), or_null<Element>(all[3]),
            or_null<Element>(all[4]), or_null<Element>(all[5]), or_null<Element>(all[6])};
  }

  Problem p_;
  std::mt19937 source_;
  std::vector<int64_t> lengths_;
  std::vector<Numbers> inputs_, dy_, gradients_, saved_;
  Numbers h_n_, c_n_;
};

constexpr RecurrentKind kinds[] = {RecurrentKind::RnnTanh, RecurrentKind::RnnRelu, RecurrentKind::Lstm, RecurrentKind::Gru,
                                   RecurrentKind::GruResetBefore};

const char* name_of(RecurrentKind kind) {
  constexpr const char* names[] = {"RNN with tanh", "RNN with relu", "LSTM", "GRU", "GRU with the reset gate before the product"};
  return names[static_cast<size_t>(kind)];
}

/// Relative to the largest number of each array: sums over many rows have terms far larger than themselves.
template <class T>
void check_close(const std::vector<std::vector<T>>& ours, const std::vector<std::vector<T>>& naive, T tolerance) {
  for (size_t k = 0; k < ours.size(); ++k) {
    CAPTURE(k);
    REQUIRE(ours[k].size() == naive[k].size());
    T largest = 1, off = 0;
    for (size_t i = 0; i < ours[k].size(); ++i) {
      largest = std::max(largest, std::abs(naive[k][i]));
      const T distance = std::abs(ours[k][i] - naive[k][i]);
      off = distance <= off ? off : distance;  // NaN stays
    }
    CHECK(off <= tolerance * largest);
  }
}

template <class T>
void compare_on_threads(const Problem& p, T tolerance) {
  const int before = gradus::get_num_threads();
  const auto naive = Layer<T>(p).run(true);
  std::vector<std::vector<T>> one;
  for (const int threads : {1, 2, 3}) {
    CAPTURE(threads);
    gradus::set_num_threads(threads);
    const auto ours = Layer<T>(p).run(false);
    if (threads == 1) one = ours;
    CHECK(ours == one);
    check_close(ours, naive, tolerance);
  }
  gradus::set_num_threads(before);
}

/// Sizes that meet every way of cutting: one row, so few in all that weights stay as they lie, few, tiles of unequal size, no initial
/// states; W_ih's products by step and all at once.
void for_all_problems(void (*check)(const Problem&)) {
  for (const RecurrentKind kind : kinds)
    for (const bool reverse : {false, true})
      for (const bool has_lengths : {false, true}) {
        CAPTURE(name_of(kind));
        CAPTURE(reverse);
        CAPTURE(has_lengths);
        check({kind, 1, 1, 1, 1, reverse, true, has_lengths});
        check({kind, 1, 4, 40, 37, reverse, true, has_lengths});
        check({kind, 2, 2, 70, 33, reverse, true, has_lengths});
        check({kind, 5, 3, 4, 7, reverse, false, has_lengths});
        check({kind, 4, 20, 24, 17, reverse, true, has_lengths});
        check({kind, 6, 131, 17, 33, reverse, true, has_lengths});
        check({kind, 3, 70, 5, 64, reverse, true, has_lengths});
        check({kind, 4, 131, 17, 9, reverse, true, has_lengths, false});
      }
}

}  // namespace

TEST_CASE("the recurrent kernels of float32 give what plain loops give, forward and backward, with the same bits for 1 to 3 threads") {
  for_all_problems([](const Problem& p) { compare_on_threads<float>(p, 2e-5F); });
}

TEST_CASE("the recurrent kernels of float64 give what plain loops give, forward and backward, with the same bits for 1 to 3 threads") {
  for_all_problems([](const Problem& p) { compare_on_threads<double>(p, 1e-12); });
}

TEST_CASE(
    "at medium precision the recurrent kernels give what plain loops give of rounded operands, with the same bits for 1 to 3 threads") {
  const testing::MediumPrecision medium;
  if (!testing::MediumPrecision::is_there()) return;
  // A state that differs in its last bit may be rounded to the next number of bfloat16: 2^-8 of one term.
  for (const RecurrentKind kind : kinds)
    for (const bool has_lengths : {false, true}) {
      CAPTURE(name_of(kind));
      compare_on_threads<float>({kind, 6, 20, 24, 17, false, true, has_lengths}, 1e-3F);
      compare_on_threads<float>({kind, 5, 131, 33, 48, true, true, has_lengths}, 1e-3F);
    }
}

TEST_CASE("the recurrent kernels take no gradient of the output, and fill only the gradients that are wanted") {
  for (const RecurrentKind kind : kinds)
    for (size_t input = 0; input < 7; ++input) {
      if (input == 2 && kind != RecurrentKind::Lstm) continue;
      CAPTURE(name_of(kind));
      CAPTURE(input);
      const Problem p{kind, 4, 20, 24, 17, false, true, true};
      Layer<double> ours(p), naive(p);
      for (Layer<double>* layer : {&ours, &naive}) {
        layer->drop_output_gradients();
        layer->want(input);
      }
      check_close(ours.run(false), naive.run(true), 1e-12);
    }
}
