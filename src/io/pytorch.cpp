#include "gradus/io/pytorch.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "autograd/tensor_impl.h"
#include "core/quoted.h"
#include "io/contents.h"
#include "io/elements.h"
#include "io/pickle_text.h"
#include "io/pytorch_archive.h"
#include "io/state_dict_pickle.h"

namespace gradus::io {
namespace {

constexpr int64_t kMostSharedElements = int64_t{1} << 22;
constexpr int64_t kMostSharing = 16;
constexpr size_t kText = size_t{8} << 20;                            // and four times the pickle
constexpr size_t kMostNames = size_t{1} << 17, kBytesPerName = 512;  // more of a file that is large

/// Gives everything in a pickle its dotted name.
class StateDictReader {
 public:
  StateDictReader(PytorchArchive& archive, const StateDictPickle& pickle)
      : archive_(archive), pickle_(pickle), most_text_(kText + 4 * pickle.bytes()), holds_(pickle.containers(), Holds::Unknown) {}

  Contents read(const PickleValue& root) {
    pickle_.file().check(root.is_container() || root.is(Kind::Tensor), "holds neither a dict nor a list of tensors, nor a tensor");
    std::string name = root.is(Kind::Tensor) ? "tensor" : "";
    if (root.is_container()) holds_tensors(root, 0);  // refuses what is nested too deep
    visit(root, name, true, 0);
    return std::move(contents_);
  }

 private:
  using Kind = PickleValue::Kind;
  enum class Holds : uint8_t { Unknown, Looking, Nothing, Tensors };

  bool holds_tensors(const PickleValue& v, int depth) {
    if (!v.is_container()) return v.is(Kind::Tensor);
    Holds& known = holds_[v.payload];
    pickle_.file().check(known != Holds::Looking && depth <= kMostPickleDepth,
                         "holds lists or dicts that are nested more than {} deep, or in themselves", kMostPickleDepth);
    if (known != Holds::Unknown) return known == Holds::Tensors;
    known = Holds::Looking;
    bool found = false;
    for (const PickleValue& item : pickle_.items(v)) found = holds_tensors(item, depth + 1) || found;
    known = found ? Holds::Tensors : Holds::Nothing;
    return found;
  }

  /// `name` is that of v, and is left as it was.
  void visit(const PickleValue& v, std::string& name, bool is_root, int depth) {
    // A list that stands in two places is deeper in the one than where it was looked at first.
    pickle_.file().check(depth <= kMostPickleDepth, "holds lists or dicts that are nested more than {} deep", kMostPickleDepth);
    if (v.is(Kind::Tensor)) return add_tensor(name, pickle_.tensor(v));
    if (!is_root && !holds_tensors(v, depth)) return add_text(name, v);
    const size_t own = name.size();
    const auto& items = pickle_.items(v);
    const bool is_dict = v.is(Kind::Dict);
    for (size_t i = 0; i < items.size(); i += is_dict ? 2 : 1) {
      if (!is_root) name += '.';
      if (!is_dict) name += fmt::to_string(i);
      else if (items[i].is(Kind::Text)) name += pickle_.text(items[i]);
      else append_json(pickle_, items[i], most_text_, name);
      visit(items[is_dict ? i + 1 : i], name, false, depth + 1);
      name.resize(own);
    }
  }

  void take_name(const std::string& name) {
    const InputFile& file = pickle_.file();
    text_ += 2 * name.size();  // it stands in two lists
    const size_t most = kMostNames + static_cast<size_t>(file.size()) / kBytesPerName;
    file.check(names_.size() < most && text_ <= most_text_,
               "holds more than {} names, or {} bytes of text; save the tensors alone: torch.save(model.state_dict(), path)", most,
               most_text_);
    file.check(names_.insert(name).second, "holds two things that would be called {}; rename one of them before torch.save",
               gradus::quoted(name));
  }

  void add_text(const std::string& name, const PickleValue& v) {
    take_name(name);
    std::string value;
    if (v.is(Kind::Text)) value = pickle_.text(v);
    else if (v.is(Kind::Name)) value = StateDictPickle::name_text(v);
    else append_json(pickle_, v, most_text_ - text_, value);
    text_ += value.size();
    pickle_.file().check(text_ <= most_text_, "holds more than {} bytes of text", most_text_);
    contents_.file.metadata.emplace(name, std::move(value));
  }

  void add_tensor(const std::string& name, const PickledTensor& x) {
    take_name(name);
    const PickledStorage& storage = pickle_.storages()[x.storage];
    const bool is_new = !archive_.is_loaded(x.storage);
    Ref<Storage> elements = archive_.storage(x.storage, storage);
    // Tensors that share their elements can have any number of them.
    if (is_new) allowed_ += kMostSharing * storage.numel;
    const int64_t numel = x.layout.shape.numel();
    pickle_.file().check(numel <= allowed_, "tensor {} of shape {} repeats the {} elements of its storage too often; save a clone() of it",
                         gradus::quoted(name), x.layout.shape, storage.numel);
    allowed_ -= numel;
    contents_.add(name, *storage.format, Tensor(Ref<TensorImpl>(new TensorImpl(std::move(elements), x.layout, storage.format->dtype))));
  }

  PytorchArchive& archive_;
  const StateDictPickle& pickle_;
  Contents contents_{.kind = "PyTorch", .checksum = "CRC-32"};
  size_t most_text_;
  size_t text_ = 0;
  int64_t allowed_ = kMostSharedElements;
  std::vector<Holds> holds_;
  std::set<std::string> names_;
};

}  // namespace

Contents read_pytorch(const InputFile& file) {
  PytorchArchive archive(file);
  StateDictPickle pickle(file, archive.read_pickle());
  const PickleValue root = pickle.read();
  return StateDictReader(archive, pickle).read(root);
}

NamedTensors load_pytorch(const std::string& path) {
  const InputFile file("load_pytorch", path);
  return read_pytorch(file).file;
}

}  // namespace gradus::io
