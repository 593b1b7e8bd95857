#include "autograd/anomaly.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <fmt/format.h>

#include <cstdlib>
#include <memory>

#include "gradus/autograd.h"

namespace gradus {
namespace {

thread_local int depth = 0;

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : name;
}

/// The file that holds an address: a program or a shared library.
const char* file_of(void* address) {
  Dl_info info{};
  return dladdr(address, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
}

}  // namespace

bool detecting_anomalies() noexcept { return depth > 0; }

std::vector<void*> call_trace() {
  std::vector<void*> frames(64);
  frames.resize(static_cast<size_t>(backtrace(frames.data(), static_cast<int>(frames.size()))));
  return frames;
}

std::string describe_trace(const std::vector<void*>& trace) {
  std::string text;
  Dl_info own{};
  dladdr(reinterpret_cast<void*>(&call_trace), &own);
  for (void* address : trace) {
    Dl_info info{};
    if (dladdr(address, &info) == 0 || info.dli_fbase == own.dli_fbase) continue;
    const auto offset = reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(info.dli_fbase);
    text += fmt::format("\n  {} +{:#x}{}", file_of(address), offset, info.dli_sname ? " in " + demangled(info.dli_sname) : "");
  }
  return text.empty() ? "\n  (no calls outside the library)" : text;
}

namespace autograd {

DetectAnomalyGuard::DetectAnomalyGuard() noexcept { ++depth; }
DetectAnomalyGuard::~DetectAnomalyGuard() { --depth; }

}  // namespace autograd
}  // namespace gradus
