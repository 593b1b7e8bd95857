#include "optim/validate.h"

#include <unordered_map>

#include "autograd/tensor_impl.h"

namespace gradus::optim {

void check_apart(const char* op, const std::vector<Tensor>& before, const std::vector<Tensor>& params) {
  std::unordered_map<const Storage*, std::vector<const TensorImpl*>> at;
  for (const Tensor& p : before) at[p.impl()->storage.get()].push_back(p.impl());
  for (size_t i = 0; i < params.size(); ++i) {
    const TensorImpl& p = *params[i].impl();
    check<ValueError>(p.contiguous || !overlaps(p.layout),
                      "{}: several elements of parameter {} of shape {} with strides {} are one place in memory; clone() it first", op, i,
                      p.layout.shape, p.layout.strides);
    auto& others = at[p.storage.get()];
    for (const TensorImpl* other : others) {
      check<ValueError>(other != &p, "{}: parameter {} of shape {} is there twice; give each parameter once", op, i, p.layout.shape);
      check<ValueError>(!meet(other->layout, p.layout),
                        "{}: parameter {} of shape {} shares elements with another of shape {}; give each element once, or clone() one", op,
                        i, p.layout.shape, other->layout.shape);
    }
    others.push_back(&p);
  }
}

}  // namespace gradus::optim
