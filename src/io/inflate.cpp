#include "io/inflate.h"

#ifdef GRADUS_ZLIB
#  include <zlib.h>

#  include <algorithm>
#  include <limits>

#  include "core/check.h"

namespace gradus::io {

struct Inflater::Stream {
  z_stream z{};
  Stream() {
    constexpr int without_header = -MAX_WBITS;
    check<OutOfMemoryError>(inflateInit2(&z, without_header) == Z_OK, "inflate: no memory for zlib's state");
  }
  ~Stream() { inflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
};

bool Inflater::is_available() noexcept { return true; }

Inflater::Inflater() : stream_(std::make_unique<Stream>()) {}

Inflater::Step Inflater::step(std::span<const std::byte> input, std::span<std::byte> output) {
  constexpr size_t most = std::numeric_limits<uInt>::max();
  const auto in = static_cast<uInt>(std::min(input.size(), most)), out = static_cast<uInt>(std::min(output.size(), most));
  z_stream& z = stream_->z;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));  // zlib reads it only
  z.avail_in = in;
  z.next_out = reinterpret_cast<Bytef*>(output.data());
  z.avail_out = out;
  const int code = inflate(&z, Z_NO_FLUSH);
  check<OutOfMemoryError>(code != Z_MEM_ERROR, "inflate: no memory for zlib's window");
  const State state = code == Z_STREAM_END ? State::Ended : code == Z_OK || code == Z_BUF_ERROR ? State::Going : State::Damaged;
  return {in - z.avail_in, out - z.avail_out, state};
}

}  // namespace gradus::io

#else

namespace gradus::io {

struct Inflater::Stream {};
bool Inflater::is_available() noexcept { return false; }
Inflater::Inflater() = default;
Inflater::Step Inflater::step(std::span<const std::byte>, std::span<std::byte>) { return {0, 0, State::Damaged}; }

}  // namespace gradus::io

#endif

namespace gradus::io {
Inflater::~Inflater() = default;
}  // namespace gradus::io
