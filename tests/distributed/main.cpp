#define DOCTEST_CONFIG_IMPLEMENT
#include "distributed/ranks.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <iostream>
#include <sstream>

#include "gradus/creation.h"

/// Every rank runs all test cases. Rank 0 shows its report, the others theirs where something failed in it; the last line is rank 0's,
/// "N passed, N failed", in which a case that failed on any rank counts as failed.
namespace {

gradus::distributed::Session* the_session = nullptr;

struct Counts {
  int64_t cases = 0, failed = 0;
};
Counts counts;

/// Counts the cases, since doctest tells only whether all passed.
struct Counter : doctest::IReporter {
  explicit Counter(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& stats) override { counts = {stats.numTestCasesPassingFilters, stats.numTestCasesFailed}; }
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

}  // namespace

REGISTER_LISTENER("counter", 1, Counter);

gradus::distributed::Session& distributed_test::session() { return *the_session; }

int main(int argc, char** argv) {
  using gradus::distributed::ReduceOp;
  gradus::distributed::Session session({.timeout = std::chrono::seconds(20)});
  the_session = &session;
  doctest::Context context(argc, argv);
  std::ostringstream report;
  context.setOption("no-colors", true);
  context.setCout(&report);
  const int code = context.run();
  if (session.rank() == 0 || code != 0) std::cout << "rank " << session.rank() << ":\n" << report.str() << std::flush;
  const int64_t failed = session.all_reduce(gradus::from_vector(std::vector<int64_t>{counts.failed}, {}), ReduceOp::Max).item<int64_t>();
  if (session.rank() == 0) std::cout << counts.cases - failed << " passed, " << failed << " failed\n" << std::flush;
  return failed == 0 ? 0 : 1;
}
