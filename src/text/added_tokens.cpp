#include "text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "text/unicode.h"
#include "text/utf8.h"

namespace gradus::text {
namespace {

size_t begin_of_last(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) --at;
  return at;
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && CodePoint(decode_first(text.substr(begin_of_last(text))).code_point).is_word();
}

bool starts_with_word(std::string_view text) { return !text.empty() && CodePoint(decode_first(text).code_point).is_word(); }

size_t without_space_behind(std::string_view text) {
  while (!text.empty()) {
    const size_t last = begin_of_last(text);
    if (!CodePoint(decode_first(text.substr(last)).code_point).is_space()) break;
    text = text.substr(0, last);
  }
  return text.size();
}

size_t space_before(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const Decoded next = decode_first(text.substr(at));
    if (!CodePoint(next.code_point).is_space()) break;
    at += next.bytes;
  }
  return at;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i];
    places_.emplace(token.id, i);
    has_[token.normalized] = true;
    by_first_byte_[token.normalized][static_cast<unsigned char>(token.content[0])].push_back(&token);
  }
  for (ByFirstByte& all : by_first_byte_)
    for (auto& list : all)
      std::stable_sort(list.begin(), list.end(), [](const auto* a, const auto* b) { return a->content.size() > b->content.size(); });
}

const AddedToken* AddedTokens::find(int64_t id) const noexcept {
  const auto found = places_.find(id);
  return found == places_.end() ? nullptr : &tokens_[found->second];
}

const AddedToken* AddedTokens::match(const ByFirstByte& tokens, std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at);
  for (const AddedToken* token : tokens[static_cast<unsigned char>(text[at])])
    if (rest.starts_with(token->content)) return token;
  return nullptr;
}

void AddedTokens::split(const ByFirstByte& tokens, std::string_view text, FunctionRef<void(std::string_view part, int32_t id)> visit) {
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* const token = match(tokens, text, at);
    if (!token) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->content.size();
    at = end;
    if (token->single_word && (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end)))) continue;
    if (token->lstrip) begin = std::max(without_space_behind(text.substr(0, begin)), done);
    if (token->rstrip) end += space_before(text.substr(end));
    if (done < begin) visit(text.substr(done, begin - done), -1);
    visit(text.substr(begin, end - begin), token->id);
    done = at = end;
  }
  if (done < text.size()) visit(text.substr(done), -1);
}

void AddedTokens::for_each_part(std::string_view text, FunctionRef<void(std::string_view part, int32_t id)> visit) const {
  const auto find_normalized = [&](std::string_view part, int32_t id) {
    if (id >= 0 || !has_[1]) visit(part, id);
    else split(by_first_byte_[1], part, visit);
  };
  if (has_[0]) split(by_first_byte_[0], text, find_normalized);
  else find_normalized(text, -1);
}

}  // namespace gradus::text
