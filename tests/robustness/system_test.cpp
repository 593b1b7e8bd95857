#include <doctest/doctest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gradus/about.h"
#include "gradus/parallel.h"
#include "robustness/child.h"

using namespace gradus;
using namespace robustness;

namespace {

constexpr int set_mdwe = 65, refuse_exec_gain = 1;  // PR_SET_MDWE of Linux 6.3, which older headers lack

bool refuse_by_mdwe() { return prctl(set_mdwe, refuse_exec_gain, 0, 0, 0) == 0; }

#if defined(__x86_64__)
/// What systemd's MemoryDenyWriteExecute does: no mapping that is writable and executable, and none that becomes executable.
bool refuse_by_seccomp() {
  constexpr auto number = static_cast<uint32_t>(offsetof(seccomp_data, nr));
  constexpr auto protection = static_cast<uint32_t>(offsetof(seccomp_data, args) + 2 * sizeof(uint64_t));
  std::array<sock_filter, 11> rules{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 4, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, protection),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, PROT_WRITE | PROT_EXEC),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_WRITE | PROT_EXEC, 3, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, protection),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
  }};
  const sock_fprog program{static_cast<unsigned short>(rules.size()), rules.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}
#else
bool refuse_by_seccomp() { return false; }
#endif

const Scenario without_executable("memory is not executable", [](const auto& arguments) {
  if (!(arguments.at(0) == "mdwe" ? refuse_by_mdwe() : refuse_by_seccomp())) return no_such_system;
  std::fputs(about().c_str(), stdout);
  return computes() ? 0 : 1;
});

const Scenario describe("about", [](const auto&) {
  std::fputs(about().c_str(), stdout);
  return computes() ? 0 : 1;
});

/// The most address space that this process has had, in bytes.
size_t most_address_space() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmPeak:")) return std::stoull(line.substr(7)) << 10;
  return 0;
}

const Scenario address_space("address space", [](const auto&) {
  const size_t at_start = most_address_space();
  if (!computes()) return 1;
  std::printf("%zu %zu", at_start, most_address_space());
  return 0;
});

const Scenario few_threads("threads cannot be made", [](const auto& arguments) {
  if (arguments.at(0) == "processes") {
    // The limit does not hold for root; under a user id of its own there is one process to count.
    if (getuid() == 0 && setuid(54321) != 0) return no_such_system;
    const auto allowed = static_cast<rlim_t>(std::stoi(arguments.at(1)));
    const rlimit limit{allowed, allowed};
    if (setrlimit(RLIMIT_NPROC, &limit) != 0) return no_such_system;
  } else {
    pthread_attr_t attributes;
    pthread_getattr_default_np(&attributes);
    pthread_attr_setstacksize(&attributes, size_t{1} << 46);  // stacks for which there is no address space
    pthread_setattr_default_np(&attributes);
  }
  set_num_threads(8);
  require(computes(), "computes");
  set_num_threads(6);
  require(computes(), "computes after another number was set");
  std::printf("%d", get_num_threads());
  return 0;
});

int occurrences(const std::string& text, const std::string& of) {
  int n = 0;
  for (size_t at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("products are made by OpenBLAS where memory cannot become executable, and about() says so") {
  for (const char* by : {"mdwe", "seccomp"}) {
    const Ending ending = run("memory is not executable", {.arguments = {by}});
    CAPTURE(by);
    CAPTURE(ending);
    if (ending.code == no_such_system) {
      MESSAGE("this system has no " << by);
      continue;
    }
    CHECK(ending.well());
    const Ending usual = run("about");
    const bool has_libxsmm = usual.out.find("without libxsmm") == std::string::npos && usual.out.find("baseline") == std::string::npos;
    if (has_libxsmm) CHECK(ending.out.find("without libxsmm, as this system runs no code made by the program") != std::string::npos);
  }
}

TEST_CASE("where threads cannot be made, those there are go on, and it is said once a number that was set") {
  for (const auto& arguments : {std::vector<std::string>{"processes", "1"}, {"stacks", ""}}) {
    const Ending ending = run("threads cannot be made", {.arguments = arguments});
    CAPTURE(arguments.front());
    CAPTURE(ending);
    if (ending.code == no_such_system) continue;
    CHECK(ending.well());
    CHECK(ending.out == "1");
    CHECK(occurrences(ending.err, "gradus: only 1 of 8 threads can be had") == 1);
    CHECK(occurrences(ending.err, "gradus: only 1 of 6 threads can be had") == 1);
  }
}

TEST_CASE("without threads of OpenBLAS a program starts as the only process of its user, and in little memory") {
  const Start alone{.environment = {{"OPENBLAS_NUM_THREADS", "1"}}, .one_process = true};
  const Ending ending = run("about", alone);
  CAPTURE(ending);
  const bool may_read = ending.code != 126 && ending.code != 127;  // another user may not read the program, or the library
  if (ending.code != no_such_system && may_read) CHECK(ending.well());
  if (sanitized()) return;
  // How much is little depends on OpenBLAS, whose buffers have 32 MiB or 128. It does not let a program start that has less.
  constexpr size_t some = size_t{8} << 20;
  size_t at_start = 0, most = 0;
  std::istringstream(run("address space", {.environment = alone.environment}).out) >> at_start >> most;
  CAPTURE(at_start);
  CAPTURE(most);
  REQUIRE(at_start > 0);
  REQUIRE(most >= at_start);
  const Ending small = run("about", {.environment = alone.environment, .address_space = most + some});
  CAPTURE(small);
  CHECK(small.well());
  // What is too little is said by the library, not by the end of the program.
  const Ending smaller =
      run("limited memory",
          {.arguments = {"float64 matrices", "0", "1", "cold"}, .environment = alone.environment, .address_space = at_start + some});
  CAPTURE(smaller);
  CHECK(smaller.well());
  CHECK(smaller.out.find("OutOfMemoryError") == 0);
}

TEST_CASE("where some threads can be made, these go on") {
  const Ending ending = run("threads cannot be made", {.arguments = {"processes", "4"}});
  CAPTURE(ending);
  if (ending.code == no_such_system) return;
  CHECK(ending.well());
  CHECK(occurrences(ending.err, "threads can be had") == 2);
  CHECK(ending.out != "6");
}

TEST_CASE("an environment variable that is not valid is named on stderr once, with what is valid and what is used") {
  const auto with = [](const char* name, const char* value) { return run("about", {.environment = {{name, value}}}); };
  for (const char* value : {"garbage", "0", "-3", "4 ", "3.5", "99999999999999999999", "1000"}) {
    const Ending ending = with("GRADUS_NUM_THREADS", value);
    CAPTURE(ending);
    CHECK(ending.well());
    CHECK(occurrences(ending.err, "gradus: GRADUS_NUM_THREADS=" + std::string(value) +
                                      " is not valid: give a whole number from 1 to 256; using ") == 1);
  }
  for (const char* value : {"AVX2", "sse", "avx-512"}) {
    const Ending ending = with("GRADUS_ISA", value);
    CAPTURE(ending);
    CHECK(ending.well());
    CHECK(occurrences(ending.err, "gradus: GRADUS_ISA=" + std::string(value) + " is not valid: give baseline") == 1);
  }
  for (const auto& [name, value] :
       {std::pair{"GRADUS_NUM_THREADS", "3"}, {"GRADUS_NUM_THREADS", ""}, {"GRADUS_ISA", "baseline"}, {"GRADUS_ISA", ""}}) {
    const Ending ending = with(name, value);
    CAPTURE(ending);
    CHECK(ending.well());
    CHECK(ending.err.empty());
  }
  CHECK(with("GRADUS_NUM_THREADS", "3").out.find("3 threads") != std::string::npos);
  CHECK(with("GRADUS_NUM_THREADS", "1000").out.find("256 threads") != std::string::npos);
}
