#include <algorithm>
#include <cstdio>
#include <map>
#include <string>

#include "parity/modules.h"

/// replay DIR: makes the calls of a folder of cases and compares with what PyTorch got. Lists what failed; the last line is
/// "N passed, N failed, N skipped".
int main(int argc, char** argv) {
  using namespace gradus::parity;
  if (argc != 2) {
    std::fprintf(stderr, "usage: replay DIR\n  DIR holds manifest.json and data/*.safetensors\n");
    return 2;
  }
  try {
    Folder folder(argv[1]);
    int64_t passed = 0, failed = 0, skipped = 0;
    std::map<std::string, int64_t> reasons;
    const auto count = [&](const std::string& name, const Verdict& verdict) {
      (verdict.kind == Verdict::Passed ? passed : verdict.kind == Verdict::Failed ? failed : skipped) += 1;
      if (verdict.kind == Verdict::Failed) std::printf("FAILED %s: %s\n", name.c_str(), verdict.reason.c_str());
      if (verdict.kind == Verdict::Skipped) ++reasons[verdict.reason];
    };
    for (const json& test : folder.cases()) {
      Verdict verdict = test.contains("op") ? run_op_case(folder, test) : run_module_case(folder, test);
      if (verdict.kind == Verdict::Failed)
        if (const std::string known = documented_difference(test, verdict); !known.empty()) verdict = {Verdict::Skipped, known};
      count(test.value("id", "?"), verdict);
    }
    const auto count_all = [&](const char* part, const auto& run) {
      if (!folder.manifest().contains(part)) return;
      for (const auto& [name, verdict] : run(folder.manifest()[part])) count(name, verdict);
    };
    count_all("initialisers", run_initialisers);
    count_all("schedulers", run_schedulers);
    count_all("module_errors", run_module_errors);
    for (const auto& [reason, times] : reasons) std::printf("skipped %lld: %s\n", static_cast<long long>(times), reason.c_str());
    std::printf("%lld passed, %lld failed, %lld skipped\n", static_cast<long long>(passed), static_cast<long long>(failed),
                static_cast<long long>(skipped));
    return failed == 0 ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "replay: %s\n", e.what());
    return 2;
  }
}
