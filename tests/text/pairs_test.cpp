#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "gradus/error.h"
#include "gradus/text/pairs.h"
#include "gradus/text/tokenizer.h"
#include "gradus/text/vocab.h"
#include "io/folder.h"
#include "source_root.h"

namespace {

using gradus::IoError;
using gradus::text::Pair;
using gradus::text::parse_pairs;
using gradus::text::read_pairs;
using gradus::text::Vocab;
namespace fs = std::filesystem;
using namespace std::string_literals;

/// The pairs, readable in a message: source|target, one a line.
std::string shown(const std::vector<Pair>& pairs) {
  std::string text;
  for (const Pair& pair : pairs) text += pair.source + "|" + pair.target + "\n";
  return text;
}

/// What parse_pairs and read_pairs make of the same text; both must agree.
std::string parsed(const std::string& text, int64_t limit = -1) {
  const Folder folder;
  const std::string path = folder / "pairs.tsv";
  write_bytes(path, text);
  const std::string in_memory = shown(parse_pairs(text, "pairs.tsv", limit));
  CHECK(shown(read_pairs(path, limit)) == in_memory);
  return in_memory;
}

/// What both say about a text that they refuse, the folder's name cut off; empty when they take it.
std::string complaint(const std::string& text, int64_t limit = -1) {
  const Folder folder;
  const std::string path = folder / "pairs.tsv";
  write_bytes(path, text);
  std::string from_file, from_memory;
  try {
    read_pairs(path, limit);
  } catch (const IoError& error) {
    from_file = error.what();
  }
  try {
    parse_pairs(text, path, limit);
  } catch (const IoError& error) {
    from_memory = error.what();
  }
  CHECK(from_file == from_memory);
  const std::string start = (folder.path / "").string();
  if (from_file.starts_with(start)) from_file.erase(0, start.size());
  return from_file;
}

TEST_CASE("pairs are read in their order, with and without an end to the last line") {
  CHECK(parsed("Go.\tVa !\nHi.\tSalut !\n") == "Go.|Va !\nHi.|Salut !\n");
  CHECK(parsed("Go.\tVa !\nHi.\tSalut !") == "Go.|Va !\nHi.|Salut !\n");
  CHECK(parsed("Run!\tCours\u202F!\n") == "Run!|Cours\u202F!\n");
  CHECK(parsed(" Go. \t Va ! \n") == " Go. | Va ! \n");
  CHECK(parsed("") == "");
}

TEST_CASE("pairs may come with a byte-order mark, CR LF, blank lines and further columns") {
  CHECK(parsed("\uFEFFGo.\tVa !\n") == "Go.|Va !\n");
  CHECK(parsed("Go.\tVa !\r\nHi.\tSalut !\r\n") == "Go.|Va !\nHi.|Salut !\n");
  CHECK(parsed("Go.\tVa !\r\nHi.\tSalut !\r") == "Go.|Va !\nHi.|Salut !\n");
  CHECK(parsed("\n\r\nGo.\tVa !\n\n  \n\u00A0\u202F\nHi.\tSalut !\n\n") == "Go.|Va !\nHi.|Salut !\n");
  CHECK(parsed("Go.\tVa !\tCC-BY 2.0 (France) #1 & #2\nHi.\tSalut !\t\nRun!\tCours !\ta\tb\n") == "Go.|Va !\nHi.|Salut !\nRun!|Cours !\n");
  CHECK(parsed("\uFEFF") == "");
  CHECK(parsed("\uFEFF\r\nGo.\tVa !\tby me\r\n") == "Go.|Va !\n");
}

TEST_CASE("what stands in further columns is kept, blank ones left out") {
  const std::vector<Pair> pairs = parse_pairs("read\tR EH D\tR IY D\t \t\tR\u202F\r\nGo.\tVa !\t\nHi.\tSalut !\n", "x");
  REQUIRE(pairs.size() == 3);
  CHECK(pairs[0].target == "R EH D");
  CHECK(pairs[0].more == std::vector<std::string>{"R IY D", "R\u202F"});
  CHECK(pairs[1].more.empty());
  CHECK(pairs[2].more.empty());
}

TEST_CASE("a byte-order mark is dropped at the start of the text alone") {
  CHECK(parsed("\uFEFF\uFEFFGo.\tVa !\n\uFEFFHi.\tSalut !\n") == "\uFEFFGo.|Va !\n\uFEFFHi.|Salut !\n");
}

TEST_CASE("pairs stop at the limit and what follows is not looked at") {
  const std::string text = "Go.\tVa !\n\nHi.\tSalut !\nRun!\tCours !\n";
  CHECK(parsed(text, 0) == "");
  CHECK(parsed(text, 1) == "Go.|Va !\n");
  CHECK(parsed(text, 2) == "Go.|Va !\nHi.|Salut !\n");
  CHECK(parsed(text, 3) == parsed(text));
  CHECK(parsed(text, 4) == parsed(text));
  CHECK(parsed("Go.\tVa !\nno tab\n", 1) == "Go.|Va !\n");
  CHECK_THROWS_WITH_AS(parse_pairs(text, "x", -2), "parse_pairs: limit -2 is negative; -1 stands for all pairs", gradus::ValueError);
  CHECK_THROWS_WITH_AS(read_pairs("x", -2), "read_pairs: limit -2 is negative; -1 stands for all pairs", gradus::ValueError);
}

TEST_CASE("a line without a tab or with an empty side is named with what it should look like") {
  CHECK(complaint("Go. Va !\n") == "pairs.tsv:1: has no tab; a line is source, a tab, target");
  CHECK(complaint("Go.\tVa !\n\nHi.\n") == "pairs.tsv:3: has no tab; a line is source, a tab, target");
  CHECK(complaint("\tVa !\n") == "pairs.tsv:1: has nothing before the tab; a line is source, a tab, target");
  CHECK(complaint("\uFEFF\tVa !\n") == "pairs.tsv:1: has nothing before the tab; a line is source, a tab, target");
  CHECK(complaint("Go.\t\n") == "pairs.tsv:1: has nothing behind the tab; a line is source, a tab, target");
  CHECK(complaint("Go.\t \u00A0\r\n") == "pairs.tsv:1: has nothing behind the tab; a line is source, a tab, target");
  CHECK(complaint("Go.\tVa !\r\nHi.\t\tCC-BY\r\n") == "pairs.tsv:2: has nothing behind the tab; a line is source, a tab, target");
  CHECK(complaint("\t\n") == "pairs.tsv:1: has nothing before the tab; a line is source, a tab, target");
}

TEST_CASE("a NUL byte, invalid UTF-8 and a carriage return inside a line are named with their line") {
  CHECK(complaint("Go.\tVa !\nHi.\tSa\0lut !\n"s) ==
        "pairs.tsv:2: has a NUL byte, byte 7 of the line; a line is source, a tab, target, in UTF-8 text");
  CHECK(complaint("Go.\tVa !\tby\0\n"s) ==
        "pairs.tsv:1: has a NUL byte, byte 12 of the line; a line is source, a tab, target, in UTF-8 text");
  CHECK(complaint("\xFF\xFEG\0o\0\n\0"s).starts_with("pairs.tsv:1: has a NUL byte"));
  CHECK(complaint("Go.\tVa !\nIt was.\tC'\xE9tait.\n") ==
        "pairs.tsv:2: is not valid UTF-8 from byte 11 of the line on; a line is source, a tab, target, in UTF-8 text");
  CHECK(complaint("Go.\tVa\xC3\n").starts_with("pairs.tsv:1: is not valid UTF-8 from byte 7 "));
  CHECK(complaint("Go.\tVa !\rHi.\tSalut !\r") ==
        "pairs.tsv:1: has a carriage return inside; a line is source, a tab, target, and ends with LF or CR LF");
}

TEST_CASE("read_pairs says why a file cannot be read") {
  const Folder folder;
  const std::string missing = folder / "missing.tsv", directory = folder.path.string();
  CHECK_THROWS_WITH_AS(read_pairs(missing), ("read_pairs: " + missing + ": cannot be opened: No such file or directory").c_str(), IoError);
  CHECK_THROWS_WITH_AS(read_pairs(directory), ("read_pairs: " + directory + ": cannot be read: Is a directory").c_str(), IoError);
  CHECK_THROWS_AS(read_pairs(""), IoError);
}

TEST_CASE("read_pairs reads from a pipe") {
  const Folder folder;
  const std::string pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::thread writer([&] { write_bytes(pipe, "Go.\tVa !\nHi.\tSalut !\n"); });
  const std::string pairs = shown(read_pairs(pipe));
  writer.join();
  CHECK(pairs == "Go.|Va !\nHi.|Salut !\n");
}

TEST_CASE("a line that does not end is refused after 1 MiB, so that a device without end is too") {
  const std::string longest(size_t{1} << 20, 'x'), form = "; a line is source, a tab, target, and ends with LF or CR LF";
  CHECK(complaint("Go.\tVa !\n" + longest + "y") == "pairs.tsv:2: is longer than 1048576 bytes" + form);
  CHECK(complaint(longest + "y\nGo.\tVa !\n") == "pairs.tsv:1: is longer than 1048576 bytes" + form);
  std::string fits = longest;
  fits[7] = '\t';
  CHECK(complaint(fits + "\n" + fits).empty());
  CHECK(parsed("Go.\tVa !\n" + longest + "y", 1) == "Go.|Va !\n");
  CHECK_THROWS_WITH_AS(read_pairs("/dev/zero"), ("/dev/zero:1: is longer than 1048576 bytes" + form).c_str(), IoError);
  CHECK_THROWS_AS(read_pairs("/dev/urandom"), IoError);
  CHECK(read_pairs("/dev/null").empty());
}

TEST_CASE("read_pairs gives back what a pipe has brought as soon as there is enough of it") {
  const Folder folder;
  const std::string pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::ofstream out;
  std::thread writer([&] {
    out.open(pipe, std::ios::binary);
    out << "Go.\tVa !\n" << std::flush;
  });
  CHECK(shown(read_pairs(pipe, 1)) == "Go.|Va !\n");  // though the writer keeps it open
  writer.join();
}

/// The sentences of one side, as the chapter tokenizes them.
std::vector<std::vector<std::string>> words(const std::vector<Pair>& pairs, std::string Pair::*side) {
  std::vector<std::vector<std::string>> sentences;
  for (const Pair& pair : pairs) sentences.push_back(gradus::text::tokenize(gradus::text::preprocess(pair.*side)));
  return sentences;
}

TEST_CASE("the chapter's 601 English-French pairs give its vocabularies of 184 and 201 words") {
  const char* shared = ::getenv("GRADUS_SHARED");
  const fs::path folder = shared != nullptr ? fs::path(shared) : fs::path(GRADUS_SOURCE_ROOT) / ".." / "shared";
  const fs::path file = folder / "data" / "fra-eng" / "fra.first601.tsv";
  if (!fs::exists(file)) {
    MESSAGE("skipped: there is no ", file.string(), "; set GRADUS_SHARED to the folder that holds data/fra-eng");
    return;
  }
  const std::vector<Pair> pairs = read_pairs(file.string());
  REQUIRE(pairs.size() == 601);
  const std::vector<std::string> reserved = {"<pad>", "<bos>", "<eos>"};
  const Vocab english(words(pairs, &Pair::source), {.min_freq = 2, .reserved_tokens = reserved});
  const Vocab french(words(pairs, &Pair::target), {.min_freq = 2, .reserved_tokens = reserved});
  CHECK(english.size() == 184);
  CHECK(french.size() == 201);
  CHECK(english["<eos>"] == 3);
  // The most frequent words, counted with the chapter's Python code.
  CHECK(english.to_tokens({4, 5, 6, 7, 183}) == std::vector<std::string>{".", "!", "i", "i'm", "how's"});
  CHECK(french.to_tokens({4, 5, 6, 7, 200}) == std::vector<std::string>{".", "!", "je", "suis", "recul"});
}

}  // namespace
