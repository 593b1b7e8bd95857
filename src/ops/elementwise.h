#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "autograd/op.h"
#include "core/dispatch.h"
#include "core/span.h"
#include "kernels/pointwise.h"
#include "ops/promote.h"

/// The way from an elementwise operation to its loop: `pointwise`, `unary` or `binary` choose the element type, `map_new` makes the result
/// and says where the operands lie, `kernels::map` runs the loop.
namespace gradus {

template <class T>
const T* storage_of(const Tensor& x) {
  return static_cast<const T*>(x.impl()->storage->data());
}

/// x in the given dtype, outside the graph where it is converted.
inline Tensor converted(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  NoGradGuard no_grad;
  return x.to(dtype);
}

/// An operand of a loop over `shape`: a tensor that broadcasts to it, or one number for all elements.
template <class T>
class Broadcast {
 public:
  Broadcast(const char* op, const Tensor& x, const Shape& shape) : start_(storage_of<T>(x)), own_(&x.impl()->layout) {
    const TensorImpl& impl = *x.impl();
    if (impl.layout.shape == shape) lie_ = impl.contiguous ? kernels::Lie::Dense : kernels::Lie::Strided;
    else stretch(expand(op, impl.layout, shape), impl.numel == 1);
  }
  Broadcast(const char*, const T& number, const Shape& shape) : start_(&number) {
    stretch({shape, Strides::filled(shape.size(), 0), 0}, true);
  }

  kernels::Strided<const T> operand() const { return {start_, stretched_ ? *stretched_ : *own_, lie_}; }

 private:
  void stretch(const Layout& layout, bool to_number) {
    stretched_ = layout;
    lie_ = to_number ? kernels::Lie::Number : kernels::Lie::Strided;
  }

  const T* start_;
  const Layout* own_ = nullptr;
  std::optional<Layout> stretched_;
  kernels::Lie lie_ = kernels::Lie::Strided;
};

inline void meet_shape(const char* op, Shape& shape, const Tensor& x) {
  if (x.impl()->layout.shape != shape) shape = broadcast_shapes(op, shape, x.impl()->layout.shape);
}
template <class T>
requires std::is_arithmetic_v<T>
void meet_shape(const char*, Shape&, T) {}

/// A new tensor for the result of an elementwise operation on x and others: in x's shape, which is left alone where it is theirs too.
template <class... Others>
Tensor new_result(const char* op, DType dtype, const Tensor& x, const Others&... others) {
  Shape shape = x.impl()->layout.shape;
  (meet_shape(op, shape, others), ...);
  return shape == x.impl()->layout.shape ? new_tensor_like(op, x, dtype) : new_tensor(op, shape, dtype);
}

/// f(x…), element by element, into a new tensor of element type Y. X are the types of the operands' elements; an operand is a tensor, or,
/// but for the first, a number of that type. They broadcast.
template <class Y, class... X, class F, class... Operands>
Tensor map_new(const char* op, F f, const Operands&... x) {
  static_assert(std::is_same_v<Y, bool> || dtype_of<Y> != DType::Bool, "no dtype has elements of this type");
  const profiling::Span span(profiling::Kind::Operation, op);
  Tensor y = new_result(op, dtype_of<Y>, x...);
  const TensorImpl& to = *y.impl();
  kernels::map(f, to.numel, kernels::Strided(static_cast<Y*>(to.storage->data()), to.layout, kernels::Lie::Dense),
               Broadcast<X>(op, x, to.layout.shape).operand()...);
  return y;
}

/// The dtypes that an operation is for.
enum class Takes : uint8_t {
  Any,
  Numbers,  ///< not bool
  Whole,    ///< bool and int64
  Reals,    ///< float32 and float64; others are converted to float32
};

/// Calls f<T>() with the C++ type of dtype, which is one that the operation is for.
template <Takes takes, class F>
Tensor with_type(DType dtype, F f) {
  if constexpr (takes != Takes::Whole) {
    if (dtype == DType::Float32) return f.template operator()<float>();
    if (dtype == DType::Float64) return f.template operator()<double>();
  }
  if constexpr (takes != Takes::Reals)
    if (dtype == DType::Int64) return f.template operator()<int64_t>();
  if constexpr (takes == Takes::Any || takes == Takes::Whole)
    if (dtype == DType::Bool) return f.template operator()<bool>();
  return Tensor();
}

/// The dtype in which an operation works on operands that meet in `dtype`. Throws DTypeError where it is not for them.
template <Takes takes>
DType working_dtype(const Op& op, DType dtype) {
  if constexpr (takes == Takes::Numbers)
    op.check<DTypeError>(dtype != DType::Bool, "not defined for bool; convert with .to(gradus::int64)");
  if constexpr (takes == Takes::Whole)
    op.check<DTypeError>(!is_floating_point(dtype), "takes bool or int64, got {}; compare first, as in (x > 0) & (y > 0)",
                         gradus::name(dtype));
  return takes == Takes::Reals && !is_floating_point(dtype) ? DType::Float32 : dtype;
}

/// f(x), whose element type is the one that f returns; outside the graph, as `binary`.
template <Takes takes = Takes::Any, class F>
Tensor unary(const Op& op, const Tensor& x, F f) {
  op.takes(x);
  const Tensor a = converted(x, working_dtype<takes>(op, x.dtype()));
  return with_type<takes>(a.dtype(), [&]<class T>() { return map_new<std::invoke_result_t<F, T>, T>(op, f, a); });
}

/// f(x, y) in the dtype where x and y meet.
template <Takes takes = Takes::Any, class F>
Tensor binary(const Op& op, const Tensor& x, const Tensor& y, F f) {
  op.takes(x, y);
  const DType dtype = working_dtype<takes>(op, result_type(x, y));
  const Tensor a = converted(x, dtype), b = converted(y, dtype);
  return with_type<takes>(dtype, [&]<class T>() { return map_new<std::invoke_result_t<F, T, T>, T, T>(op, f, a, b); });
}

/// The same with one number for y. A light f has loops for it; another keeps it.
template <Takes takes = Takes::Any, class F>
Tensor binary(const Op& op, const Tensor& x, Scalar y, F f) {
  op.takes(x);
  const DType dtype = working_dtype<takes>(op, result_type(x, y));
  const Tensor a = converted(x, dtype);
  return with_type<takes>(dtype, [&]<class T>() {
    using Result = std::invoke_result_t<F, T, T>;
    const T number = y.to<T>();
    if constexpr (kernels::is_light<F>) return map_new<Result, T, T>(op, f, a, number);
    else
      return map_new<Result, T>(
          op, [f, number](T v) { return f(v, number); }, a);
  });
}

/// A derivative as a function of the operation's input, which is saved for it, or of its output. It is written once for numbers and tensors
/// alike.
template <class D>
struct OfInput {
  D derivative;
};
template <class D>
struct OfOutput {
  D derivative;
};
template <class D>
OfInput(D) -> OfInput<D>;
template <class D>
OfOutput(D) -> OfOutput<D>;

/// dy * derivative(v): one loop, or public operations while the backward pass is recorded.
template <class D>
Tensor chain(const Op& op, const Tensor& dy, const Tensor& v, D derivative) {
  if (recording_backward()) return dy * derivative(v);
  return with_type<Takes::Reals>(v.dtype(), [&]<class T>() {
    return map_new<T, T, T>(
        op, [derivative](T d, T a) { return d * derivative(a); }, dy, v);
  });
}

template <class D>
auto pullback(const Op& op, const Tensor&, OfOutput<D> of) {
  return [op, of](const Tensor& dy, const Tensor& y) { return chain(op, dy, y, of.derivative); };
}
template <class D>
auto pullback(const Op& op, const Tensor& x, OfInput<D> of) {
  return [op, of, x = Saved(x)](const Tensor& dy) { return chain(op, dy, *x, of.derivative); };
}

/// A real function of one tensor and its derivative. Integers become float32.
template <class F, class D>
Tensor pointwise(const Op& op, const Tensor& given, F f, D derivative) {
  op.takes(given);
  const Tensor x = is_floating_point(given.impl()->dtype) ? given : given.to(DType::Float32);
  Tensor y = x.impl()->dtype == DType::Float32 ? map_new<float, float>(op, f, x) : map_new<double, double>(op, f, x);
  return op.record(std::move(y), wrt(x, pullback(op, x, derivative)));
}

/// Throws DTypeError unless x is floating-point.
inline void check_real(const char* op, const Tensor& x) {
  check<DTypeError>(is_floating_point(impl_of(op, x).dtype), "{}: takes float32 or float64, got {}; convert with .to(gradus::float32)", op,
                    name(x.dtype()));
}

}  // namespace gradus
