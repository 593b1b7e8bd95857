#include "gradus/profiler.h"

#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "gradus/creation.h"
#include "gradus/dtype.h"
#include "gradus/error.h"
#include "gradus/nn/rnn.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/product.h"
#include "gradus/parallel.h"
#include "gradus/profiler.h"
#include "ops/op_test.h"
#include "parsed.h"

using namespace gradus;
using nlohmann::json;

namespace {

std::map<std::string, Profiler::Entry> by_name(const Profiler& profiler) {
  std::map<std::string, Profiler::Entry> found;
  for (const Profiler::Entry& e : profiler.entries()) found[e.name] = e;
  return found;
}

/// The trace of a profiler, by way of a file.
json trace_of(const Profiler& profiler) {
  const std::filesystem::path path = std::filesystem::temp_directory_path() / ("gradus-trace-" + std::to_string(getpid()) + ".json");
  profiler.write_chrome_trace(path.string());
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  std::filesystem::remove(path);
  return testing::parsed(text.str());
}

/// A forward and backward pass of a small model.
void step() {
  const Tensor x = randn({8, 4, 6}), weight = randn({3, 6}, {.requires_grad = true});
  const nn::GRU gru(6, 6);
  linear(gru(x).output, weight).tanh().sum().backward();
}

}  // namespace

TEST_CASE("a profile has operations forward and backward, kernels, and the calls of each") {
  const Profiler profiler;
  step();
  step();
  auto found = by_name(profiler);
  for (const char* name : {"linear", "tanh", "sum", "gru", "GruBackward0", "TanhBackward0", "gemm", "AccumulateGrad"}) {
    CAPTURE(name);
    CHECK(found.contains(name));
  }
  CHECK(found["TanhBackward0"].calls == 2);
  CHECK(found["tanh"].calls == 2);  // what backward does under the same name is the node's own work
}

TEST_CASE("self times are what is left without the spans inside, and add up to what was recorded") {
  const Profiler profiler;
  step();
  double self = 0;
  for (const Profiler::Entry& e : profiler.entries()) {
    CAPTURE(e.name);
    CHECK(e.self >= 0);
    CHECK(e.self <= e.total + 1e-12);
    self += e.self;
  }
  double outermost = 0, end = -1;
  json events = trace_of(profiler)["traceEvents"];
  std::erase_if(events.get_ref<json::array_t&>(), [](const json& e) { return e["ph"] != "X" || e["cat"] == "piece"; });
  std::sort(events.begin(), events.end(),
            [](const json& a, const json& b) { return a["ts"] != b["ts"] ? a["ts"] < b["ts"] : a["dur"] > b["dur"]; });
  for (const json& e : events) {
    const double begin = e["ts"], duration = e["dur"];
    if (begin < end - 0.002) continue;  // times have three decimals
    outermost += duration * 1e-6;
    end = begin + duration;
  }
  CHECK(self == doctest::Approx(outermost).epsilon(0.01));
}

TEST_CASE("spans nest: on one thread each lies inside another or beside it") {
  const Profiler profiler;
  step();
  const json trace = trace_of(profiler);
  std::set<std::string> names;
  std::map<int, std::vector<std::pair<double, double>>> spans;
  for (const json& e : trace["traceEvents"]) {
    if (e["ph"] == "M") {
      CHECK(e["name"] == "thread_name");
      continue;
    }
    CHECK(e["dur"].get<double>() >= 0);
    names.insert(e["name"]);
    spans[e["tid"]].emplace_back(e["ts"].get<double>(), e["ts"].get<double>() + e["dur"].get<double>());
  }
  CHECK(names.contains("GruBackward0"));
  constexpr double rounding = 0.002;  // times have three decimals
  for (auto& [thread, list] : spans) {
    std::sort(list.begin(), list.end(), [](auto a, auto b) { return a.first != b.first ? a.first < b.first : a.second > b.second; });
    std::vector<std::pair<double, double>> open;
    for (const auto& span : list) {
      while (!open.empty() && open.back().second <= span.first + rounding) open.pop_back();
      if (!open.empty()) CHECK(span.second <= open.back().second + rounding);
      open.push_back(span);
    }
  }
}

TEST_CASE("threads are recorded, those of the pool and those of the program, and lose nothing") {
  const int before = get_num_threads();
  set_num_threads(3);
  {
    const Profiler profiler;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([] {
        for (int k = 0; k < 200; ++k) tanh(zeros({3}));
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(by_name(profiler)["tanh"].calls == 800);
  }
  {
    const Profiler profiler;
    const Tensor x = randn({1 << 20});
    for (int i = 0; i < 20; ++i) tanh(x);
    CHECK(by_name(profiler)["tanh"].calls == 20);
    const json trace = trace_of(profiler);
    const auto& events = trace["traceEvents"];
    CHECK(std::any_of(events.begin(), events.end(),
                      [](const json& e) { return e["ph"] == "X" && e["cat"] == "piece" && e["name"] == "tanh"; }));
    CHECK(std::any_of(events.begin(), events.end(),
                      [](const json& e) { return e["ph"] == "M" && e["args"]["name"].get<std::string>().starts_with("pool thread"); }));
  }
  set_num_threads(before);
}

TEST_CASE("nothing is recorded after stop, until start") {
  const Tensor x = ones({2});
  exp(x);
  Profiler profiler;
  CHECK(profiler.entries().empty());
  tanh(x);
  profiler.stop();
  exp(x);
  profiler.start();
  sigmoid(x);
  profiler.stop();
  auto found = by_name(profiler);
  CHECK(found.size() == 2);
  CHECK(found["tanh"].calls == 1);
  CHECK(found["sigmoid"].calls == 1);
}

TEST_CASE("an operation or a pullback that throws leaves the profiler usable") {
  const Profiler profiler;
  const Tensor x = ones({2}, {.requires_grad = true}), y = x * 2;
  y.register_hook([](const Tensor&) -> Tensor { throw ValueError("hook: no"); });
  CHECK_THROWS_AS(y.sum().backward(), ValueError);
  CHECK_THROWS_AS(tanh(ones({2}, {.dtype = int64}).index_select(0, tensor({5}))), IndexError);
  tanh(x.detach());
  const json trace = trace_of(profiler);
  auto found = by_name(profiler);
  CHECK(found["MulBackward0"].calls == 1);
  CHECK(found["tanh"].calls == 1);
  CHECK(found["tanh"].self == doctest::Approx(found["tanh"].total));
}

TEST_CASE("there is one Profiler at a time") {
  {
    const Profiler first;
    CHECK(op_test::error_of<StateError>([] { const Profiler second; }) == "Profiler: there is one already; let it go out of scope first");
    tanh(ones({2}));
    CHECK(by_name(first).contains("tanh"));
  }
  const Profiler after;
  CHECK(after.entries().empty());
}

TEST_CASE("the table has a line a name, costliest first, and shares that add up to 100") {
  const Profiler profiler;
  step();
  const std::vector<Profiler::Entry> entries = profiler.entries();
  std::istringstream table(profiler.table(1000));
  std::string line, name;
  std::getline(table, line);
  CHECK(line.find("calls") != std::string::npos);
  double shares = 0;
  size_t rows = 0;
  for (; std::getline(table, line); ++rows) {
    std::istringstream words(line);
    double calls, total, self, mean, share;
    words >> name >> calls >> total >> self >> mean >> share;
    CHECK(!words.fail());
    REQUIRE(rows < entries.size());
    CHECK(name == entries[rows].name);
    CHECK(calls == static_cast<double>(entries[rows].calls));
    shares += share;
  }
  CHECK(rows == entries.size());
  CHECK(shares == doctest::Approx(100).epsilon(0.02));
  CHECK(profiler.table(2).find("more") != std::string::npos);
}

TEST_CASE("a trace that cannot be written is an IoError") {
  const Profiler profiler;
  CHECK(op_test::error_of<IoError>([&] { profiler.write_chrome_trace("/nonexistent/trace.json"); }) ==
        "Profiler: cannot write /nonexistent/trace.json");
}
