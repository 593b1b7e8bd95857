#include "io/pytorch_archive.h"

#include <algorithm>

#include "core/quoted.h"
#include "io/contents.h"

namespace gradus::io {
namespace {

constexpr std::string_view kPickle = "data.pkl";
constexpr std::string_view kZipBegin = "PK";
/// A pickle of the number 0x1950a86a20f9469cfc6c.
constexpr std::string_view kOldBegin{"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14};

bool begins_with(const InputFile& file, std::string_view begin) {
  if (file.size() < begin.size()) return false;
  std::string found(begin.size(), '\0');
  file.read_at(0, found.data(), found.size());
  return found == begin;
}

const InputFile& checked_beginning(const InputFile& file) {
  if (is_old_pytorch(file))
    file.fail("is in the format that PyTorch had before 1.6; load it there and save it again: torch.save(torch.load(path), new_path)");
  file.check(begins_with(file, kZipBegin), "is no zip archive, as files of PyTorch are");
  return file;
}

}  // namespace

bool is_old_pytorch(const InputFile& file) { return begins_with(file, kOldBegin); }

const ZipMember* find_pytorch_pickle(const ZipArchive& archive) {
  for (const ZipMember& m : archive.members()) {
    const size_t slash = m.name.find('/');
    if (slash != m.name.npos && std::string_view(m.name).substr(slash + 1) == kPickle) return &m;
  }
  return nullptr;
}

PytorchArchive::PytorchArchive(const InputFile& file) : file_(checked_beginning(file)), archive_(file) {
  const ZipMember* const pickle = find_pytorch_pickle(archive_);
  file_.check(pickle != nullptr, "is a zip archive without {}; is it a file of PyTorch?", kPickle);
  folder_ = pickle->name.substr(0, pickle->name.size() - kPickle.size());
  file_.check(archive_.find(folder_ + "constants.pkl") == nullptr,
              "is TorchScript, which holds a program; save its tensors alone: torch.save(model.state_dict(), path)");
  if (const ZipMember* const order = archive_.find(folder_ + "byteorder")) {
    const std::string text = read_text(*order);
    file_.check(text == "little", "has elements in the byte order {}; only little-endian ones are read", gradus::quoted(text));
  }
}

std::string PytorchArchive::read_pickle() { return read_text(*archive_.find(folder_ + std::string(kPickle))); }

std::string PytorchArchive::read_text(const ZipMember& member) {
  count_unpacked(member, member.bytes);
  ZipReader reader(archive_, member);
  std::string text(static_cast<size_t>(member.bytes), '\0');
  reader.read(text.data(), text.size());
  reader.finish();
  return text;
}

void PytorchArchive::count_unpacked(const ZipMember& member, uint64_t bytes) {
  if (!member.deflated) return;
  const uint64_t most = most_unpacked_bytes(file_);
  file_.check(bytes <= most && unpacked_ <= most - bytes,
              "member {} unpacks to {} bytes, which is more than the {} that a file of {} bytes may; pack it without compression, as "
              "torch.save does",
              gradus::quoted(member.name), bytes, most - unpacked_, file_.size());
  unpacked_ += bytes;
}

Ref<Storage> PytorchArchive::storage(size_t index, const PickledStorage& description) {
  if (storages_.size() <= index) storages_.resize(index + 1);
  Ref<Storage>& storage = storages_[index];
  if (storage) return storage;
  const std::string name = fmt::format("{}data/{}", folder_, description.key);
  const ZipMember* const member = archive_.find(name);
  file_.check(member != nullptr, "has no member {}, where the elements of a tensor should be", gradus::quoted(name));
  const ElementFormat& format = *description.format;
  const auto numel = static_cast<uint64_t>(description.numel);
  file_.check(member->bytes / format.bytes == numel && member->bytes % format.bytes == 0,
              "member {} has {} bytes, which are not {} elements of {}; it is damaged", gradus::quoted(name), member->bytes, numel,
              format.pytorch);
  const size_t bytes = static_cast<size_t>(numel) * element_size(format.dtype);
  count_unpacked(*member, bytes);
  ZipReader reader(archive_, *member);
  Ref<Storage> loaded = Storage::create(bytes);
  read_elements(
      format, description.numel, loaded->data(), [&](void* to, size_t n) { reader.read(to, n); },
      fmt::format("{}: {}: member {}", file_.op(), file_.path(), gradus::quoted(name)));
  reader.finish();
  storage = std::move(loaded);
  return storage;
}

}  // namespace gradus::io
