#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

/// Tests of what ends a process: each runs a scenario in a process of its own, which is this program started again.
namespace robustness {

/// A scenario's program: what `main` would be. Defined beside the test that runs it, as a static object.
class Scenario {
 public:
  Scenario(std::string name, std::function<int(const std::vector<std::string>& arguments)> run);
};

/// The exit status of a scenario for which this system has not what it takes.
constexpr int no_such_system = 77;

/// How a process ended, and what it wrote.
struct Ending {
  int code = -1;      ///< of exit; -1 when it did not come to that
  int signal = 0;     ///< that killed it
  bool late = false;  ///< killed as it took too long
  std::string out, err;

  bool well() const noexcept { return code == 0; }
};
std::ostream& operator<<(std::ostream& out, const Ending& ending);

struct Start {
  std::vector<std::string> arguments = {};
  std::vector<std::pair<std::string, std::string>> environment = {};
  int seconds = 60;
  size_t address_space = 0;  ///< in bytes, as `ulimit -v` sets it before the program is loaded; 0: no limit
  bool one_process = false;  ///< as `ulimit -u 1` of a user without other processes
};

/// Runs a scenario and waits for its end.
Ending run(const std::string& scenario, const Start& start = {});

/// What `main` calls first: runs the scenario that the arguments name, if they do; -1 otherwise.
int run_scenario(int argc, char** argv);

/// Ends this process without further ado unless `condition` holds: for scenarios, where an exception may be what is tested.
void require(bool condition, const char* what);

/// A product, a step of a GRU and the gradients, and whether they are right.
bool computes();

/// Whether the program is built with a sanitizer, which takes far more memory than limits here leave.
bool sanitized() noexcept;

}  // namespace robustness
