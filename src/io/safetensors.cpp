#include <algorithm>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/check.h"
#include "io/checksum.h"
#include "io/contents.h"
#include "io/elements.h"
#include "io/safetensors_file.h"

namespace gradus::io {
namespace {

constexpr const char* kMetadata = "__metadata__";
constexpr const char* kChecksum = "xxh64";
constexpr std::string_view kNoChecksum = "0000000000000000";  // what stands in its place while it is computed
constexpr uint64_t kPrefixBytes = 8;
constexpr uint64_t kMostSafetensorsHeaderBytes = 100'000'000;  // the reference implementation's limit

}  // namespace

struct SafeTensorsEntry {
  std::string name;
  const ElementFormat* format = nullptr;
  std::optional<Shape> shape = {};
  std::optional<std::pair<uint64_t, uint64_t>> offsets = {};  // from begin up to end, counted from the end of the header
};

namespace {

using Entry = SafeTensorsEntry;

/// Reads the header while it is parsed, so that a file which is not of the form costs no memory.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(const char* op, const std::string& path) : op_(op), path_(path) {}

  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  bool start_object(std::size_t) override {
    if (place_ == Place::Start) place_ = Place::Top;
    else if (place_ == Place::TopValue) place_ = in_metadata_ ? Place::Metadata : Place::Tensor;
    else misplaced("an object");
    return true;
  }
  bool end_object() override {
    if (place_ == Place::Top) {
      place_ = Place::End;
      return true;
    }
    if (place_ == Place::Tensor) {
      const Entry& e = entries.back();
      if (!e.format || !e.shape || !e.offsets)
        bad(fmt::format("tensor \"{}\" lacks its {}", e.name, !e.format ? "dtype" : !e.shape ? "shape" : "data_offsets"));
    }
    place_ = Place::Top;
    return true;
  }
  bool key(std::string& text) override {
    if (place_ == Place::Top) {
      if (!names_.insert(text).second) bad(fmt::format("the name \"{}\" occurs twice", text));
      in_metadata_ = text == kMetadata;
      if (!in_metadata_) entries.push_back({.name = text});
      place_ = Place::TopValue;
    } else if (place_ == Place::Metadata) {
      key_ = text;
      if (metadata.contains(key_)) bad(fmt::format("the metadata \"{}\" occurs twice", text));
      place_ = Place::MetadataValue;
    } else {
      if (text == "dtype" && !entries.back().format) place_ = Place::DTypeValue;
      else if (text == "shape" && !entries.back().shape) place_ = Place::ShapeValue;
      else if (text == "data_offsets" && !entries.back().offsets) place_ = Place::OffsetsValue;
      else bad(fmt::format("tensor \"{}\" has an unknown or repeated entry \"{}\"", entries.back().name, text));
    }
    return true;
  }
  bool start_array(std::size_t) override {
    if (place_ == Place::ShapeValue) place_ = Place::ShapeList;
    else if (place_ == Place::OffsetsValue) place_ = Place::OffsetsList;
    else misplaced("an array");
    numbers_.clear();
    return true;
  }
  bool end_array() override {
    Entry& e = entries.back();
    if (place_ == Place::ShapeList) {
      e.shape = Shape(numbers_);
    } else {
      if (numbers_.size() != 2 || numbers_[0] > numbers_[1])
        bad(fmt::format("tensor \"{}\" has data_offsets that are not a begin and an end after it", e.name));
      e.offsets = {static_cast<uint64_t>(numbers_[0]), static_cast<uint64_t>(numbers_[1])};
    }
    place_ = Place::Tensor;
    return true;
  }
  bool string(std::string& text) override {
    if (place_ == Place::MetadataValue) {
      metadata.emplace(std::move(key_), text);
      place_ = Place::Metadata;
      return true;
    }
    if (place_ != Place::DTypeValue) misplaced("a string");
    const ElementFormat* const found = find_element_format(&ElementFormat::safetensors, text);
    if (!found)
      bad(fmt::format("tensor \"{}\" has dtype \"{}\", which has no counterpart here; convert it to F32, F64, I64 or BOOL",
                      entries.back().name, text));
    entries.back().format = found;
    place_ = Place::Tensor;
    return true;
  }
  bool number_unsigned(uint64_t value) override {
    if (place_ != Place::ShapeList && place_ != Place::OffsetsList) misplaced("a number");
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      bad(fmt::format("tensor \"{}\" has a size or offset of {}", entries.back().name, value));
    const size_t most = place_ == Place::OffsetsList ? 2 : static_cast<size_t>(Shape::max_rank);
    if (numbers_.size() == most)
      bad(fmt::format("tensor \"{}\" has more than {} {}", entries.back().name, most,
                      place_ == Place::OffsetsList ? "data_offsets" : "dimensions"));
    numbers_.push_back(static_cast<int64_t>(value));
    return true;
  }
  bool number_integer(int64_t value) override { misplaced(fmt::format("the number {}", value)); }
  bool number_float(double, const std::string& text) override { misplaced(fmt::format("the number {}", text)); }
  bool null() override { misplaced("null"); }
  bool boolean(bool) override { misplaced("a boolean"); }
  bool binary(nlohmann::json::binary_t&) override { misplaced("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    fail<IoError>("{}: {}: the header is not valid JSON at its byte {}", op_, path_, position);
  }

 private:
  enum class Place {
    Start,
    Top,
    TopValue,
    Metadata,
    MetadataValue,
    Tensor,
    DTypeValue,
    ShapeValue,
    ShapeList,
    OffsetsValue,
    OffsetsList,
    End
  };

  [[noreturn]] void bad(const std::string& what) const { fail<IoError>("{}: {}: in the header, {}", op_, path_, what); }
  [[noreturn]] void misplaced(const std::string& what) const {
    const bool in_tensor = place_ >= Place::Tensor && place_ != Place::End;
    bad(fmt::format("{} stands where it does not belong{}", what, in_tensor ? fmt::format(" (tensor \"{}\")", entries.back().name) : ""));
  }

  const char* op_;
  const std::string& path_;
  Place place_ = Place::Start;
  bool in_metadata_ = false;
  std::string key_;
  std::set<std::string> names_;
  std::vector<int64_t> numbers_;
};

/// Offsets must agree with shapes and cover the data from first to last byte, once.
void check_offsets(const char* op, const std::string& path, const std::vector<Entry>& entries, uint64_t data_bytes) {
  std::vector<const Entry*> order;
  for (const Entry& e : entries) {
    const std::optional<uint64_t> needed = dense_bytes(*e.shape, e.format->bytes);
    const auto [begin, end] = *e.offsets;
    check<IoError>(needed && end - begin == *needed,
                   "{}: {}: tensor \"{}\" of shape {} ({}) has {} bytes of data, which do not fit its shape", op, path, e.name,
                   e.shape->str(), e.format->safetensors, end - begin);
    check<IoError>(end <= data_bytes, "{}: {}: tensor \"{}\" ends at byte {} of the data, but the file has {}; it is cut short or damaged",
                   op, path, e.name, end, data_bytes);
    order.push_back(&e);
  }
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) { return *a->offsets < *b->offsets; });
  uint64_t covered = 0;
  for (const Entry* e : order) {
    check<IoError>(e->offsets->first == covered, "{}: {}: the data of tensor \"{}\" begins at byte {}, but {} was expected: tensors {}", op,
                   path, e->name, e->offsets->first, covered, e->offsets->first < covered ? "overlap" : "leave a hole");
    covered = e->offsets->second;
  }
  check<IoError>(covered == data_bytes, "{}: {}: {} bytes at the end belong to no tensor", op, path, data_bytes - covered);
}

Tensor read_tensor(const char* op, const InputFile& file, const std::string& path, const Entry& e, uint64_t data_begin) {
  uint64_t at = data_begin + e.offsets->first;
  const auto read = [&](void* to, size_t bytes) {
    file.read_at(at, to, bytes);
    at += bytes;
  };
  return read_tensor(op, *e.format, *e.shape, read, fmt::format("{}: {}: tensor \"{}\" ({})", op, path, e.name, e.format->safetensors));
}

/// The header for tensors whose data stand in the file in the order given, padded so that the data are aligned.
std::string make_header(const char* op, const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                        const std::vector<size_t>& data_order, const std::map<std::string, std::string>& metadata) {
  std::vector<std::pair<uint64_t, uint64_t>> offsets(tensors.size());
  uint64_t end = 0;
  for (size_t i : data_order) {
    const Tensor& x = tensors[i].second;
    const uint64_t begin = end;
    end += static_cast<uint64_t>(x.numel()) * element_size(x.dtype());
    offsets[i] = {begin, end};
  }
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, x] = tensors[i];
    header.push_back({name,
                      {{"dtype", element_format_of(x.dtype()).safetensors},
                       {"shape", std::vector<int64_t>(x.shape().begin(), x.shape().end())},
                       {"data_offsets", {offsets[i].first, offsets[i].second}}}});
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    fail<ValueError>("{}: {}: a name or an entry of the metadata is not valid UTF-8", op, path);
  }
  text.resize((text.size() + kPrefixBytes - 1) / kPrefixBytes * kPrefixBytes, ' ');
  check<ValueError>(text.size() <= kMostSafetensorsHeaderBytes, "{}: {}: names and metadata take {} bytes, but at most {} are allowed", op,
                    path, text.size(), kMostSafetensorsHeaderBytes);
  return text;
}

}  // namespace

SafeTensorsFile::SafeTensorsFile(const char* op, const std::string& path) : op_(op), path_(path), file_(op, path) {
  check<IoError>(file_.size() >= kPrefixBytes, "{}: {}: has {} bytes, too few for a safetensors file", op, path, file_.size());
  uint64_t header_bytes = 0;
  file_.read_at(0, &header_bytes, kPrefixBytes);
  check<IoError>(header_bytes <= kMostSafetensorsHeaderBytes,
                 "{}: {}: claims a header of {} bytes, more than the {} allowed; is it a safetensors file?", op, path, header_bytes,
                 kMostSafetensorsHeaderBytes);
  check<IoError>(header_bytes <= file_.size() - kPrefixBytes, "{}: {}: claims a header of {} bytes, but only {} follow; it is cut short",
                 op, path, header_bytes, file_.size() - kPrefixBytes);
  header_.resize(static_cast<size_t>(header_bytes));
  file_.read_at(kPrefixBytes, header_.data(), header_.size());
  check<IoError>(header_.starts_with('{'), "{}: {}: the header does not begin with {{; is it a safetensors file?", op, path);
  const size_t nul = header_.find('\0');  // the parser would take it for the end
  check<IoError>(nul == header_.npos,
                 "{}: {}: the header has a NUL byte, its byte {} of {}; it is damaged, or padded with something else than spaces", op, path,
                 nul + 1, header_bytes);
  HeaderReader reader(op, path);
  nlohmann::json::sax_parse(header_, &reader);
  entries_ = std::move(reader.entries);
  metadata_ = std::move(reader.metadata);
  check_offsets(op, path, entries_, file_.size() - kPrefixBytes - header_bytes);
}

SafeTensorsFile::~SafeTensorsFile() = default;

std::vector<std::pair<std::string, Tensor>> SafeTensorsFile::read_tensors(std::string_view prefix) const {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const Entry& e : entries_)
    if (e.name.starts_with(prefix)) tensors.emplace_back(e.name, read_tensor(op_, file_, path_, e, kPrefixBytes + header_.size()));
  return tensors;
}

std::vector<const ElementFormat*> SafeTensorsFile::formats() const {
  std::vector<const ElementFormat*> formats;
  for (const Entry& e : entries_) formats.push_back(e.format);
  return formats;
}

namespace {

/// Where in a header the digits of the checksum stand; npos when it has none.
size_t place_of_checksum(std::string_view header) {
  const std::string entry = fmt::format("\"{}\":\"", kChecksum);
  const size_t at = header.find(entry);
  return at == header.npos || header.size() - at < entry.size() + kNoChecksum.size() ? header.npos : at + entry.size();
}

}  // namespace

bool SafeTensorsFile::check_sum() const {
  const size_t place = place_of_checksum(header_);
  if (place == header_.npos) return false;
  const std::string expected = header_.substr(place, kNoChecksum.size());
  std::string header = header_;
  header.replace(place, kNoChecksum.size(), kNoChecksum);
  const uint64_t header_bytes = header.size();
  Checksum sum;
  sum.add(&header_bytes, kPrefixBytes);
  sum.add(header.data(), header.size());
  constexpr uint64_t piece = 1 << 18;
  const auto bytes = std::make_unique_for_overwrite<std::byte[]>(piece);
  for (uint64_t at = kPrefixBytes + header_bytes; at < file_.size(); at += piece) {
    const auto count = static_cast<size_t>(std::min(piece, file_.size() - at));
    file_.read_at(at, bytes.get(), count);
    sum.add(bytes.get(), count);
  }
  check<IoError>(sum.str() == expected, "{}: {}: is damaged: its checksum is {}, that of its bytes {}", op_, path_, expected, sum.str());
  return true;
}

Contents read_safetensors(const char* op, const std::string& path) {
  const SafeTensorsFile file(op, path);
  Contents contents{.kind = "safetensors"};
  if (file.check_sum()) contents.checksum = "XXH64";
  contents.file = {file.read_tensors(), file.metadata()};
  contents.formats = file.formats();
  return contents;
}

NamedTensors load_safetensors(const std::string& path) {
  const SafeTensorsFile file("load_safetensors", path);
  return {file.read_tensors(), file.metadata()};
}

void save_safetensors(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  write_safetensors("save_safetensors", path, tensors, metadata, WithChecksum::No);
}

void write_safetensors(const char* op, const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                       std::map<std::string, std::string> metadata, WithChecksum with_checksum) {
  std::set<std::string_view> names;
  for (const auto& [name, x] : tensors) {
    check<StateError>(x.defined(), "{}: {}: tensor \"{}\" is undefined", op, path, name);
    check<ValueError>(name != kMetadata, "{}: {}: a tensor cannot be called {}", op, path, kMetadata);
    check<ValueError>(names.insert(name).second, "{}: {}: two tensors are called \"{}\"", op, path, name);
  }
  // Large elements first, so that every tensor is aligned to its element size.
  std::vector<size_t> order(tensors.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return element_size(tensors[a].second.dtype()) > element_size(tensors[b].second.dtype()); });
  if (with_checksum == WithChecksum::Yes) metadata[kChecksum] = kNoChecksum;
  const std::string header = make_header(op, path, tensors, order, metadata);
  const uint64_t header_bytes = header.size();

  AtomicFile file(op, path);
  Checksum sum;
  const auto write = [&](const void* from, size_t bytes) {
    file.write(from, bytes);
    if (with_checksum == WithChecksum::Yes) sum.add(from, bytes);
  };
  write(&header_bytes, kPrefixBytes);
  write(header.data(), header.size());
  for (size_t i : order) write_elements(tensors[i].second, write);
  if (with_checksum == WithChecksum::Yes) file.overwrite(kPrefixBytes + place_of_checksum(header), sum.str().data(), kNoChecksum.size());
  file.commit();
}

}  // namespace gradus::io
