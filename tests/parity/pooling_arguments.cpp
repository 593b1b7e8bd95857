#include "parity/pooling_arguments.h"

namespace gradus::parity {

OutputSize2d output_size(const Arguments& a) {
  const json* list = list_of(a.raw("output_size"));
  if (!list) return {a.integer("output_size"), a.integer("output_size")};
  if (list->size() != 2) throw NoSuchCall("output_size of " + std::to_string(list->size()) + " numbers");
  const auto one = [&](size_t i) { return (*list)[i].is_null() ? std::nullopt : std::optional((*list)[i].get<int64_t>()); };
  return {one(0), one(1)};
}

int64_t only_size(const Arguments& a) {
  const Dims size = a.dims("output_size");
  if (size.size() != 1) throw NoSuchCall("output_size of " + std::to_string(size.size()) + " numbers");
  return size[0];
}

}  // namespace gradus::parity
