#include "rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

namespace bench {
namespace {

/// A model and its batch, with the ratios that it is to reach.
struct Size {
  const char* name;
  int64_t vocabulary, embed, hidden, layers, batch, steps;
  double gru_torch;    ///< row 1, LibTorch's time over ours
  double step_torch;   ///< row 2, the same
  double gru_onednn;   ///< row 1, oneDNN's time over ours
  double share;        ///< row 3, of the peak
  double gru_medium;   ///< row 8, our time at highest over ours at medium, of the layers alone
  double step_medium;  ///< row 8, the same of the step

  int64_t classes() const { return std::min<int64_t>(vocabulary, 1000); }
  std::vector<int64_t> layers_alone() const { return {embed, hidden, layers, batch, steps}; }
  std::vector<int64_t> step() const { return {vocabulary, embed, hidden, layers, batch, steps, classes()}; }
  /// Multiplications and additions of the products in a training step: forward, and twice as many backward.
  double operations() const {
    double sum = static_cast<double>(hidden * classes());
    for (int64_t layer = 0; layer < layers; ++layer) sum += static_cast<double>(3 * hidden * ((layer == 0 ? embed : hidden) + hidden));
    return 3 * 2 * sum * static_cast<double>(batch * steps);
  }
};

constexpr std::array<Size, 6> sizes = {{
    {"d2l", 200, 32, 32, 2, 64, 10, 5, 6, 1.3, 0.60, 1, 1},
    {"small", 1000, 64, 128, 2, 64, 20, 0, 2.6, 1.05, 0, 1, 1},
    {"medium", 10000, 256, 256, 2, 64, 30, 2.2, 2.1, 1.05, 0.80, 1.5, 1.5},
    {"large", 10000, 256, 512, 2, 64, 40, 2.2, 2.0, 1.05, 0.85, 1.65, 1.6},
    {"xl", 10000, 512, 1024, 2, 64, 40, 2.2, 2.0, 1.05, 0.85, 1.7, 1.65},
    {"stream", 1000, 64, 128, 1, 1, 50, 0, 8, 1.7, 0, 1, 1},
}};

/// A Transformer and its batch; without layers of a decoder, a causal stack.
struct Transformer {
  const char* name;
  int64_t features, heads, encoder, decoder, feedforward, batch, steps;

  /// Multiplications and additions of the products, forward and twice as many backward.
  double operations() const {
    const auto E = static_cast<double>(features), T = static_cast<double>(steps), feed = 2 * E * static_cast<double>(feedforward);
    const double layers =
        static_cast<double>(encoder) * (4 * E * E + 2 * T * E + feed) + static_cast<double>(decoder) * (8 * E * E + 4 * T * E + feed);
    return 3 * 2 * layers * T * static_cast<double>(batch);
  }
  std::vector<int64_t> sizes() const { return {features, heads, encoder, decoder, feedforward, batch, steps}; }
};
constexpr std::array<Transformer, 2> transformers = {{{"4 + 4 layers, 256 wide, 32 x 32 steps", 256, 4, 4, 4, 1024, 32, 32},
                                                      {"6 layers, causal, 384 wide, 16 x 256 steps", 384, 6, 6, 0, 1536, 16, 256}}};

constexpr double ms = 1e3, us = 1e6;

Measure running(Worker& worker, const Effort& effort) {
  return [&worker, seconds = effort.seconds] { return worker.run(seconds); };
}

/// LibTorch with the number of threads, 1 or that of the job, at which it is quicker.
struct BestTorch {
  Worker& worker;
  std::string name;
};
BestTorch best_torch(Workers& workers, Job job, const Effort& effort) {
  const int most = job.threads;
  job.threads = 1;
  workers.torch.make(job);
  const BestTorch one{workers.torch, "LibTorch, 1 thread"}, many{workers.torch_two, fmt::format("LibTorch, {} threads", most)};
  if (most == 1) return one;
  job.threads = most;
  workers.torch_two.make(job);
  const Medians m = in_turn({running(workers.torch, effort), running(workers.torch_two, effort)}, {3, effort.seconds, effort.limit});
  return m.ratios[1] < 1 ? many : one;
}

void check_agreement(const char* what, double ours, double theirs) {
  if (!(std::fabs(ours - theirs) < 1e-3 * std::fabs(ours)))
    throw std::runtime_error(fmt::format("{}: the results differ: checksums {} and {}", what, ours, theirs));
}

/// A job that one peer has too, at one thread and at two; `scale` turns seconds into `unit`.
void compare(Results& results, Workers& workers, const Effort& effort, int row, const std::string& what, Job job, const char* unit,
             double scale, double target) {
  for (const int threads : {1, 2}) {
    if (row == 4 && threads == 2) continue;
    job.threads = threads;
    if (!workers.ours.make(job)) return;
    workers.torch.make(job);
    const Medians m = in_turn({running(workers.ours, effort), running(workers.torch, effort)}, effort);
    results.push_back({row, what, threads, unit, m.values[0] * scale, "LibTorch", m.values[1] * scale, m.ratios[1], target});
  }
}

}  // namespace

Results recurrent_rows(Workers& workers, const Effort& effort) {
  Results results;
  const auto row = [&](const std::string& kind, const Size& size, double target_onednn, double target_torch) {
    const std::string what = kind == "gru" ? size.name : fmt::format("{}, {}", kind, size.name);
    for (const int threads : {1, 2}) {
      const Job job{kind, threads, size.layers_alone()};
      workers.ours.make(job);
      const bool with_onednn = workers.onednn.make(job);
      const BestTorch torch = best_torch(workers, job, effort);
      const double checksum = workers.ours.checksum();
      check_agreement(size.name, checksum, torch.worker.checksum());
      std::vector<Measure> measures{running(workers.ours, effort), running(torch.worker, effort)};
      if (with_onednn) {
        check_agreement(size.name, checksum, workers.onednn.checksum());
        measures.push_back(running(workers.onednn, effort));
      }
      const Medians m = in_turn(measures, effort);
      const double time = m.values[0] * ms;
      if (with_onednn) results.push_back({1, what, threads, "ms", time, "oneDNN", m.values[2] * ms, m.ratios[2], target_onednn});
      results.push_back({1, what, threads, "ms", time, torch.name, m.values[1] * ms, m.ratios[1], target_torch});
    }
  };
  for (const Size& size : sizes) row("gru", size, size.gru_onednn, size.gru_torch);
  for (const char* kind : {"lstm", "rnn"})
    for (const Size& size : {sizes[2], sizes[5]}) row(kind, size, 0, 1);
  return results;
}

Results step_rows(Workers& workers, const Effort& effort, bool times, bool shares) {
  Results results;
  Worker sgemm("gradus"), two("gradus");
  constexpr int64_t n = 2048;
  sgemm.make({"sgemm", 1, {n}});
  for (const Size& size : sizes) {
    const Job job{"step", 1, size.step()};
    workers.ours.make(job);
    if (times) {
      two.make({"step", 2, size.step()});
      const BestTorch torch = best_torch(workers, {"step", 2, size.step()}, effort);
      const Medians m = in_turn({running(workers.ours, effort), running(torch.worker, effort), running(two, effort)}, effort);
      const double ratio = m.ratios[1], with_two = 1 / m.ratios[2];
      results.push_back({2, size.name, 1, "ms", m.values[0] * ms, torch.name, m.values[1] * ms, ratio, size.step_torch});
      results.push_back({2, size.name, 2, "ms", m.values[2] * ms, "ours, 1 thread", m.values[0] * ms, with_two,
                         size.name == sizes[0].name || size.batch == 1 ? 0 : 1.7});
    }
    if (shares) {
      const Medians m = in_turn({running(workers.ours, effort), running(sgemm, effort)}, effort);
      const double ours = size.operations() / m.values[0] / 1e9, peak = 2.0 * n * n * n / m.values[1] / 1e9;
      const double share = size.operations() / (2.0 * n * n * n) * m.ratios[1];
      results.push_back({3, size.name, 1, "GFLOP/s", ours, "sgemm 2048^3", peak, share, size.share});
    }
  }
  return results;
}

Results overhead_rows(Workers& workers, const Effort& effort) {
  constexpr int64_t length = 20000;
  Results results;
  for (const char* op : {"tanh", "mul"})
    for (const char* pass : {"forward", "backward"})
      compare(results, workers, effort, 4, fmt::format("{} {}", op, pass), {fmt::format("{} chain {}", op, pass), 1, {length}}, "ns",
              1e9 / length, pass[0] == 'f' ? 6 : 10);
  return results;
}

Results op_rows(Workers& workers, const Effort& effort) {
  Results results;
  const auto row = [&](const std::string& what, const Job& job) { compare(results, workers, effort, 5, what, job, "us", us, 1); };
  for (const char* op : {"softmax", "log_softmax", "layer_norm"}) {
    row(fmt::format("{} forward, 1920 x 1000", op), {fmt::format("{} forward", op), 1, {1920, 1000}});
    row(fmt::format("{}, 1920 x 1000", op), {op, 1, {1920, 1000}});
  }
  for (const int64_t V : {1000, 10000, 50000}) row(fmt::format("cross_entropy, 256 x {}", V), {"cross_entropy", 1, {256, V}});
  row("embedding backward, 1920 of 10000 x 256", {"embedding backward", 1, {10000, 256, 64, 30}});
  row("embedding backward, 640 of 200 x 32", {"embedding backward", 1, {200, 32, 64, 10}});
  row("permute + contiguous, 64 x 30 x 256", {"permute contiguous", 1, {64, 30, 256}});
  row("transpose + contiguous, 1024 x 1024", {"transpose contiguous", 1, {1024, 1024}});
  for (const int64_t dim : {0, 1, 2}) row(fmt::format("sum over dim {}, 64 x 120 x 256", dim), {"sum", 1, {64, 120, 256, dim}});
  row("sum of all, 64 x 120 x 256", {"sum all", 1, {64, 120, 256}});
  row("add a row, 1920 x 768", {"add row", 1, {1920, 768}});
  row("add a column, 1920 x 768", {"add column", 1, {1920, 768}});
  row("gelu forward, 1920 x 1024", {"gelu forward", 1, {1920, 1024}});
  row("gelu, 1920 x 1024", {"gelu", 1, {1920, 1024}});
  row("dropout, 1920 x 1024", {"dropout", 1, {1920, 1024}});
  row("conv1d, 64 x 128 x 100, 128 of 3", {"conv1d", 1, {64, 128, 128, 100, 3}});
  row("conv2d, 16 x 32 x 28 x 28, 64 of 3 x 3", {"conv2d", 1, {16, 32, 64, 28, 3}});
  row("batch_norm, 64 x 256 x 30", {"batch_norm", 1, {64, 256, 30}});
  row("embedding_bag, 64 bags of 30 of 10000 x 256", {"embedding_bag", 1, {10000, 256, 64, 30}});
  for (const int64_t dim : {0, 1}) {
    row(fmt::format("cumsum forward over dim {}, 1920 x 1000", dim), {"cumsum forward", 1, {1920, 1000, dim}});
    row(fmt::format("cumsum over dim {}, 1920 x 1000", dim), {"cumsum", 1, {1920, 1000, dim}});
  }
  row("sort, 256 x 1000", {"sort", 1, {256, 1000}});
  row("topk of 10, 256 x 10000", {"topk", 1, {256, 10000, 10}});
  row("gather, 1920 x 500 of 1000", {"gather", 1, {1920, 1000, 500}});
  row("index_put, 1000 rows of 1920 x 256", {"index_put", 1, {1920, 256, 1000}});
  row("index_put that adds, 1000 rows of 1920 x 256", {"index_put accumulate", 1, {1920, 256, 1000}});
  row("where, 1920 x 1000", {"where", 1, {1920, 1000}});
  row("GRU cell, 128 to 256, batch 64, no gradient", {"gru cell", 1, {128, 256, 64}});
  row("LSTM cell, 128 to 256, batch 64, no gradient", {"lstm cell", 1, {128, 256, 64}});
  for (const Size& size : {sizes[0], sizes[2]}) row(fmt::format("Adam step, {}", size.name), {"adam", 1, size.step()});
  // What does little but move memory, beside memory alone.
  Worker memory("gradus");
  const auto share = [&](const std::string& what, const Job& job, bool writes, int64_t numbers) {
    workers.ours.make(job);
    memory.make({writes ? "memcpy" : "read", 1, {numbers}});
    const Medians m = in_turn({running(workers.ours, effort), running(memory, effort)}, effort);
    results.push_back({5, what, 1, "us", m.values[0] * us, writes ? "memcpy" : "a plain read", m.values[1] * us, m.ratios[1], 0.9});
  };
  share("permute + contiguous, 64 x 30 x 256", {"permute contiguous", 1, {64, 30, 256}}, true, 64 * 30 * 256);
  share("transpose + contiguous, 1024 x 1024", {"transpose contiguous", 1, {1024, 1024}}, true, 1024 * 1024);
  for (const int64_t dim : {0, 1, 2})
    share(fmt::format("sum over dim {}, 64 x 120 x 256", dim), {"sum", 1, {64, 120, 256, dim}}, false, 64 * 120 * 256);
  share("sum of all, 64 x 120 x 256", {"sum all", 1, {64, 120, 256}}, false, 64 * 120 * 256);
  share("add a row, 1920 x 768", {"add row", 1, {1920, 768}}, true, 1920 * 768);
  share("add a column, 1920 x 768", {"add column", 1, {1920, 768}}, true, 1920 * 768);
  return results;
}

Results precision_rows(Workers& workers, const Effort& effort) {
  Results results;
  if (workers.ours.about().find("no bfloat16") != std::string::npos) return results;
  Worker medium("gradus");
  const auto row = [&](const Size& size, const std::string& kind, const std::vector<int64_t>& sizes_of_it, double target) {
    for (const int threads : {1, 2}) {
      workers.ours.make({kind, threads, sizes_of_it});
      medium.make({"medium " + kind, threads, sizes_of_it});
      std::vector<Measure> measures{running(medium, effort), running(workers.ours, effort)};
      const bool with_onednn = kind == "gru" && workers.onednn.make({"medium gru", threads, sizes_of_it});
      if (with_onednn) measures.push_back(running(workers.onednn, effort));
      const Medians m = in_turn(measures, effort);
      const std::string what = fmt::format("{}, {}", kind, size.name);
      results.push_back({8, what, threads, "ms", m.values[0] * ms, "ours, highest", m.values[1] * ms, m.ratios[1], target});
      if (with_onednn) results.push_back({8, what, threads, "ms", m.values[0] * ms, "oneDNN, bfloat16", m.values[2] * ms, m.ratios[2], 1});
    }
  };
  for (const Size& size : sizes) row(size, "gru", size.layers_alone(), size.gru_medium);
  for (const Size& size : sizes) row(size, "step", size.step(), size.step_medium);
  return results;
}

Results inference_rows(Workers& workers, const Effort& effort) {
  Results results;
  const auto row = [&](const std::string& what, const Job& job, double target) {
    compare(results, workers, effort, 9, what, job, "us", us, target);
  };
  row("GRU of 2 layers, 128 to 256, one step", {"gru inference", 1, {128, 256, 2, 1, 1}}, 1);
  row("GRU of 2 layers, 32 to 32, one step", {"gru inference", 1, {32, 32, 2, 1, 1}}, 5);
  row("GRU cell, 128 to 256", {"gru cell", 1, {128, 256, 1}}, 1);
  row("LSTM cell, 128 to 256", {"lstm cell", 1, {128, 256, 1}}, 1);
  row("GRU of 2 layers, 128 to 256, one step of 16 rows", {"gru inference", 1, {128, 256, 2, 16, 1}}, 1);
  // How near it is to a plain read of the weights.
  Worker reads("gradus");
  constexpr int64_t weights = 3 * 256 * (128 + 3 * 256);
  workers.ours.make({"gru inference", 1, {128, 256, 2, 1, 1}});
  reads.make({"read", 1, {weights}});
  const Medians m = in_turn({running(workers.ours, effort), running(reads, effort)}, effort);
  results.push_back({9, "GRU of 2 layers, 128 to 256, one step", 1, "us", m.values[0] * us, "a read of its weights", m.values[1] * us,
                     m.ratios[1], 0.71});
  // A step of a Transformer's decoding behind few others and behind many.
  const auto behind = [](int64_t steps) { return Job{"transformer inference", 1, {256, 4, 4, 1024, 32, steps}}; };
  Worker other("gradus");
  other.make(behind(16));
  for (const int64_t steps : {128, 512}) {
    workers.ours.make(behind(steps));
    const Medians t = in_turn({running(workers.ours, effort), running(other, effort)}, effort);
    results.push_back({9, fmt::format("Transformer of 4 layers, 256 wide, a step behind {} others", steps), 1, "us", t.values[0] * us,
                       "behind 16", t.values[1] * us, t.ratios[1], 0.83});
  }
  if (workers.ours.about().find("no bfloat16") != std::string::npos) return results;
  const auto medium = [&](const std::string& what, const Job& job) {
    workers.ours.make(job);
    other.make({"medium " + job.kind, job.threads, job.sizes});
    const Medians t = in_turn({running(other, effort), running(workers.ours, effort)}, effort);
    results.push_back({9, what + ", medium", 1, "us", t.values[0] * us, "ours, highest", t.values[1] * us, t.ratios[1], 1});
  };
  medium("GRU of 2 layers, 128 to 256, one step", {"gru inference", 1, {128, 256, 2, 1, 1}});
  medium("GRU of 2 layers, 128 to 256, one step of 16 rows", {"gru inference", 1, {128, 256, 2, 16, 1}});
  medium("Transformer of 4 layers, 256 wide, a step behind 128 others", behind(128));
  return results;
}

Results transformer_rows(Workers& workers, const Effort& effort) {
  constexpr int64_t n = 2048;
  Results results;
  Worker sgemm("gradus"), medium("gradus");
  sgemm.make({"sgemm", 1, {n}});
  const bool with_medium = workers.ours.about().find("no bfloat16") == std::string::npos;
  for (const Transformer& model : transformers)
    for (const int threads : {1, 2}) {
      workers.ours.make({"transformer", threads, model.sizes()});
      workers.torch.make({"transformer", threads, model.sizes()});
      std::vector<Measure> measures{running(workers.ours, effort), running(workers.torch, effort), running(sgemm, effort)};
      if (with_medium) {
        medium.make({"medium transformer", threads, model.sizes()});
        measures.push_back(running(medium, effort));
      }
      const Medians m = in_turn(measures, effort);
      const double time = m.values[0] * ms;
      results.push_back({10, model.name, threads, "ms", time, "LibTorch", m.values[1] * ms, m.ratios[1], 1});
      if (threads == 1)
        results.push_back({10, model.name, 1, "GFLOP/s", model.operations() / m.values[0] / 1e9, "sgemm 2048^3",
                           2.0 * n * n * n / m.values[2] / 1e9, model.operations() / (2.0 * n * n * n) * m.ratios[2], 0.92});
      if (with_medium)
        results.push_back(
            {10, fmt::format("{}, medium", model.name), threads, "ms", m.values[3] * ms, "ours, highest", time, 1 / m.ratios[3], 1.5});
    }
  return results;
}

Results python_rows(Workers& workers, const std::string& python, const Effort& effort) {
  Results results;
  const std::vector<std::string> command{python, GRADUS_SOURCE_ROOT "/tests/benchmarks/pypi_jobs.py"};
  Worker plain(command), other(command);
  fmt::print("- {}\n", plain.about());
  const auto row = [&](const std::string& what, const Job& job, const std::string& otherwise, const char* unit, double scale) {
    workers.ours.make(job);
    if (!plain.make(job)) return;
    const bool has_other = other.make({job.kind + " " + otherwise, job.threads, job.sizes});
    std::vector<Measure> measures{running(workers.ours, effort), running(plain, effort)};
    if (has_other) measures.push_back(running(other, effort));
    const Medians m = in_turn(measures, effort);
    results.push_back({11, what, job.threads, unit, m.values[0] * scale, "PyTorch", m.values[1] * scale, m.ratios[1], 1});
    const std::string name = otherwise == "onnx" ? "ONNX Runtime" : "PyTorch, compiled";
    if (has_other) results.push_back({11, what, job.threads, unit, m.values[0] * scale, name, m.values[2] * scale, m.ratios[2], 1});
  };
  for (const int threads : {1, 2}) {
    for (const Size& size : sizes) {
      row(fmt::format("GRU alone, {}", size.name), {"gru", threads, size.layers_alone()}, "compiled", "ms", ms);
      row(fmt::format("training step, {}", size.name), {"step", threads, size.step()}, "compiled", "ms", ms);
    }
    for (const Transformer& model : transformers) row(model.name, {"transformer", threads, model.sizes()}, "compiled", "ms", ms);
    for (const int64_t hidden : {32, 256}) {
      const int64_t input = hidden == 32 ? 32 : 128;
      row(fmt::format("GRU of 2 layers, {} to {}, one step", input, hidden), {"gru inference", threads, {input, hidden, 2, 1, 1}}, "onnx",
          "us", us);
    }
  }
  return results;
}

Results growth_rows(const Effort& effort) {
  Results results;
  const auto row = [&](const std::string& what, const Job& job, double tokens) {
    Worker fresh("gradus");
    fresh.make(job);
    const Medians m = in_turn({running(fresh, effort)}, {3, effort.seconds, effort.limit});
    results.push_back({7, what + ", time a token", 1, "us", m.values[0] * us / tokens});
    results.push_back({7, what + ", memory a token", 1, "kB", fresh.peak_bytes() / 1e3 / tokens});
  };
  /// The output layer's two forms side by side.
  const auto blocks = [&](const std::string& what, const std::vector<int64_t>& s, double tokens) {
    Worker ours("gradus"), plain("gradus");
    ours.make({"linear_cross_entropy", 1, s});
    plain.make({"output layer", 1, s});
    const Medians m = in_turn({running(ours, effort), running(plain, effort)}, {3, effort.seconds, effort.limit});
    const double bytes = ours.peak_bytes(), all = plain.peak_bytes();
    results.push_back(
        {7, what + ", time a token", 1, "us", m.values[0] * us / tokens, "linear + cross_entropy", m.values[1] * us / tokens, m.ratios[1]});
    results.push_back({7, what + ", memory a token", 1, "kB", bytes / 1e3 / tokens, "linear + cross_entropy", all / 1e3 / tokens,
                       all / bytes, s[2] == 50000 ? 5.0 : 0.0});
  };
  for (const int64_t T : {10, 100, 1000, 10000})
    if (T <= effort.most_steps) row(fmt::format("{} steps", T), {"step", 1, {1000, 32, 64, 1, 16, T, 1000}}, 16.0 * static_cast<double>(T));
  for (const int64_t B : {1, 4, 16, 64, 256, 1024})
    row(fmt::format("batch {}", B), {"step", 1, {1000, 32, 64, 1, B, 20, 1000}}, 20.0 * static_cast<double>(B));
  for (const int64_t V : {1000, 10000, 50000, 100000}) blocks(fmt::format("linear_cross_entropy, vocabulary {}", V), {640, 64, V}, 640);
  return results;
}

}  // namespace bench
