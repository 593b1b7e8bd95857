#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <ostream>

#include "autograd/tensor_impl.h"
#include "core/dispatch.h"
#include "gradus/autograd.h"

/// Tensors as text, by the rules of PyTorch 1.13 (its `_tensor_str.py`) with its default settings.
namespace gradus {
namespace {

constexpr int64_t kEdgeItems = 3;     // shown at each end of a dimension that is cut
constexpr int64_t kThreshold = 1000;  // elements beyond which dimensions are cut
constexpr int64_t kLineWidth = 80;
constexpr int64_t kIndent = 7;  // the width of "tensor("

bool is_cut(const Tensor& x, bool summarize) { return summarize && x.size(0) > 2 * kEdgeItems; }

/// Calls f(i, behind_gap) for each i along the first dimension that is shown; behind_gap where those before it are left out.
template <class F>
void for_each_shown(const Tensor& x, bool summarize, F f) {
  const int64_t n = x.size(0);
  const bool cut = is_cut(x, summarize);
  for (int64_t i = 0; i < n; ++i) {
    const bool behind_gap = cut && i == kEdgeItems;
    if (behind_gap) i = n - kEdgeItems;
    f(i, behind_gap);
  }
}

/// The elements that will be shown, in order, as doubles.
void shown(const Tensor& x, bool summarize, std::vector<double>& out) {
  if (x.dim() == 0) {
    out.push_back(x.item());
    return;
  }
  for_each_shown(x, summarize, [&](int64_t i, bool) { shown(x[i], summarize, out); });
}

/// How all elements of a tensor are written: in one width and one mode.
class Formatter {
 public:
  Formatter(const Tensor& x, bool summarize) : dtype_(x.dtype()) {
    if (!is_floating_point(dtype_)) {
      measure_whole(x, summarize);
      return;
    }
    std::vector<double> values;
    shown(x, summarize, values);
    std::erase_if(values, [](double v) { return v == 0 || !std::isfinite(v); });
    if (values.empty()) return;
    double largest = 0, smallest = INFINITY;
    for (double v : values) {
      largest = std::max(largest, std::fabs(v));
      smallest = std::min(smallest, std::fabs(v));
      integers_ = integers_ && v == std::ceil(v);
    }
    scientific_ = largest / smallest > 1000 || largest > 1e8 || (!integers_ && smallest < 1e-4);
    for (double v : values) width_ = std::max(width_, number(v).size());
  }

  size_t width() const { return width_; }

  /// The one element of a scalar.
  std::string format(const Tensor& x) const {
    if (dtype_ == DType::Bool) return padded(x.item<bool>() ? "True" : "False");
    if (dtype_ == DType::Int64) return padded(std::to_string(x.item<int64_t>()));
    return padded(number(x.item()));
  }

 private:
  void measure_whole(const Tensor& x, bool summarize) {
    if (x.dim() == 0) {
      width_ = std::max(width_, format(x).size());
      return;
    }
    for_each_shown(x, summarize, [&](int64_t i, bool) { measure_whole(x[i], summarize); });
  }

  std::string padded(std::string text) const { return std::string(width_ - std::min(width_, text.size()), ' ') + text; }

  std::string number(double v) const {
    if (std::isnan(v)) return "nan";
    if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
    if (scientific_) return fmt::format("{:.4e}", v);
    return integers_ ? fmt::format("{:.0f}.", v) : fmt::format("{:.4f}", v);
  }

  DType dtype_;
  bool integers_ = true;
  bool scientific_ = false;
  size_t width_ = 1;
};

std::string vector_text(const Tensor& x, int64_t indent, bool summarize, const Formatter& formatter) {
  std::vector<std::string> items;
  for_each_shown(x, summarize, [&](int64_t i, bool behind_gap) {
    if (behind_gap) items.emplace_back(" ...");
    items.push_back(formatter.format(x[i]));
  });
  const auto per_line = static_cast<size_t>(std::max<int64_t>((kLineWidth - indent) / static_cast<int64_t>(formatter.width() + 2), 1));
  std::string text = "[";
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += i % per_line == 0 ? ",\n" + std::string(static_cast<size_t>(indent) + 1, ' ') : ", ";
    text += items[i];
  }
  return text + "]";
}

std::string tensor_text(const Tensor& x, int64_t indent, bool summarize, const Formatter& formatter) {
  if (x.dim() == 0) return formatter.format(x);
  if (x.dim() == 1) return vector_text(x, indent, summarize, formatter);
  const std::string separator =
      "," + std::string(static_cast<size_t>(x.dim()) - 1, '\n') + std::string(static_cast<size_t>(indent) + 1, ' ');
  std::string text = "[";
  for_each_shown(x, summarize, [&](int64_t i, bool behind_gap) {
    if (behind_gap) text += separator + "...";
    if (i > 0) text += separator;
    text += tensor_text(x[i], indent + 1, summarize, formatter);
  });
  return text + "]";
}

std::string size_text(const Shape& shape) {
  std::string text = shape.str();
  text.front() = '(';
  text.back() = ')';
  return text;
}

std::string elements_text(const Tensor& x, int64_t indent) {
  if (x.numel() == 0) return "[]";
  const bool summarize = x.numel() > kThreshold;
  return tensor_text(x, indent, summarize, Formatter(x, summarize));
}

/// The indices and values of a row-sparse gradient.
std::string rows_text(const Tensor& x) {
  const std::string indices = "indices=tensor(", values = "values=tensor(";
  const auto sized = [](const Tensor& t, int64_t indent) {
    return elements_text(t, indent) + (t.numel() == 0 ? ", size=" + size_text(t.shape()) : "") + ")";
  };
  return indices + sized(x.indices(), kIndent + std::ssize(indices)) + ",\n" + std::string(kIndent, ' ') + values +
         sized(x.values(), kIndent + std::ssize(values));
}

/// What stands behind the elements: size, dtype, and how the tensor came about.
std::vector<std::string> suffixes(const Tensor& x) {
  std::vector<std::string> found;
  const bool sparse = x.is_sparse(), empty = !sparse && x.numel() == 0;
  if (sparse || (empty && x.dim() != 1)) found.push_back("size=" + size_text(x.shape()));
  if (sparse) found.push_back("nnz=" + std::to_string(x.indices().size(-1)));
  if (x.dtype() == DType::Float64 || (empty && x.dtype() != DType::Float32)) found.push_back(std::string("dtype=torch.") + name(x.dtype()));
  if (sparse) found.emplace_back("layout=torch.sparse_coo");
  if (const std::string made_by = x.grad_fn(); !made_by.empty()) found.push_back("grad_fn=<" + made_by + ">");
  else if (x.requires_grad()) found.emplace_back("requires_grad=True");
  return found;
}

}  // namespace

std::string Tensor::str() const {
  if (!defined()) return "tensor(undefined)";
  NoGradGuard no_grad;
  std::string text = "tensor(" + (is_sparse() ? rows_text(*this) : elements_text(detach(), kIndent));
  const size_t line = text.rfind('\n');
  size_t last = line == std::string::npos ? text.size() + 2 : text.size() - line + 1;
  if (is_sparse()) last = static_cast<size_t>(kLineWidth);  // what follows stands on a line of its own
  for (const std::string& suffix : suffixes(*this)) {
    const bool breaks = last + suffix.size() + 2 > static_cast<size_t>(kLineWidth);
    text += (breaks ? ",\n" + std::string(static_cast<size_t>(kIndent), ' ') : ", ") + suffix;
    last = breaks ? static_cast<size_t>(kIndent) + suffix.size() : last + suffix.size() + 2;
  }
  return text + ")";
}

std::ostream& operator<<(std::ostream& out, const Tensor& x) { return out << x.str(); }

}  // namespace gradus
