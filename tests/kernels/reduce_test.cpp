#include "kernels/reduce.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>

#include "gradus/parallel.h"
#include "kernels/scan.h"

/// The kernels beside loops that a reader sees through at once.
namespace {

using namespace gradus;

std::vector<float> floats(size_t count) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (float& v : x) v = normal(random);
  return x;
}

struct Sizes {
  int64_t outer, length, inner;
};

const std::vector<Sizes> all_sizes{{1, 1, 1}, {1, 1000, 1}, {3, 7, 5}, {2, 64, 1}, {5, 1, 9}, {1, 300, 257}, {4, 33, 300}, {2, 0, 3}};

}  // namespace

TEST_CASE("sums are those of a plain loop in double, for any sizes and number of threads") {
  const int before = get_num_threads();
  for (const Sizes& s : all_sizes) {
    CAPTURE(s.length);
    const std::vector<float> x = floats(static_cast<size_t>(s.outer * s.length * s.inner));
    std::vector<double> naive(static_cast<size_t>(s.outer * s.inner));
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t k = 0; k < s.length; ++k)
        for (int64_t i = 0; i < s.inner; ++i)
          naive[static_cast<size_t>(o * s.inner + i)] += static_cast<double>(x[static_cast<size_t>((o * s.length + k) * s.inner + i)]);
    std::vector<float> first;
    for (int threads : {1, 2, 3}) {
      set_num_threads(threads);
      std::vector<float> y(naive.size(), -1);
      kernels::sum(s.outer, s.length, s.inner, x.data(), y.data(), [](float v) { return v; });
      for (size_t i = 0; i < y.size(); ++i) CHECK(std::fabs(y[i] - naive[i]) <= 1e-6 * std::sqrt(static_cast<double>(s.length) + 1));
      if (threads == 1) first = y;
      CHECK(y == first);
    }
  }
  set_num_threads(before);
}

TEST_CASE("running totals, products and orders are those of plain loops") {
  for (const Sizes& s : all_sizes) {
    CAPTURE(s.length);
    const std::vector<float> x = floats(static_cast<size_t>(s.outer * s.length * s.inner));
    std::vector<float> y(x.size()), product(static_cast<size_t>(s.outer * s.inner));
    std::vector<int64_t> places(x.size());
    kernels::scan(s.outer, s.length, s.inner, x.data(), y.data(), 0, [](double a, double b) { return a + b; });
    kernels::product(s.outer, s.length, s.inner, x.data(), product.data());
    kernels::order(s.outer, s.length, s.inner, x.data(), s.length, false, places.data());
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < s.inner; ++i) {
        const auto at = [&](int64_t k) { return static_cast<size_t>((o * s.length + k) * s.inner + i); };
        double sum = 0, times = 1;
        for (int64_t k = 0; k < s.length; ++k) {
          sum += static_cast<double>(x[at(k)]), times *= static_cast<double>(x[at(k)]);
          CHECK(y[at(k)] == static_cast<float>(sum));
          if (k > 0) CHECK(x[at(places[at(k - 1)])] <= x[at(places[at(k)])]);
        }
        CHECK(product[static_cast<size_t>(o * s.inner + i)] == static_cast<float>(times));
      }
  }
}

TEST_CASE("running totals from the end are those of the runs turned round, with the same bits for 1 to 3 threads") {
  const int before = get_num_threads();
  const auto add = [](double a, double b) { return a + b; };
  for (const Sizes& s : {Sizes{3, 7, 5}, Sizes{200, 1000, 1}, Sizes{4, 33, 3000}}) {
    CAPTURE(s.length);
    const std::vector<float> x = floats(static_cast<size_t>(s.outer * s.length * s.inner));
    std::vector<float> turned(x.size()), expected(x.size()), sums(x.size());
    const auto turn = [&](const std::vector<float>& from, std::vector<float>& to) {
      for (size_t i = 0; i < from.size(); ++i) {
        const auto at = static_cast<int64_t>(i), o = at / (s.length * s.inner), k = at / s.inner % s.length, column = at % s.inner;
        to[static_cast<size_t>((o * s.length + s.length - 1 - k) * s.inner + column)] = from[i];
      }
    };
    turn(x, turned);
    kernels::scan(s.outer, s.length, s.inner, turned.data(), sums.data(), 0, add);
    turn(sums, expected);
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      std::vector<float> y(x.size());
      kernels::scan(s.outer, s.length, s.inner, x.data(), y.data(), 0, add, kernels::Order::Backward);
      CHECK(y == expected);
    }
  }
  set_num_threads(before);
}

TEST_CASE("the first few of a long run are those of the whole in order, equal ones and NaN in their places") {
  const int before = get_num_threads();
  constexpr int64_t outer = 40, length = 500, inner = 3;
  std::vector<float> x = floats(static_cast<size_t>(outer * length * inner));
  for (float& v : x) v = std::round(v * 4);  // many are equal
  for (size_t i = 0; i < x.size(); i += 97) x[i] = std::numeric_limits<float>::quiet_NaN();
  for (const bool descending : {false, true})
    for (const int64_t k : {int64_t{1}, int64_t{9}, length / 8 + 1}) {
      CAPTURE(descending);
      CAPTURE(k);
      std::vector<int64_t> all(x.size());
      kernels::order(outer, length, inner, x.data(), length, descending, all.data());
      for (const int threads : {1, 3}) {
        set_num_threads(threads);
        std::vector<int64_t> first(static_cast<size_t>(outer * k * inner), -1);
        kernels::order(outer, length, inner, x.data(), k, descending, first.data());
        int64_t off = 0;
        for (int64_t o = 0; o < outer; ++o)
          for (int64_t at = 0; at < k * inner; ++at)
            off += first[static_cast<size_t>(o * k * inner + at)] != all[static_cast<size_t>(o * length * inner + at)];
        CHECK(off == 0);
      }
    }
  set_num_threads(before);
}

TEST_CASE("running log sums, means weighted by exponentials and their adjoints are those of plain loops") {
  for (const Sizes& s : all_sizes) {
    if (s.length > 300) continue;
    CAPTURE(s.length);
    const std::vector<float> x = floats(static_cast<size_t>(s.outer * s.length * s.inner)), v(x.rbegin(), x.rend());
    std::vector<float> totals(x.size()), means(x.size()), shares(x.size());
    kernels::log_sums(s.outer, s.length, s.inner, x.data(), totals.data());
    kernels::exponential_means(s.outer, s.length, s.inner, x.data(), v.data(), means.data());
    kernels::exponential_shares(s.outer, s.length, s.inner, x.data(), v.data(), shares.data());
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < s.inner; ++i) {
        const auto at = [&](int64_t k) { return static_cast<size_t>((o * s.length + k) * s.inner + i); };
        std::vector<double> share(static_cast<size_t>(s.length));
        double sum = 0, weighted = 0;
        for (int64_t k = 0; k < s.length; ++k) {
          sum += std::exp(static_cast<double>(x[at(k)])), weighted += std::exp(static_cast<double>(x[at(k)])) * v[at(k)];
          CHECK(std::fabs(totals[at(k)] - std::log(sum)) <= 1e-6);
          CHECK(std::fabs(means[at(k)] - weighted / sum) <= 1e-6);
          for (int64_t j = 0; j <= k; ++j) share[static_cast<size_t>(j)] += v[at(k)] * std::exp(static_cast<double>(x[at(j)])) / sum;
        }
        for (int64_t j = 0; j < s.length; ++j)
          CHECK(std::fabs(shares[at(j)] - share[static_cast<size_t>(j)]) <= 1e-6 * (1 + std::fabs(share[static_cast<size_t>(j)])));
      }
  }
}
