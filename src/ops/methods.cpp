#include "autograd/in_place.h"
#include "autograd/tensor_impl.h"
#include "core/check.h"
#include "core/dispatch.h"
#include "gradus/creation.h"
#include "gradus/ops/activation.h"
#include "gradus/ops/elementwise.h"
#include "gradus/ops/indexing.h"
#include "gradus/ops/product.h"
#include "gradus/ops/reduction.h"
#include "gradus/ops/shape.h"
#include "kernels/pointwise.h"
#include "ops/promote.h"

/// The methods of Tensor: each is the free function of its name. The in-place ones give the free function's result to `in_place`.
namespace gradus {

Tensor Tensor::clone() const { return gradus::clone(*this); }
Tensor Tensor::contiguous() const { return gradus::contiguous(*this); }
Tensor Tensor::to(DType dtype) const { return gradus::to(*this, dtype); }

Tensor Tensor::permute(const Dims& dims) const { return gradus::permute(*this, dims); }
Tensor Tensor::transpose(int64_t dim0, int64_t dim1) const { return gradus::transpose(*this, dim0, dim1); }
Tensor Tensor::t() const { return gradus::t(*this); }
Tensor Tensor::reshape(const Shape& shape) const { return gradus::reshape(*this, shape); }
Tensor Tensor::view(const Shape& shape) const { return gradus::view(*this, shape); }
Tensor Tensor::expand(const Shape& shape) const { return gradus::expand(*this, shape); }
Tensor Tensor::expand_as(const Tensor& other) const { return gradus::expand(*this, other.shape()); }
Tensor Tensor::squeeze() const { return gradus::squeeze(*this); }
Tensor Tensor::squeeze(int64_t dim) const { return gradus::squeeze(*this, dim); }
Tensor Tensor::unsqueeze(int64_t dim) const { return gradus::unsqueeze(*this, dim); }
Tensor Tensor::flatten(int64_t start_dim, int64_t end_dim) const { return gradus::flatten(*this, start_dim, end_dim); }
Tensor Tensor::slice(int64_t dim, std::optional<int64_t> start, std::optional<int64_t> stop, int64_t step) const {
  return gradus::slice(*this, dim, start, stop, step);
}
Tensor Tensor::select(int64_t dim, int64_t index) const { return gradus::select(*this, dim, index); }
Tensor Tensor::narrow(int64_t dim, int64_t start, int64_t length) const { return gradus::narrow(*this, dim, start, length); }
Tensor Tensor::operator[](int64_t index) const { return gradus::select(*this, 0, index); }
std::vector<Tensor> Tensor::split(int64_t size, int64_t dim) const { return gradus::split(*this, size, dim); }
std::vector<Tensor> Tensor::split(const std::vector<int64_t>& sizes, int64_t dim) const { return gradus::split(*this, sizes, dim); }
std::vector<Tensor> Tensor::chunk(int64_t chunks, int64_t dim) const { return gradus::chunk(*this, chunks, dim); }
std::vector<Tensor> Tensor::unbind(int64_t dim) const { return gradus::unbind(*this, dim); }

Tensor Tensor::add(const Tensor& other, Scalar alpha) const { return gradus::add(*this, other, alpha); }
Tensor Tensor::add(Scalar other) const { return gradus::add(*this, other); }
Tensor Tensor::sub(const Tensor& other, Scalar alpha) const { return gradus::sub(*this, other, alpha); }
Tensor Tensor::sub(Scalar other) const { return gradus::sub(*this, other); }
Tensor Tensor::mul(const Tensor& other) const { return gradus::mul(*this, other); }
Tensor Tensor::mul(Scalar other) const { return gradus::mul(*this, other); }
Tensor Tensor::div(const Tensor& other) const { return gradus::div(*this, other); }
Tensor Tensor::div(Scalar other) const { return gradus::div(*this, other); }
Tensor Tensor::pow(const Tensor& exponent) const { return gradus::pow(*this, exponent); }
Tensor Tensor::pow(Scalar exponent) const { return gradus::pow(*this, exponent); }
Tensor Tensor::neg() const { return gradus::neg(*this); }
Tensor Tensor::exp() const { return gradus::exp(*this); }
Tensor Tensor::log() const { return gradus::log(*this); }
Tensor Tensor::sqrt() const { return gradus::sqrt(*this); }
Tensor Tensor::abs() const { return gradus::abs(*this); }
Tensor Tensor::tanh() const { return gradus::tanh(*this); }
Tensor Tensor::sigmoid() const { return gradus::sigmoid(*this); }
Tensor Tensor::relu() const { return gradus::relu(*this); }
Tensor Tensor::clamp(std::optional<Scalar> min, std::optional<Scalar> max) const { return gradus::clamp(*this, min, max); }
Tensor Tensor::masked_fill(const Tensor& mask, Scalar value) const { return gradus::masked_fill(*this, mask, value); }
Tensor Tensor::matmul(const Tensor& other) const { return gradus::matmul(*this, other); }

Tensor Tensor::eq(const Tensor& other) const { return gradus::eq(*this, other); }
Tensor Tensor::eq(Scalar other) const { return gradus::eq(*this, other); }
Tensor Tensor::ne(const Tensor& other) const { return gradus::ne(*this, other); }
Tensor Tensor::ne(Scalar other) const { return gradus::ne(*this, other); }
Tensor Tensor::lt(const Tensor& other) const { return gradus::lt(*this, other); }
Tensor Tensor::lt(Scalar other) const { return gradus::lt(*this, other); }
Tensor Tensor::le(const Tensor& other) const { return gradus::le(*this, other); }
Tensor Tensor::le(Scalar other) const { return gradus::le(*this, other); }
Tensor Tensor::gt(const Tensor& other) const { return gradus::gt(*this, other); }
Tensor Tensor::gt(Scalar other) const { return gradus::gt(*this, other); }
Tensor Tensor::ge(const Tensor& other) const { return gradus::ge(*this, other); }
Tensor Tensor::ge(Scalar other) const { return gradus::ge(*this, other); }

bool Tensor::equal(const Tensor& other) const { return gradus::equal(*this, other); }
bool Tensor::allclose(const Tensor& other, double rtol, double atol, bool equal_nan) const {
  return gradus::allclose(*this, other, rtol, atol, equal_nan);
}

Tensor Tensor::sum(const Dims& dims, bool keepdim, std::optional<DType> dtype) const { return gradus::sum(*this, dims, keepdim, dtype); }
Tensor Tensor::mean(const Dims& dims, bool keepdim, std::optional<DType> dtype) const { return gradus::mean(*this, dims, keepdim, dtype); }
Tensor Tensor::var(const Dims& dims, int64_t correction, bool keepdim) const { return gradus::var(*this, dims, correction, keepdim); }
Tensor Tensor::max() const { return gradus::max(*this); }
Tensor Tensor::min() const { return gradus::min(*this); }
Tensor Tensor::argmax(std::optional<int64_t> dim, bool keepdim) const { return gradus::argmax(*this, dim, keepdim); }
Tensor Tensor::std(const Dims& dims, int64_t correction, bool keepdim) const { return gradus::std(*this, dims, correction, keepdim); }
Tensor Tensor::prod(std::optional<DType> dtype) const { return gradus::prod(*this, dtype); }
Tensor Tensor::norm(double p, const Dims& dims, bool keepdim) const { return gradus::norm(*this, p, dims, keepdim); }
Tensor Tensor::amax(const Dims& dims, bool keepdim) const { return gradus::amax(*this, dims, keepdim); }
Tensor Tensor::amin(const Dims& dims, bool keepdim) const { return gradus::amin(*this, dims, keepdim); }
Tensor Tensor::cumsum(int64_t dim, std::optional<DType> dtype) const { return gradus::cumsum(*this, dim, dtype); }
Tensor Tensor::any(const Dims& dims, bool keepdim) const { return gradus::any(*this, dims, keepdim); }
Tensor Tensor::all(const Dims& dims, bool keepdim) const { return gradus::all(*this, dims, keepdim); }
Tensor Tensor::sin() const { return gradus::sin(*this); }
Tensor Tensor::cos() const { return gradus::cos(*this); }
Tensor Tensor::square() const { return gradus::square(*this); }
Tensor Tensor::rsqrt() const { return gradus::rsqrt(*this); }
Tensor Tensor::reciprocal() const { return gradus::reciprocal(*this); }
Tensor Tensor::round() const { return gradus::round(*this); }
Tensor Tensor::sign() const { return gradus::sign(*this); }
Tensor Tensor::repeat(const Dims& repeats) const { return gradus::repeat(*this, repeats); }
Tensor Tensor::flip(const Dims& dims) const { return gradus::flip(*this, dims); }
Tensor Tensor::masked_select(const Tensor& mask) const { return gradus::masked_select(*this, mask); }
Tensor Tensor::scatter_add(int64_t dim, const Tensor& index, const Tensor& source) const {
  return gradus::scatter_add(*this, dim, index, source);
}
Tensor Tensor::softmax(int64_t dim) const { return gradus::softmax(*this, dim); }
Tensor Tensor::log_softmax(int64_t dim) const { return gradus::log_softmax(*this, dim); }
Tensor Tensor::index_select(int64_t dim, const Tensor& index) const { return gradus::index_select(*this, dim, index); }
Tensor Tensor::gather(int64_t dim, const Tensor& index) const { return gradus::gather(*this, dim, index); }

namespace {

/// x += alpha * y without a temporary, for the common case of gradients and statistics: nothing to record, one shape, one dtype.
bool add_directly(const Tensor& x, const Tensor& y, Scalar alpha) {
  const TensorImpl& target = impl_of("add_", x);
  const TensorImpl& source = impl_of("add_", y);
  if (target.layout.shape != source.layout.shape || target.dtype != source.dtype || !is_floating_point(target.dtype)) return false;
  if (in_place_needs_history("add_", x, y.requires_grad()) || target.storage == source.storage) return false;
  dispatch_floating("add_", target.dtype, [&]<class T>() {
    T* to = static_cast<T*>(target.storage->data());
    const T* from = static_cast<const T*>(source.storage->data());
    const auto lie = [](const TensorImpl& impl) { return impl.contiguous ? kernels::Lie::Dense : kernels::Lie::Strided; };
    kernels::map([a = alpha.to<T>()](T p, T q) { return p + a * q; }, target.numel, kernels::Strided(to, target.layout, lie(target)),
                 kernels::Strided(to, target.layout, lie(target)), kernels::Strided(from, source.layout, lie(source)));
  });
  target.storage->bump_version();
  return true;
}

}  // namespace

const Tensor& Tensor::add_(const Tensor& other, Scalar alpha) const {
  if (!add_directly(*this, other, alpha))
    in_place(
        "add_", *this, [&](const Tensor& x) { return gradus::add(x, other, alpha); }, other);
  return *this;
}
const Tensor& Tensor::add_(Scalar other) const {
  in_place("add_", *this, [&](const Tensor& x) { return gradus::add(x, other); });
  return *this;
}
const Tensor& Tensor::sub_(const Tensor& other, Scalar alpha) const {
  in_place(
      "sub_", *this, [&](const Tensor& x) { return gradus::sub(x, other, alpha); }, other);
  return *this;
}
const Tensor& Tensor::sub_(Scalar other) const {
  in_place("sub_", *this, [&](const Tensor& x) { return gradus::sub(x, other); });
  return *this;
}
const Tensor& Tensor::mul_(const Tensor& other) const {
  in_place(
      "mul_", *this, [&](const Tensor& x) { return gradus::mul(x, other); }, other);
  return *this;
}
const Tensor& Tensor::mul_(Scalar other) const {
  in_place("mul_", *this, [&](const Tensor& x) { return gradus::mul(x, other); });
  return *this;
}
const Tensor& Tensor::div_(const Tensor& other) const {
  in_place(
      "div_", *this, [&](const Tensor& x) { return gradus::div(x, other); }, other);
  return *this;
}
const Tensor& Tensor::div_(Scalar other) const {
  in_place("div_", *this, [&](const Tensor& x) { return gradus::div(x, other); });
  return *this;
}
const Tensor& Tensor::neg_() const {
  in_place("neg_", *this, [](const Tensor& x) { return gradus::neg(x); });
  return *this;
}
const Tensor& Tensor::exp_() const {
  in_place("exp_", *this, [](const Tensor& x) { return gradus::exp(x); });
  return *this;
}
const Tensor& Tensor::sqrt_() const {
  in_place("sqrt_", *this, [](const Tensor& x) { return gradus::sqrt(x); });
  return *this;
}
const Tensor& Tensor::tanh_() const {
  in_place("tanh_", *this, [](const Tensor& x) { return gradus::tanh(x); });
  return *this;
}
const Tensor& Tensor::sigmoid_() const {
  in_place("sigmoid_", *this, [](const Tensor& x) { return gradus::sigmoid(x); });
  return *this;
}
const Tensor& Tensor::relu_() const {
  in_place("relu_", *this, [](const Tensor& x) { return gradus::relu(x); });
  return *this;
}
const Tensor& Tensor::clamp_(std::optional<Scalar> min, std::optional<Scalar> max) const {
  in_place("clamp_", *this, [&](const Tensor& x) { return gradus::clamp(x, min, max); });
  return *this;
}
const Tensor& Tensor::masked_fill_(const Tensor& mask, Scalar value) const {
  in_place("masked_fill_", *this, [&](const Tensor& x) { return gradus::masked_fill(x, mask, value); });
  return *this;
}
const Tensor& Tensor::fill_(Scalar value) const {
  const DType own = impl_of("fill_", *this).dtype;
  check<DTypeError>(fits_into(value.dtype(), own), "fill_: a floating-point value does not fit into {}", name(own));
  overwrite("fill_", *this, full({}, value, {.dtype = own}).expand(shape()));
  return *this;
}
const Tensor& Tensor::zero_() const { return fill_(false); }
const Tensor& Tensor::copy_(const Tensor& source) const {
  // Conversion is what copy_ is for, so it also takes values from a wider dtype; the history is the source's alone.
  const DType own = impl_of("copy_", *this).dtype;
  overwrite("copy_", *this, gradus::to(source, own).expand(shape()));
  return *this;
}

namespace {

/// x, the left side of the assignment op, which must share its elements with another tensor.
const Tensor& assignable(const char* op, const Tensor& x) {
  check<ValueError>(!impl_of(op, x).storage->unshared(),
                    "{}: the tensor of shape {} on the left is a temporary that is no view, so that the elements written would be lost; "
                    "write where tensors pick elements with index_put_, and give results of operations to a variable",
                    op, x.shape());
  return x;
}

}  // namespace

const Tensor& Tensor::operator=(const Tensor& value) && { return assignable("operator=", *this).copy_(value); }
const Tensor& Tensor::operator=(Scalar value) && { return assignable("operator=", *this).fill_(value); }

Tensor& Tensor::operator+=(const Tensor& other) & { return add_(other), *this; }
Tensor& Tensor::operator+=(Scalar other) & { return add_(other), *this; }
Tensor& Tensor::operator-=(const Tensor& other) & { return sub_(other), *this; }
Tensor& Tensor::operator-=(Scalar other) & { return sub_(other), *this; }
Tensor& Tensor::operator*=(const Tensor& other) & { return mul_(other), *this; }
Tensor& Tensor::operator*=(Scalar other) & { return mul_(other), *this; }
Tensor& Tensor::operator/=(const Tensor& other) & { return div_(other), *this; }
Tensor& Tensor::operator/=(Scalar other) & { return div_(other), *this; }

const Tensor& Tensor::operator+=(const Tensor& other) && { return assignable("operator+=", *this), *this += other; }
const Tensor& Tensor::operator+=(Scalar other) && { return assignable("operator+=", *this), *this += other; }
const Tensor& Tensor::operator-=(const Tensor& other) && { return assignable("operator-=", *this), *this -= other; }
const Tensor& Tensor::operator-=(Scalar other) && { return assignable("operator-=", *this), *this -= other; }
const Tensor& Tensor::operator*=(const Tensor& other) && { return assignable("operator*=", *this), *this *= other; }
const Tensor& Tensor::operator*=(Scalar other) && { return assignable("operator*=", *this), *this *= other; }
const Tensor& Tensor::operator/=(const Tensor& other) && { return assignable("operator/=", *this), *this /= other; }
const Tensor& Tensor::operator/=(Scalar other) && { return assignable("operator/=", *this), *this /= other; }
const Tensor& Tensor::operator&=(const Tensor& other) && { return assignable("operator&=", *this), *this &= other; }
const Tensor& Tensor::operator|=(const Tensor& other) && { return assignable("operator|=", *this), *this |= other; }
const Tensor& Tensor::operator^=(const Tensor& other) && { return assignable("operator^=", *this), *this ^= other; }

}  // namespace gradus
