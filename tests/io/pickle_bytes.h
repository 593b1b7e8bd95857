#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "raw.h"
#include "zip_bytes.h"

namespace files {

/// A pickle, opcode by opcode.
inline std::string text(const std::string& value) { return "X" + raw<uint32_t>({static_cast<uint32_t>(value.size())}) + value; }
inline std::string number(int64_t value) {
  if (value >= 0 && value < 256) return "K" + std::string(1, static_cast<char>(value));
  return "\x8a\x08" + raw<int64_t>({value});
}
inline std::string global(const std::string& module, const std::string& name) { return "c" + module + "\n" + name + "\n"; }
inline std::string tuple(const std::string& values) { return "(" + values + "t"; }
inline std::string numbers(std::initializer_list<int64_t> values) {
  std::string all;
  for (int64_t v : values) all += number(v);
  return tuple(all);
}
inline std::string dict(const std::string& items) { return "}(" + items + "u"; }
inline std::string ordered_dict(const std::string& items) { return global("collections", "OrderedDict") + ")R(" + items + "u"; }
inline std::string whole(const std::string& value) { return "\x80\x02" + value + "."; }

inline const std::string no_hooks = global("collections", "OrderedDict") + ")R";

inline std::string storage(const std::string& type, const std::string& key, int64_t numel) {
  return tuple(text("storage") + global("torch", type) + text(key) + text("cpu") + number(numel)) + "Q";
}
inline std::string tensor(const std::string& storage, int64_t offset, std::initializer_list<int64_t> shape,
                          std::initializer_list<int64_t> strides) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple(storage + number(offset) + numbers(shape) + numbers(strides) + "\x89" + no_hooks) + "R";
}

/// The archive with that pickle and storages "0", "1", …
inline std::string archive(const std::string& pickle, const std::vector<std::string>& storages, const std::vector<Member>& more = {}) {
  std::vector<Member> members{stored("archive/data.pkl", pickle)};
  for (size_t i = 0; i < storages.size(); ++i) members.push_back(stored("archive/data/" + std::to_string(i), storages[i]));
  members.push_back(stored("archive/version", "3\n"));
  members.insert(members.end(), more.begin(), more.end());
  return zip(members).bytes;
}

}  // namespace files
