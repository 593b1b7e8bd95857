#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "gradus/dtype.h"
#include "gradus/export.h"
#include "gradus/operators.h"
#include "gradus/ref.h"
#include "gradus/scalar.h"
#include "gradus/shape.h"

namespace gradus {

class Tensor;
struct TensorImpl;
/// One reference to a tensor's insides more, and one less: for Ref.
GRADUS_API void retain(TensorImpl* impl) noexcept;
GRADUS_API void release(TensorImpl* impl) noexcept;

/// `start:stop:step` of one dimension. Negative bounds count from the end; an absent one is the end that it stands at.
struct Slice {
  std::optional<int64_t> start = {};
  std::optional<int64_t> stop = {};
  int64_t step = 1;
};
/// A new dimension of size 1.
enum class NoneType { None };
using enum NoneType;  // as an enumerator it is not shadowed by those of the same name
/// All the dimensions that the other indices leave.
struct EllipsisType {};
/// `x.index({Ellipsis, 0})`: all dimensions but the last.
inline constexpr EllipsisType Ellipsis{};

class Index;

/// A hook on a tensor's gradient: sees it, and may return another in its place (an undefined tensor keeps it).
using Hook = std::function<Tensor(const Tensor&)>;

/// An n-dimensional array that records how it was computed: a handle, so a copy shares the elements.
///
/// A default-constructed tensor is undefined: `defined()` is false, and every other use throws StateError.
/// The operations on tensors are free functions (`gradus/ops.h`); those that read well at the end of an expression are
/// methods too, with the same meaning.
class GRADUS_API Tensor {
 public:
  Tensor() noexcept = default;
  explicit Tensor(Ref<TensorImpl> impl) noexcept : impl_(std::move(impl)) {}
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  ~Tensor() = default;

  /// `y = x`: the variable y becomes another handle to x. What y was stays as it is.
  Tensor& operator=(const Tensor&) & = default;
  Tensor& operator=(Tensor&&) & noexcept = default;
  /// `x[0] = y`, `x.index({Ellipsis, Slice{1, 3}}) = 0`: assigning to what a call returned writes the elements, as copy_ and fill_ do,
  /// recorded and through a view into what it is a view of. Throws ValueError on a temporary that is no view, whose elements nobody else
  /// would see, such as `x.index({mask})`: index_put_ writes there.
  const Tensor& operator=(const Tensor& value) &&;
  const Tensor& operator=(Scalar value) &&;

  bool defined() const noexcept { return static_cast<bool>(impl_); }

  // ---- geometry
  const Shape& shape() const;
  /// The size of one dimension, negative ones counted from the end.
  int64_t size(int64_t dim) const;
  /// The number of dimensions.
  int64_t dim() const;
  /// The number of elements.
  int64_t numel() const;
  /// Distances between neighbours along each dimension, in elements.
  const Strides& strides() const;
  /// The same of one dimension, negative ones counted from the end.
  int64_t stride(int64_t dim) const;
  /// The first element's place in the storage, in elements.
  int64_t storage_offset() const;
  /// True when the elements lie in row-major order without gaps.
  bool is_contiguous() const;
  DType dtype() const;
  /// True when both are windows onto the same storage.
  bool shares_storage_with(const Tensor& other) const;
  /// How often the storage was changed in place.
  uint32_t version() const;

  // ---- elements
  /// The first element's address. T must be the dtype's C++ type (bool, int64_t, float, double), or DTypeError is thrown.
  /// Strides say where the others are. Writing through it is not recorded, and not counted by version(): a graph does not notice it, the
  /// next call does. Layers keep weights in the form in which products read them while these stay as they are; once the address was asked
  /// for, nobody can tell, and they make it anew at every call of more than 4 rows, of any number with precision "medium". A clone() is
  /// kept again. To read, take const_data().
  template <class T>
  T* data() const {
    return static_cast<T*>(data_checked(dtype_of<T>));
  }
  /// The same address for reading alone. Throws as data() does.
  template <class T>
  const T* const_data() const {
    return static_cast<const T*>(const_data_checked(dtype_of<T>));
  }
  /// The one element of a tensor with one element, converted to T; throws ShapeError when there are more or none, ValueError when T is an
  /// integer type that does not hold it.
  template <class T = double>
  T item() const {
    if constexpr (std::integral<T> && !std::same_as<T, bool>) {
      using Limits = std::numeric_limits<T>;
      constexpr auto most = static_cast<uint64_t>(Limits::max()),
                     most_of_int64 = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
      return static_cast<T>(
          item_whole(static_cast<int64_t>(Limits::min()), static_cast<int64_t>(most < most_of_int64 ? most : most_of_int64)));
    } else {
      return item_scalar().template to<T>();
    }
  }
  /// The elements in row-major order, converted to T. Throws ValueError when T is int64_t and one is NaN or beyond it.
  template <class T>
  std::vector<T> to_vector() const;

  // ---- autograd
  bool requires_grad() const;
  /// Makes a leaf record the operations on it. Throws AutogradError on a result of operations, DTypeError on integers.
  const Tensor& requires_grad_(bool requires_grad = true) const;
  /// True when no recorded operation made it.
  bool is_leaf() const;
  /// What backward left here; undefined before.
  Tensor grad() const;
  /// Replaces the gradient; an undefined tensor takes it away. Throws ShapeError or DTypeError when it does not fit.
  void set_grad(const Tensor& grad) const;
  /// The name of the operation that made this tensor, as PyTorch writes it ("EmbeddingBackward0"); empty for a leaf.
  std::string grad_fn() const;
  /// Computes d(this)/d(leaf) for every leaf it depends on and adds it to the leaf's `grad()`.
  /// `gradient` weights the elements; it may be left out for a tensor of one element. The graph is freed unless
  /// `retain_graph`; `create_graph` records the backward pass itself, so that it can be differentiated again, and keeps the graph.
  void backward(const Tensor& gradient = {}, bool retain_graph = false, bool create_graph = false) const;
  /// Keeps the gradient of a tensor that is not a leaf in `grad()` too.
  void retain_grad() const;
  /// Calls `hook` with the gradient of this tensor whenever it is computed. Returns an id for remove_hook.
  int64_t register_hook(Hook hook) const;
  /// Takes away the hook with this id. Throws ValueError when there is none.
  void remove_hook(int64_t id) const;
  /// The same elements, outside the graph.
  Tensor detach() const;

  // ---- row-sparse gradients
  /// True for the gradient that an embedding with `sparse` leaves: it holds only the rows that were looked up. Optimizers, clipping,
  /// zero_grad and hooks take it, and so do shape, dtype and detach; every other operation throws StateError and names to_dense().
  bool is_sparse() const;
  /// Which rows it holds, (1, N) int64; one may be there more than once, until coalesce(). This and the next three throw StateError on a
  /// dense tensor.
  Tensor indices() const;
  /// The rows (N, ...). They are the gradient's own: changing them changes it.
  Tensor values() const;
  /// The same with ascending indices, each there once, with the sum of its rows.
  Tensor coalesce() const;
  bool is_coalesced() const;
  /// All the elements, 0 outside the rows. A dense tensor is returned as it is.
  Tensor to_dense() const;

  // ---- copies and conversions
  /// A contiguous copy with its own storage.
  Tensor clone() const;
  /// This tensor when it is contiguous, a copy otherwise.
  Tensor contiguous() const;
  /// This tensor when it has the dtype, a converted copy otherwise. Floating to integer truncates; NaN has no integer (ValueError).
  Tensor to(DType dtype) const;

  // ---- views: the same elements seen as another shape
  Tensor permute(const Dims& dims) const;
  Tensor transpose(int64_t dim0, int64_t dim1) const;
  Tensor t() const;
  Tensor reshape(const Shape& shape) const;
  Tensor view(const Shape& shape) const;
  Tensor expand(const Shape& shape) const;
  /// expand to the shape of `other`.
  Tensor expand_as(const Tensor& other) const;
  Tensor squeeze() const;
  Tensor squeeze(int64_t dim) const;
  Tensor unsqueeze(int64_t dim) const;
  Tensor flatten(int64_t start_dim = 0, int64_t end_dim = -1) const;
  Tensor slice(int64_t dim, std::optional<int64_t> start = {}, std::optional<int64_t> stop = {}, int64_t step = 1) const;
  Tensor select(int64_t dim, int64_t index) const;
  Tensor narrow(int64_t dim, int64_t start, int64_t length) const;
  /// `x[i]`: select of dimension 0. Negative i counts from the end.
  Tensor operator[](int64_t index) const;
  /// NumPy's indexing: integers, Slice, None, Ellipsis and tensors, as in `x.index({Ellipsis, Slice{1, 3}, 0})`. Integers, slices,
  /// None and Ellipsis give a view, to which may be assigned; int64 tensors pick elements and bool tensors the places where they are true,
  /// as copies, and index_put_ writes to those.
  Tensor index(std::initializer_list<Index> indices) const;
  Tensor index(const std::vector<Index>& indices) const;
  /// Writes `value`, broadcast, where `index(indices)` would read, or adds it there. Where a place is named more than once the last value
  /// stays, and alone gets a gradient; with `accumulate` all are added. Returns this tensor.
  const Tensor& index_put_(std::initializer_list<Index> indices, const Tensor& value, bool accumulate = false) const;
  const Tensor& index_put_(const std::vector<Index>& indices, const Tensor& value, bool accumulate = false) const;
  const Tensor& index_put_(std::initializer_list<Index> indices, Scalar value) const;
  Tensor repeat(const Dims& repeats) const;
  Tensor flip(const Dims& dims) const;
  Tensor masked_select(const Tensor& mask) const;
  std::vector<Tensor> split(int64_t size, int64_t dim = 0) const;
  std::vector<Tensor> split(const std::vector<int64_t>& sizes, int64_t dim = 0) const;
  std::vector<Tensor> chunk(int64_t chunks, int64_t dim = 0) const;
  std::vector<Tensor> unbind(int64_t dim = 0) const;

  // ---- arithmetic
  Tensor add(const Tensor& other, Scalar alpha = 1) const;
  Tensor add(Scalar other) const;
  Tensor sub(const Tensor& other, Scalar alpha = 1) const;
  Tensor sub(Scalar other) const;
  Tensor mul(const Tensor& other) const;
  Tensor mul(Scalar other) const;
  Tensor div(const Tensor& other) const;
  Tensor div(Scalar other) const;
  Tensor pow(const Tensor& exponent) const;
  Tensor pow(Scalar exponent) const;
  Tensor neg() const;
  Tensor exp() const;
  Tensor log() const;
  Tensor sqrt() const;
  Tensor abs() const;
  Tensor tanh() const;
  Tensor sigmoid() const;
  Tensor relu() const;
  Tensor sin() const;
  Tensor cos() const;
  Tensor square() const;
  Tensor rsqrt() const;
  Tensor reciprocal() const;
  Tensor round() const;
  Tensor sign() const;
  Tensor clamp(std::optional<Scalar> min, std::optional<Scalar> max = {}) const;
  Tensor masked_fill(const Tensor& mask, Scalar value) const;
  Tensor matmul(const Tensor& other) const;

  // ---- comparisons, elementwise, giving bool
  Tensor eq(const Tensor& other) const;
  Tensor eq(Scalar other) const;
  Tensor ne(const Tensor& other) const;
  Tensor ne(Scalar other) const;
  Tensor lt(const Tensor& other) const;
  Tensor lt(Scalar other) const;
  Tensor le(const Tensor& other) const;
  Tensor le(Scalar other) const;
  Tensor gt(const Tensor& other) const;
  Tensor gt(Scalar other) const;
  Tensor ge(const Tensor& other) const;
  Tensor ge(Scalar other) const;

  // ---- comparisons of whole tensors
  /// True when both have the same shape and equal elements.
  bool equal(const Tensor& other) const;
  /// True when |this - other| <= atol + rtol * |other| everywhere (broadcasting).
  bool allclose(const Tensor& other, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false) const;

  // ---- reductions
  Tensor sum(const Dims& dims = {}, bool keepdim = false, std::optional<DType> dtype = {}) const;
  Tensor mean(const Dims& dims = {}, bool keepdim = false, std::optional<DType> dtype = {}) const;
  Tensor var(const Dims& dims = {}, int64_t correction = 1, bool keepdim = false) const;
  Tensor std(const Dims& dims = {}, int64_t correction = 1, bool keepdim = false) const;
  Tensor prod(std::optional<DType> dtype = {}) const;
  Tensor norm(double p = 2, const Dims& dims = {}, bool keepdim = false) const;
  Tensor amax(const Dims& dims = {}, bool keepdim = false) const;
  Tensor amin(const Dims& dims = {}, bool keepdim = false) const;
  Tensor cumsum(int64_t dim, std::optional<DType> dtype = {}) const;
  Tensor max() const;
  Tensor min() const;
  Tensor argmax(std::optional<int64_t> dim = {}, bool keepdim = false) const;
  Tensor any(const Dims& dims = {}, bool keepdim = false) const;
  Tensor all(const Dims& dims = {}, bool keepdim = false) const;
  Tensor softmax(int64_t dim) const;
  Tensor log_softmax(int64_t dim) const;
  Tensor index_select(int64_t dim, const Tensor& index) const;
  Tensor gather(int64_t dim, const Tensor& index) const;
  Tensor scatter_add(int64_t dim, const Tensor& index, const Tensor& source) const;

  // ---- in place: they change the elements, are recorded, and return this tensor
  const Tensor& add_(const Tensor& other, Scalar alpha = 1) const;
  const Tensor& add_(Scalar other) const;
  const Tensor& sub_(const Tensor& other, Scalar alpha = 1) const;
  const Tensor& sub_(Scalar other) const;
  const Tensor& mul_(const Tensor& other) const;
  const Tensor& mul_(Scalar other) const;
  const Tensor& div_(const Tensor& other) const;
  const Tensor& div_(Scalar other) const;
  const Tensor& neg_() const;
  const Tensor& exp_() const;
  const Tensor& sqrt_() const;
  const Tensor& tanh_() const;
  const Tensor& sigmoid_() const;
  const Tensor& relu_() const;
  const Tensor& clamp_(std::optional<Scalar> min, std::optional<Scalar> max = {}) const;
  const Tensor& masked_fill_(const Tensor& mask, Scalar value) const;
  /// Every element becomes `value`.
  const Tensor& fill_(Scalar value) const;
  const Tensor& zero_() const;
  /// Takes over the elements of `source`, broadcast and converted.
  const Tensor& copy_(const Tensor& source) const;
  /// Fills with numbers from [from, to), uniform.
  const Tensor& uniform_(double from = 0, double to = 1) const;
  /// Fills with normal numbers.
  const Tensor& normal_(double mean = 0, double std = 1) const;

  /// In place, recorded: `x += y` is `x.add_(y)`, and so on.
  Tensor& operator+=(const Tensor& other) &;
  Tensor& operator+=(Scalar other) &;
  Tensor& operator-=(const Tensor& other) &;
  Tensor& operator-=(Scalar other) &;
  Tensor& operator*=(const Tensor& other) &;
  Tensor& operator*=(Scalar other) &;
  Tensor& operator/=(const Tensor& other) &;
  Tensor& operator/=(Scalar other) &;
  Tensor& operator&=(const Tensor& other) &;
  Tensor& operator|=(const Tensor& other) &;
  Tensor& operator^=(const Tensor& other) &;
  /// The same on what a call returned, `x[0] += y`: written through the view. Throws ValueError on a temporary that is no view, such as
  /// `x.index({tensor}) += 1`, whose elements nobody else would see: index_put_ writes there.
  const Tensor& operator+=(const Tensor& other) &&;
  const Tensor& operator+=(Scalar other) &&;
  const Tensor& operator-=(const Tensor& other) &&;
  const Tensor& operator-=(Scalar other) &&;
  const Tensor& operator*=(const Tensor& other) &&;
  const Tensor& operator*=(Scalar other) &&;
  const Tensor& operator/=(const Tensor& other) &&;
  const Tensor& operator/=(Scalar other) &&;
  const Tensor& operator&=(const Tensor& other) &&;
  const Tensor& operator|=(const Tensor& other) &&;
  const Tensor& operator^=(const Tensor& other) &&;

  /// As PyTorch prints it, to the digit.
  std::string str() const;

  TensorImpl* impl() const noexcept { return impl_.get(); }
  /// True when both are the same tensor object, not merely equal elements.
  bool is_same(const Tensor& other) const noexcept { return impl_ == other.impl_; }

 private:
  void* data_checked(DType dtype) const;
  const void* const_data_checked(DType dtype) const;
  Scalar item_scalar() const;
  int64_t item_whole(int64_t low, int64_t high) const;

  Ref<TensorImpl> impl_;
};

/// One entry of `Tensor::index`.
class Index {
 public:
  template <std::integral T>
  requires(!std::same_as<T, bool>) Index(T i)
  noexcept : value_(static_cast<int64_t>(i)) {}
  Index(Slice slice) noexcept : value_(slice) {}
  Index(NoneType none) noexcept : value_(none) {}
  Index(EllipsisType ellipsis) noexcept : value_(ellipsis) {}
  Index(Tensor tensor) noexcept : value_(std::move(tensor)) {}

  using Value = std::variant<int64_t, Slice, NoneType, EllipsisType, Tensor>;
  const Value& value() const noexcept { return value_; }

 private:
  Value value_;
};

/// Prints a tensor as PyTorch does: `str`.
GRADUS_API std::ostream& operator<<(std::ostream& out, const Tensor& x);

}  // namespace gradus
