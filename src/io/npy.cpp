#include "gradus/io/npy.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/file.h"
#include "core/quoted.h"
#include "io/contents.h"
#include "io/elements.h"
#include "io/npy_header.h"
#include "io/zip.h"

namespace gradus::io {
namespace {

constexpr std::string_view kEnding = ".npy";

/// In Fortran's order the elements are those of the transposed array in row-major order.
Tensor read_array(const InputFile& file, const std::string& what, const NpyHeader& header, ReadBytes read) {
  Shape shape = header.shape;
  if (header.fortran_order) std::reverse(shape.begin(), shape.end());
  const Tensor x = read_tensor(file.op(), *header.format, shape, read, fmt::format("{}: {}: {}the array", file.op(), file.path(), what));
  if (!header.fortran_order || shape.size() < 2) return x;
  Dims dims;
  for (int64_t k = shape.size(); k-- > 0;) dims.push_back(k);
  return x.permute(dims).contiguous();
}

}  // namespace

Contents read_npy(const InputFile& file) {
  uint64_t at = 0;
  const auto read = [&](void* to, size_t bytes) {
    file.read_at(at, to, bytes);
    at += bytes;
  };
  const NpyHeader header = read_npy_header(file, "", file.size(), read);
  Contents contents{.kind = "npy"};
  contents.add("array", *header.format, read_array(file, "", header, read));
  return contents;
}

Contents read_npz(const InputFile& file, std::optional<uint64_t> max_bytes) {
  const ZipArchive archive(file);
  const uint64_t most = max_bytes.value_or(most_unpacked_bytes(file));
  uint64_t unpacked = 0;
  Contents contents{.kind = "npz", .checksum = "CRC-32"};
  for (const ZipMember& member : archive.members()) {
    file.check(std::string_view(member.name).ends_with(kEnding), "member {} is no .npy file, and an .npz file holds nothing else",
               gradus::quoted(member.name));
    ZipReader reader(archive, member);
    const auto read = [&](void* to, size_t bytes) { reader.read(to, bytes); };
    const std::string what = fmt::format("member {}: ", gradus::quoted(member.name));
    const NpyHeader header = read_npy_header(file, what, member.bytes, read);
    if (member.deflated) {
      const uint64_t bytes = header.bytes / header.format->bytes * element_size(header.format->dtype);
      file.check(bytes <= most && unpacked <= most - bytes,
                 "{}unpacks to {} bytes, which is more than the {} that a file of {} bytes may; load_npz(path, max_bytes) allows more",
                 what, bytes, most - unpacked, file.size());
      unpacked += bytes;
    }
    Tensor x = read_array(file, what, header, read);
    reader.finish();
    contents.add(member.name.substr(0, member.name.size() - kEnding.size()), *header.format, std::move(x));
  }
  return contents;
}

Tensor load_npy(const std::string& path) {
  const InputFile file("load_npy", path);
  return read_npy(file).file.tensors[0].second;
}

NamedTensors load_npz(const std::string& path, std::optional<uint64_t> max_bytes) {
  const InputFile file("load_npz", path);
  return read_npz(file, max_bytes).file;
}

void save_npy(const std::string& path, const Tensor& x) {
  constexpr const char* op = "save_npy";
  check<StateError>(x.defined(), "{}: {}: the tensor is undefined", op, path);
  const std::string header = make_npy_header(x.dtype(), x.shape());
  AtomicFile file(op, path);
  file.write(header.data(), header.size());
  write_elements(x, [&](const void* from, size_t bytes) { file.write(from, bytes); });
  file.commit();
}

}  // namespace gradus::io
