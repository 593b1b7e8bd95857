#include <doctest/doctest.h>

#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/train.h"
#include "io/folder.h"
#include "train/csv.h"

using namespace gradus;
using train::CsvLog;

TEST_CASE("a CSV log has a header and a line a step, with numbers to the bit and texts between quotes") {
  const Folder folder;
  const std::string path = folder / "log.csv";
  CsvLog log(path, {"loss", "say \"hi\", all"});
  log.write(1, {0.1, "plain"});
  log.write(1, {true, "a,b\n\"c\""});
  log.write(20, {std::numeric_limits<double>::quiet_NaN(), tensor(0.1).to(float32)});
  log.write(21, {-std::numeric_limits<double>::infinity(), tensor({7})});
  CHECK(
      read_bytes(path) ==
      "step,loss,\"say \"\"hi\"\", all\"\n1,0.1,plain\n1,1,\"a,b\n\"\"c\"\"\"\n20,nan,0.1\n21,-inf,7\n");  // there before the log is closed
}

TEST_CASE("a resumed CSV log appends, without what the file has beyond the step and a line that was not finished") {
  const Folder folder;
  const std::string path = folder / "log.csv";
  const std::string begin = "step,loss,note\n1,0.5,\"a\nb\"\n2,0.25,\n";
  for (const char* beyond : {"", "3,0.1,x\n4,0.1,x\n", "2,0.2", "3,0.1,\"un\nfinished", "3,0.1,x\nwhatever"}) {
    CAPTURE(beyond);
    write_bytes(path, begin + beyond);
    CsvLog log(path, {"loss", "note"}, 2);
    log.write(3, {0.125, "new"});
    CHECK(read_bytes(path) == begin + "3,0.125,new\n");
  }
  CsvLog(path, {"loss", "note"}, 0).write(5, {1, ""});
  CHECK(read_bytes(path) == "step,loss,note\n5,1,\n");
  CsvLog(path, {"other"}).write(1, {2});
  CHECK(read_bytes(path) == "step,other\n1,2\n");
  for (const char* torn : {"", "ste"}) {
    write_bytes(path, torn);
    CsvLog(path, {"loss"}, 7).write(8, {2});
    CHECK(read_bytes(path) == "step,loss\n8,2\n");
  }
  std::filesystem::remove(path);
  CsvLog(path, {"loss"}, 7).write(8, {2});
  CHECK(read_bytes(path) == "step,loss\n8,2\n");
}

TEST_CASE("a CSV log refuses files that are not its own, by line, and leaves them alone") {
  const Folder folder;
  const std::string path = folder / "log.csv";
  const auto complaint = [&](const std::string& content) -> std::string {
    write_bytes(path, content);
    try {
      CsvLog(path, {"loss"}, 9);
    } catch (const IoError& error) {
      CHECK(read_bytes(path) == content);
      return std::string(error.what()).substr(("CsvLog: " + path + ": ").size());
    }
    return "";
  };
  CHECK(complaint("step,accuracy\n1,2\n") == "line 1: the columns are step,accuracy, not step,loss; give another file");
  CHECK(complaint("step,loss\n1,2\n2,3,4\n") == "line 3: there are 3 fields, not 2");
  CHECK(complaint("step,loss\n1,\"\n\"\n1.5,3\n") == "line 4: the step \"1.5\" is no whole number");
  CHECK(complaint("step,loss\n\x1B[2J,3\n") == "line 2: the step \"\\x1b[2J\" is no whole number");
  CHECK(complaint("step,loss\n3,2\n2,3\n") == "line 3: step 2 follows step 3; steps must not fall");
  CHECK(complaint("a letter") == "has no line that ends, and does not begin as the header: step,loss\n");
  CHECK(complaint("step,loss\r\n1,2\r\n").empty());  // an editor's ends of lines
  CHECK_THROWS_AS(CsvLog((folder.path / "none" / "log.csv").string(), {"loss"}), IoError);
  CHECK_THROWS_AS(CsvLog(folder.path.string(), {"loss"}, 1), IoError);
}

TEST_CASE("a CSV log refuses columns and values that make no table") {
  const Folder folder;
  const std::string path = folder / "log.csv";
  CHECK_THROWS_AS(CsvLog(path, {}), ValueError);
  CHECK_THROWS_AS(CsvLog(path, {""}), ValueError);
  CHECK_THROWS_AS(CsvLog(path, {"a", "b", "a"}), ValueError);
  CHECK_THROWS_WITH_AS(CsvLog(path, {"step"}), ("CsvLog: " + path + ": two columns are called \"step\"; the first one is \"step\"").c_str(),
                       ValueError);
  CHECK(!std::filesystem::exists(path));
  CsvLog log(path, {"a", "b"});
  log.write(5, {1, 2});
  CHECK_THROWS_WITH_AS(log.write(6, {1}), ("CsvLog: " + path + ": 1 values for the columns a, b").c_str(), ValueError);
  CHECK_THROWS_AS(log.write(4, {1, 2}), ValueError);
  CHECK_THROWS_AS(log.write(6, {1, zeros({2})}), ShapeError);
  CHECK(read_bytes(path) == "step,a,b\n5,1,2\n");
  CsvLog resumed(path, {"a", "b"}, 5);
  CHECK_THROWS_AS(resumed.write(4, {1, 2}), ValueError);
}

TEST_CASE("a line that does not fit on the disk leaves no part of it") {
  const Folder folder;
  const std::string path = folder / "log.csv";
  CsvLog log(path, {"note"});
  log.write(1, {"a"});
  const std::string before = read_bytes(path);
  rlimit usual{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &usual) == 0);
  const rlimit small{.rlim_cur = before.size() + 3, .rlim_max = usual.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  CHECK_THROWS_AS(log.write(2, {"a long note"}), IoError);
  ::setrlimit(RLIMIT_FSIZE, &usual);
  std::signal(SIGXFSZ, handler);
  CHECK(read_bytes(path) == before);
  log.write(2, {"b"});
  CHECK(read_bytes(path) == before + "2,b\n");
}

TEST_CASE("CSV fields come back as they were") {
  const std::vector<std::string> fields{"", "a", "\"", "a,b", "a\nb", "\"\"x\""};
  const std::string line = train::csv_line(fields);
  train::CsvReader reader(line);
  std::vector<std::string> read;
  CHECK(reader.next(read));
  CHECK(read == fields);
  CHECK(reader.line() == 3);
  CHECK(reader.place() == line.size());
  CHECK(!reader.next(read));
}
