#include "gradus/profiler.h"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <map>

#include "autograd/node.h"
#include "core/check.h"
#include "core/span.h"

namespace gradus {
namespace {

using profiling::Event;
using profiling::Kind;

std::atomic<bool> exists{false};

std::string display_name(const Event& e) { return e.kind == Kind::Backward ? node_display_name(e.name) : e.name; }

const char* category(Kind kind) {
  switch (kind) {
    case Kind::Operation: return "operation";
    case Kind::Backward: return "backward";
    case Kind::Kernel: return "kernel";
    case Kind::Piece: break;
  }
  return "piece";
}

double seconds(int64_t nanoseconds) { return 1e-9 * static_cast<double>(nanoseconds); }

}  // namespace

Profiler::Profiler() {
  check<StateError>(!exists.exchange(true), "Profiler: there is one already; let it go out of scope first");
  profiling::clear();
  profiling::start();
}

Profiler::~Profiler() {
  profiling::stop();
  profiling::clear();
  exists = false;
}

void Profiler::stop() noexcept { profiling::stop(); }
void Profiler::start() noexcept { profiling::start(); }

std::vector<Profiler::Entry> Profiler::entries() const {
  std::map<std::string, Entry> by_name;
  for (const Event& e : profiling::events()) {
    if (e.kind == Kind::Piece) continue;
    const std::string name = display_name(e);
    Entry& entry = by_name[name];
    entry.name = name;
    ++entry.calls;
    entry.total += seconds(e.end - e.begin);
    entry.self += seconds(e.end - e.begin - e.children);
  }
  std::vector<Entry> found;
  for (auto& [name, entry] : by_name) found.push_back(std::move(entry));
  std::stable_sort(found.begin(), found.end(), [](const Entry& a, const Entry& b) { return a.self > b.self; });
  return found;
}

std::string Profiler::table(std::size_t rows) const {
  const std::vector<Entry> all = entries();
  double recorded = 0;
  std::size_t width = 4;
  for (const Entry& e : all) {
    recorded += e.self;
    width = std::max(width, e.name.size());
  }
  std::string text =
      fmt::format("{:<{}}  {:>8}  {:>10}  {:>10}  {:>10}  {:>7}\n", "name", width, "calls", "total ms", "self ms", "mean us", "share %");
  for (std::size_t i = 0; i < std::min(rows, all.size()); ++i) {
    const Entry& e = all[i];
    text += fmt::format("{:<{}}  {:>8}  {:>10.3f}  {:>10.3f}  {:>10.2f}  {:>7.1f}\n", e.name, width, e.calls, e.total * 1e3, e.self * 1e3,
                        e.total * 1e6 / static_cast<double>(e.calls), recorded > 0 ? 100 * e.self / recorded : 0.0);
  }
  if (all.size() > rows) text += fmt::format("and {} more\n", all.size() - rows);
  return text;
}

void Profiler::write_chrome_trace(const std::string& path) const {
  const std::vector<Event> events = profiling::events();
  int64_t first = events.empty() ? 0 : events.front().begin;
  for (const Event& e : events) first = std::min(first, e.begin);
  const auto us = [](int64_t nanoseconds) { return 1e-3 * static_cast<double>(nanoseconds); };

  std::ofstream file(path);
  file << "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[";
  const char* separator = "\n";
  const std::vector<std::string> threads = profiling::thread_names();
  for (std::size_t i = 0; i < threads.size(); ++i, separator = ",\n")
    file << separator << fmt::format(R"({{"name":"thread_name","ph":"M","pid":1,"tid":{},"args":{{"name":"{}"}}}})", i, threads[i]);
  for (const Event& e : events) {
    file << separator
         << fmt::format(R"({{"name":"{}","cat":"{}","ph":"X","pid":1,"tid":{},"ts":{:.3f},"dur":{:.3f}}})", display_name(e),
                        category(e.kind), e.thread, us(e.begin - first), us(e.end - e.begin));
    separator = ",\n";
  }
  file << "\n]}\n";
  file.close();
  check<IoError>(file.good(), "Profiler: cannot write {}", path);
}

}  // namespace gradus
