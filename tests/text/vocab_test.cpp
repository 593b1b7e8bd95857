#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gradus/error.h"
#include "gradus/text/vocab.h"
#include "io/folder.h"

namespace {

using gradus::text::Vocab;
using Tokens = std::vector<std::string>;

const std::vector<Tokens> kSentences = {{"go", "."}, {"hi", "."}, {"run", "!"}, {"run", "hi", "!", "."}};

TEST_CASE("Vocab puts <unk> first, then the frequent tokens, and equals in the order of their first occurrence") {
  const Vocab vocab(kSentences);
  CHECK(vocab.tokens() == Tokens{"<unk>", ".", "hi", "run", "!", "go"});
  CHECK(vocab.size() == 6);
}

TEST_CASE("Vocab sets reserved tokens behind <unk> and leaves out rare tokens") {
  const Vocab vocab(kSentences, {.min_freq = 2, .reserved_tokens = {"<pad>", "<bos>", "<eos>"}});
  CHECK(vocab.tokens() == Tokens{"<unk>", "<pad>", "<bos>", "<eos>", ".", "hi", "run", "!"});
  CHECK(vocab["<eos>"] == 3);
  CHECK(Vocab(kSentences, {.min_freq = 3}).tokens() == Tokens{"<unk>", "."});
  CHECK(Vocab(kSentences, {.min_freq = std::numeric_limits<int64_t>::max()}).size() == 1);
  CHECK(Vocab(kSentences, {.min_freq = 0}).tokens() == Vocab(kSentences, {.min_freq = 1}).tokens());
}

TEST_CASE("Vocab keeps the place of <unk> and reserved tokens that occur in the corpus") {
  const Vocab vocab({"a", "<pad>", "<pad>", "<unk>", "<unk>", "b", "b"}, {.min_freq = 2, .reserved_tokens = {"<pad>"}});
  CHECK(vocab.tokens() == Tokens{"<unk>", "<pad>", "b"});
  CHECK(vocab["<unk>"] == 0);
}

TEST_CASE("Vocab counts one list of tokens as it counts sentences") {
  const Tokens flat = {"go", ".", "hi", ".", "run", "!", "run", "hi", "!", "."};
  CHECK(Vocab(flat).tokens() == Vocab(kSentences).tokens());
  CHECK(Vocab(flat, {.min_freq = 3}).tokens() == Tokens{"<unk>", "."});
  CHECK(Vocab({"b", "a", "a"}).tokens() == Tokens{"<unk>", "a", "b"});
  CHECK(Vocab({{"b", "a"}, {"a"}}).tokens() == Tokens{"<unk>", "a", "b"});
}

TEST_CASE("Vocab of nothing holds <unk> alone") {
  CHECK(Vocab().tokens() == Tokens{"<unk>"});
  CHECK(Vocab(std::vector<Tokens>{}).tokens() == Tokens{"<unk>"});
  CHECK(Vocab(std::vector<Tokens>{{}, {}}).tokens() == Tokens{"<unk>"});
  CHECK(Vocab(Tokens{}).tokens() == Tokens{"<unk>"});
}

TEST_CASE("Vocab translates tokens to indices and back, unknown ones to <unk>") {
  const Vocab vocab(kSentences);
  CHECK(vocab.index("hi") == 2);
  CHECK(vocab["nobody"] == 0);
  CHECK(vocab[""] == 0);
  CHECK(vocab.contains("go"));
  CHECK(vocab.contains("<unk>"));
  CHECK_FALSE(vocab.contains("Go"));
  CHECK(vocab.token(5) == "go");
  CHECK(vocab[0] == "<unk>");
  CHECK(vocab.to_indices({"run", "hi", "nobody", "!"}) == std::vector<int64_t>{3, 2, 0, 4});
  CHECK(vocab.to_tokens({3, 2, 0, 4}) == Tokens{"run", "hi", "<unk>", "!"});
  CHECK(vocab.to_indices({}).empty());
  CHECK(vocab.to_tokens({}).empty());
}

TEST_CASE("Vocab names an index that is out of range, its place and the limit") {
  const Vocab vocab(kSentences);
  CHECK_THROWS_WITH_AS(vocab.token(6), "Vocab::token: index 6 is out of range for 6 tokens", gradus::IndexError);
  CHECK_THROWS_WITH_AS(vocab[-1], "Vocab::token: index -1 is out of range for 6 tokens", gradus::IndexError);
  CHECK_THROWS_WITH_AS(vocab.to_tokens({0, 5, 6}), "Vocab::to_tokens: index 6 at [2] is out of range for 6 tokens", gradus::IndexError);
  CHECK_THROWS_AS(vocab.to_tokens({-1}), gradus::IndexError);
}

TEST_CASE("Vocab refuses reserved tokens that are doubled or <unk>, and a negative frequency") {
  CHECK_THROWS_WITH_AS(Vocab(kSentences, {.reserved_tokens = {"<pad>", "<bos>", "<pad>"}}),
                       "Vocab: the reserved token '<pad>' is given twice", gradus::ValueError);
  CHECK_THROWS_WITH_AS(Vocab(kSentences, {.reserved_tokens = {"<unk>"}}),
                       "Vocab: the reserved token '<unk>' is always there, at index 0; leave it out of reserved_tokens",
                       gradus::ValueError);
  CHECK_THROWS_WITH_AS(Vocab(kSentences, {.min_freq = -1}), "Vocab: min_freq -1 is negative; 0 and 1 keep all tokens", gradus::ValueError);
}

TEST_CASE("Vocab::from_tokens brings back a vocabulary from its tokens") {
  const Vocab vocab(kSentences, {.min_freq = 2, .reserved_tokens = {"<pad>"}});
  const Vocab again = Vocab::from_tokens(vocab.tokens());
  CHECK(again.tokens() == vocab.tokens());
  for (const std::string& token : vocab.tokens()) CHECK(again[token] == vocab[token]);
  CHECK(again["go"] == 0);
}

TEST_CASE("Vocab::from_tokens refuses doubled tokens and lists that do not start with <unk>") {
  CHECK_THROWS_WITH_AS(Vocab::from_tokens({"<unk>", "a", "b", "a"}), "Vocab::from_tokens: token 'a' is given twice, at 1 and 3",
                       gradus::ValueError);
  CHECK_THROWS_WITH_AS(Vocab::from_tokens({"<unk>", "a", "<unk>"}), "Vocab::from_tokens: token '<unk>' is given twice, at 0 and 2",
                       gradus::ValueError);
  CHECK_THROWS_WITH_AS(Vocab::from_tokens({"a", "<unk>"}), "Vocab::from_tokens: the first token must be '<unk>', not 'a'",
                       gradus::ValueError);
  CHECK_THROWS_WITH_AS(Vocab::from_tokens({}), "Vocab::from_tokens: the list is empty; the first token must be '<unk>'",
                       gradus::ValueError);
}

TEST_CASE("a Vocab that was saved comes back, with every kind of token") {
  const Folder folder;
  const Tokens tokens{
      "<unk>", "", "a b", " ", "line\nfeed", "car\rriage\r", "back\\slash\\n", "\u00E9\U0001F600", "\t", "\uFEFF", std::string("\0", 1)};
  Vocab::from_tokens(tokens).save(folder / "vocab.txt");
  CHECK(Vocab::load(folder / "vocab.txt").tokens() == tokens);
  Vocab().save(folder / "vocab.txt");  // over the old one
  CHECK(read_bytes(folder / "vocab.txt") == "<unk>\n");
  CHECK(folder.files() == 1);
}

TEST_CASE("Vocab::load takes what editors make of a file") {
  const Folder folder;
  const std::string path = folder / "vocab.txt";
  write_bytes(path, "\uFEFF<unk>\r\na\r\nb\\n");
  CHECK(Vocab::load(path).tokens() == Tokens{"<unk>", "a", "b\n"});
}

TEST_CASE("Vocab::load names the line that it cannot take") {
  const Folder folder;
  const std::string path = folder / "vocab.txt";
  const auto complaint = [&](const std::string& bytes) -> std::string {
    write_bytes(path, bytes);
    try {
      Vocab::load(path);
    } catch (const gradus::IoError& error) {
      return error.what();
    }
    return "";
  };
  const std::string at = "Vocab::load: " + path;
  CHECK(complaint("") == at + ": is empty; the first line must be '<unk>'");
  CHECK(complaint("a\n") == at + ":1: is \"a\"; the first line must be '<unk>'");
  CHECK(complaint("<unk>\na\nb\na\n") == at + ":4: has the token \"a\" of line 2 again");
  CHECK(complaint("<unk>\n<unk>\n") == at + ":2: has the token \"<unk>\" of line 1 again");
  CHECK(complaint("<unk>\na\\t\n") == at + ":2: has a backslash at byte 2 of the line that is not followed by \\, n or r");
  CHECK(complaint("<unk>\na\\") == at + ":2: has a backslash at byte 2 of the line that is not followed by \\, n or r");
  CHECK(complaint("<unk>\nab\xFF\n") == at + ":2: is not valid UTF-8 from byte 3 of the line on");
  CHECK_THROWS_WITH_AS(Vocab::load(folder / "no"),
                       ("Vocab::load: " + (folder / "no") + ": cannot be opened: No such file or directory").c_str(), gradus::IoError);
}

TEST_CASE("a Vocab that cannot be saved leaves the old file") {
  const Folder folder;
  const std::string path = folder / "vocab.txt";
  Vocab({"a"}).save(path);
  Vocab from(kSentences);
  const Vocab to = std::move(from);
  CHECK_THROWS_WITH_AS(
      from.save(path),
      ("Vocab::save: " + path + ": there are no tokens; was the vocabulary moved from?").c_str(),  // NOLINT(bugprone-use-after-move)
      gradus::ValueError);
  CHECK_THROWS_AS(Vocab({"\xFF"}).save(path), gradus::ValueError);
  CHECK_THROWS_AS(to.save(folder / "no/vocab.txt"), gradus::IoError);
  CHECK(read_bytes(path) == "<unk>\na\n");
  CHECK(folder.files() == 1);
}

TEST_CASE("copies of a Vocab are independent") {
  Vocab vocab(kSentences);
  const Vocab copy = vocab;
  vocab = Vocab();
  CHECK(copy.size() == 6);
  CHECK(copy["go"] == 5);
  CHECK(vocab["go"] == 0);
}

TEST_CASE("a Vocab that was moved from holds nothing, and takes another") {
  Vocab from(kSentences);
  const Vocab to = std::move(from);
  // NOLINTBEGIN(bugprone-use-after-move)
  CHECK(from.size() == 0);
  CHECK(!from.contains("go"));
  CHECK(from["go"] == 0);
  CHECK(from.tokens().empty());
  CHECK(from.to_indices({"go", "x"}) == std::vector<int64_t>{0, 0});
  CHECK_THROWS_AS(from.token(0), gradus::IndexError);
  CHECK_THROWS_AS(from.to_tokens({0}), gradus::IndexError);
  from = to;
  // NOLINTEND(bugprone-use-after-move)
  CHECK(from["go"] == 5);
}

}  // namespace
