#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "rows.h"

// Runs gradus and its peers in turn and prints a table; tools/benchmark installs, builds and calls it.

namespace bench {
namespace {

constexpr std::array<const char*, 12> titles = {"",
                                                "GRU (and LSTM, RNN) alone, forward and backward",
                                                "Training step: embedding, GRU, linear, cross-entropy, clipping, Adam",
                                                "Share of the sgemm peak that the training step reaches",
                                                "One recorded operation on one element (a chain of 20 000)",
                                                "Operations; forward and backward where not said otherwise",
                                                "Cost of use",
                                                "Growth of the training step, and of output layer with cross-entropy",
                                                "Precision medium (products of bfloat16) against highest",
                                                "Steps of decoding at batch 1, without gradient",
                                                "Training step of a Transformer, with Adam",
                                                "Today's Python packages"};

std::string number(double x) { return x >= 1000 ? fmt::format("{:.0f}", x) : fmt::format("{:.3g}", x); }

/// Whether the line falls short of its target, as a word for the table.
const char* verdict(const Result& r) { return r.target == 0 ? "" : r.ratio >= r.target ? "ahead" : "SHORT"; }

void print(const Results& results) {
  int row = 0;
  for (const Result& r : results) {
    if (r.row != row) {
      row = r.row;
      fmt::print("\n## {}. {}\n\n", row, titles.at(static_cast<size_t>(row)));
      fmt::print(
          "| what | threads | gradus | peer | of the peer | ratio | target | |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    }
    const bool peer = !r.peer.empty();
    fmt::print("| {} | {} | {} {} | {} | {} | {} | {} | {} |\n", r.what, r.threads, number(r.ours), r.unit, r.peer,
               peer ? number(r.theirs) + " " + r.unit : "", peer ? fmt::format("{:.2f}", r.ratio) : "",
               r.target == 0 ? r.note : fmt::format("{}", r.target), verdict(r));
  }
  std::fflush(stdout);
}

void write_json(const std::string& file, const Results& results) {
  nlohmann::json list = nlohmann::json::array();
  for (const Result& r : results)
    list.push_back({{"row", r.row},
                    {"what", r.what},
                    {"threads", r.threads},
                    {"unit", r.unit},
                    {"gradus", r.ours},
                    {"peer", r.peer},
                    {"of_peer", r.theirs},
                    {"ratio", r.ratio},
                    {"target", r.target}});
  std::ofstream out(file);
  out << list.dump(1) << '\n';
  if (!out.flush()) throw std::runtime_error("cannot write " + file);
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "an unknown processor";
}

Results measure(const std::set<int>& rows, const std::string& torch_kernels, const std::string& python, const Effort& effort) {
  Workers workers(torch_kernels);
  fmt::print("{} processors: {}\n", std::thread::hardware_concurrency(), processor());
  for (Worker* worker : {&workers.ours, &workers.torch, &workers.onednn}) fmt::print("- {}\n", worker->about());
  std::fflush(stdout);
  Results all;
  const auto wants = [&](int row) { return rows.empty() || rows.count(row) > 0; };
  const auto add = [&](const Results& results) {
    print(results);
    all.insert(all.end(), results.begin(), results.end());
  };
  if (wants(1)) add(recurrent_rows(workers, effort));
  if (wants(2)) add(step_rows(workers, effort, true, false));
  if (wants(3)) add(step_rows(workers, effort, false, true));
  if (wants(4)) add(overhead_rows(workers, effort));
  if (wants(5)) add(op_rows(workers, effort));
  if (wants(6)) add(use_rows(effort));
  if (wants(7)) add(growth_rows(effort));
  if (wants(8)) add(precision_rows(workers, effort));
  if (wants(9)) add(inference_rows(workers, effort));
  if (wants(10)) add(transformer_rows(workers, effort));
  if (wants(11) && !python.empty()) add(python_rows(workers, python, effort));
  return all;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  CLI::App app("Compares gradus with LibTorch and oneDNN, in turn, and prints medians and ratios (above 1: gradus is ahead).");
  bool quick = false;
  std::string json, torch_kernels, python;
  std::vector<int> rows;
  app.add_flag("--quick", quick, "A few short rounds: minutes become one, and ratios vary more");
  app.add_option("--json", json, "Write the results to this file too");
  app.add_option("--torch-kernels", torch_kernels,
                 "OpenBLAS kernels for LibTorch alone, as on a processor for which it would choose those: Haswell");
  app.add_option("--python", python, "A Python that has PyTorch, and perhaps ONNX Runtime, to compare with (row 11)");
  app.add_option("--rows", rows, "Only these rows of the list, 1 to 11: --rows 1,4")->delimiter(',')->check(CLI::Range(1, 11));
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);  // a worker that has ended is found when it is asked for its answer
  try {
    const auto results = bench::measure({rows.begin(), rows.end()}, torch_kernels, python, quick ? bench::quick_effort : bench::Effort{});
    if (!json.empty()) bench::write_json(json, results);
  } catch (const std::exception& error) {
    std::cerr << "benchmark: " << error.what() << '\n';
    return 1;
  }
}
