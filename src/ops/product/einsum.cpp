#include "gradus/ops/product.h"

#include <algorithm>
#include <array>
#include <string>

#include "autograd/op.h"
#include "core/layout.h"
#include "gradus/ops/shape.h"

/// Einstein's summation as permutations, batched products and sums: two operands at a time, from the left.
namespace gradus {
namespace {

/// A tensor with a letter for each dimension.
struct Labelled {
  Tensor tensor;
  std::string labels;
};

constexpr Op op("einsum");
constexpr char first_broadcast = '0';  // labels of the dimensions that "..." stands for, counted from the last

bool has(const std::string& labels, char label) { return labels.find(label) != std::string::npos; }

/// "ij,jk" at its commas.
std::vector<std::string> terms_of(const std::string& text) {
  std::vector<std::string> terms(1);
  for (char c : text) {
    if (c == ',') terms.emplace_back();
    else terms.back() += c;
  }
  return terms;
}

/// The letters of one term, "..." replaced by `broadcast` labels.
std::string expanded(std::string_view equation, const std::string& term, size_t broadcast) {
  std::string labels;
  for (size_t i = 0; i < term.size(); ++i) {
    if (term.compare(i, 3, "...") == 0) {
      for (size_t k = broadcast; k-- > 0;) labels += static_cast<char>(first_broadcast + static_cast<char>(k));
      i += 2;
      continue;
    }
    op.check<ValueError>((term[i] >= 'a' && term[i] <= 'z') || (term[i] >= 'A' && term[i] <= 'Z'), "\"{}\": '{}' is not a letter", equation,
                         term[i]);
    labels += term[i];
  }
  return labels;
}

/// A letter that stands twice in one operand is its diagonal.
Labelled without_repeats(Labelled x) {
  for (size_t i = 0; i < x.labels.size(); ++i)
    for (size_t j = i + 1; j < x.labels.size();) {
      if (x.labels[i] != x.labels[j]) {
        ++j;
        continue;
      }
      const char label = x.labels[i];
      const auto a = static_cast<int64_t>(i), b = static_cast<int64_t>(j);
      op.check<ShapeError>(x.tensor.size(a) == x.tensor.size(b), "'{}' is {} and {} in one operand of shape {}", label, x.tensor.size(a),
                           x.tensor.size(b), x.tensor.shape());
      x.tensor = movedim(diagonal(x.tensor, 0, a, b), -1, a);
      x.labels.erase(j, 1);
    }
  return x;
}

/// Throws ShapeError unless a letter has one size in all operands. What "..." stands for broadcasts.
void check_sizes(std::string_view equation, const std::vector<Labelled>& parts) {
  std::array<const Labelled*, 128> first{};
  const auto size_in = [](const Labelled& x, char label) { return x.tensor.size(static_cast<int64_t>(x.labels.find(label))); };
  for (const Labelled& part : parts)
    for (char label : part.labels) {
      if (label < 'A') continue;
      const Labelled*& seen = first[static_cast<size_t>(label)];
      if (!seen) seen = &part;
      op.check<ShapeError>(size_in(part, label) == size_in(*seen, label),
                           "\"{}\": '{}' is {} in one operand and {} in another; a letter has one size, only \"...\" broadcasts", equation,
                           label, size_in(*seen, label), size_in(part, label));
    }
}

/// x with exactly the dimensions `labels`, in that order; those that it lacks have size 1.
Tensor arranged(const Labelled& x, const std::string& labels) {
  Dims order;
  Shape shape;
  for (char label : labels) {
    const size_t at = x.labels.find(label);
    if (at != std::string::npos) order.push_back(static_cast<int64_t>(at));
  }
  const Tensor y = permute(x.tensor, order);
  int64_t next = 0;
  for (char label : labels) shape.push_back(has(x.labels, label) ? y.size(next++) : 1);
  return reshape(y, shape);
}

Labelled summed_over(Labelled x, const std::string& wanted) {
  Dims gone;
  std::string left;
  for (size_t i = 0; i < x.labels.size(); ++i) {
    if (has(wanted, x.labels[i])) left += x.labels[i];
    else gone.push_back(static_cast<int64_t>(i));
  }
  return {gone.empty() ? x.tensor : x.tensor.sum(gone), left};
}

/// The product of two operands, summed over the labels that nobody wants any more.
Labelled contracted(Labelled a, Labelled b, const std::string& wanted) {
  a = summed_over(a, wanted + b.labels);
  b = summed_over(b, wanted + a.labels);
  std::string batch, rows, columns, inner;
  for (char label : a.labels)
    if (!has(b.labels, label)) rows += label;
    else (has(wanted, label) ? batch : inner) += label;
  for (char label : b.labels)
    if (!has(a.labels, label)) columns += label;
  Tensor x = arranged(a, batch + rows + inner), y = arranged(b, batch + inner + columns);
  const auto sizes = [](const Labelled& t, const std::string& labels) {
    Shape shape;
    for (char label : labels) shape.push_back(t.tensor.size(static_cast<int64_t>(t.labels.find(label))));
    return shape;
  };
  // A size 1 broadcasts against the other operand's.
  Shape batch_shape = sizes(a, batch), inner_shape = sizes(a, inner);
  const Shape other_batch = sizes(b, batch), other_inner = sizes(b, inner);
  for (int64_t d = 0; d < batch_shape.size(); ++d)
    batch_shape[d] = std::max(batch_shape[d], other_batch[d]) * (batch_shape[d] && other_batch[d]);
  for (int64_t d = 0; d < inner_shape.size(); ++d)
    inner_shape[d] = std::max(inner_shape[d], other_inner[d]) * (inner_shape[d] && other_inner[d]);
  const Shape row_shape = sizes(a, rows), column_shape = sizes(b, columns);
  const auto joined = [](std::initializer_list<Shape> parts) {
    Shape shape;
    for (const Shape& part : parts)
      for (int64_t size : part) shape.push_back(size);
    return shape;
  };
  const int64_t B = batch_shape.numel(), M = row_shape.numel(), N = column_shape.numel(), K = inner_shape.numel();
  x = reshape(expand(x, joined({batch_shape, row_shape, inner_shape})), {B, M, K});
  y = reshape(expand(y, joined({batch_shape, inner_shape, column_shape})), {B, K, N});
  return {reshape(bmm(x, y), joined({batch_shape, row_shape, column_shape})), batch + rows + columns};
}

/// The letters of the result where the equation does not name them: those of "...", then each that occurs once, in order.
std::string implied(const std::vector<std::string>& terms, size_t broadcast) {
  std::array<int, 128> count{};
  for (const std::string& term : terms)
    for (char c : term)
      if (c != '.') ++count[static_cast<size_t>(c) & 127];
  std::string result = broadcast > 0 ? "..." : "";
  for (char c = 'A'; c <= 'z'; ++c)
    if (count[static_cast<size_t>(c)] == 1) result += c;
  return result;
}

}  // namespace

Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands) {
  std::string text(equation);
  std::erase(text, ' ');
  const size_t arrow = text.find("->");
  const std::vector<std::string> terms = terms_of(text.substr(0, arrow));
  op.check<ValueError>(terms.size() == operands.size(), "\"{}\" names {} operands, but {} were given", equation, terms.size(),
                       operands.size());
  size_t broadcast = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const auto rank = static_cast<size_t>((op.takes(operands[i]), operands[i].dim()));
    const size_t at = terms[i].find("...");
    const bool dots = at != std::string::npos;
    op.check<ValueError>(!dots || terms[i].find("...", at + 3) == std::string::npos, "\"{}\": \"...\" stands twice in one operand",
                         equation);
    const size_t letters = terms[i].size() - (dots ? 3 : 0);
    op.check<ShapeError>(dots ? letters <= rank : letters == rank, "\"{}\" does not fit shape {}", terms[i], operands[i].shape());
    if (dots) broadcast = std::max(broadcast, rank - letters);
  }
  std::vector<Labelled> parts;
  for (size_t i = 0; i < terms.size(); ++i) {
    const size_t letters = terms[i].size() - (terms[i].find("...") != std::string::npos ? 3 : 0);
    parts.push_back(without_repeats({operands[i], expanded(equation, terms[i], static_cast<size_t>(operands[i].dim()) - letters)}));
  }
  check_sizes(equation, parts);
  const std::string result = expanded(equation, arrow == std::string::npos ? implied(terms, broadcast) : text.substr(arrow + 2), broadcast);
  std::string all;
  for (const Labelled& part : parts) all += part.labels;
  for (size_t i = 0; i < result.size(); ++i) {
    op.check<ValueError>(has(all, result[i]), "\"{}\": the result names '{}', which no operand has", equation, result[i]);
    op.check<ValueError>(result.find(result[i], i + 1) == std::string::npos, "\"{}\": '{}' stands twice in the result", equation,
                         result[i]);
  }
  Labelled product = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    std::string wanted = result;
    for (size_t j = i + 1; j < parts.size(); ++j) wanted += parts[j].labels;
    product = contracted(product, parts[i], wanted);
  }
  return arranged(summed_over(product, result), result);
}

}  // namespace gradus
