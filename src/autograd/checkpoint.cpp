#include "autograd/checkpoint.h"

#include <optional>
#include <utility>

#include "autograd/op.h"
#include "core/check.h"
#include "core/random.h"
#include "gradus/creation.h"

namespace gradus::autograd {
namespace {

using F = std::function<Tensor(const std::vector<Tensor>&)>;

thread_local constinit bool twice = false;

/// Around both runs of a function, so that they give the same numbers.
class RunsTwice {
 public:
  RunsTwice() noexcept : before_(std::exchange(twice, true)) {}
  ~RunsTwice() { twice = before_; }
  RunsTwice(const RunsTwice&) = delete;
  RunsTwice& operator=(const RunsTwice&) = delete;

 private:
  bool before_;
};

/// Computes f again, recorded this time, and sends dy through it.
void pull_again(const F& f, const std::vector<Saved>& saved, const Generator& generator, const Tensor& dy, InputGradients dx) {
  check<AutogradError>(!recording_backward(), "checkpoint: its backward pass cannot be recorded; leave out create_graph, or checkpoint");
  std::vector<Tensor> inputs;
  for (const Saved& x : saved) inputs.push_back((*x).defined() ? x->detach() : Tensor());
  for (size_t i = 0; i < inputs.size(); ++i)
    if (dx.needs(i)) inputs[i].requires_grad_();
  {
    EnableGradGuard recorded;
    const Replay replay(generator);
    const Tensor y = [&] {
      const RunsTwice as_before;
      return f(inputs);
    }();
    if (!y.requires_grad()) return;
    backward({y}, {dy});
  }
  for (size_t i = 0; i < inputs.size(); ++i)
    if (dx.needs(i)) dx[i] = inputs[i].grad();
}

const Tensor& checked(const Tensor& y) {
  check<StateError>(y.defined(), "checkpoint: the function gave an undefined tensor");
  return y;
}

}  // namespace

bool runs_twice() noexcept { return twice; }

Tensor checkpoint(const F& f, const std::vector<Tensor>& inputs) {
  check<ValueError>(static_cast<bool>(f), "checkpoint: the function is empty");
  if (!is_grad_enabled()) return alias_of(checked(f(inputs)));
  const Generator before = *LockedGenerator();
  Tensor y;
  {
    NoGradGuard no_grad;
    const RunsTwice as_recorded;
    y = alias_of(checked(f(inputs)));
  }
  std::vector<Saved> saved;
  for (const Tensor& x : inputs) saved.emplace_back(x);
  // The leaves inside f are not known here, so that something that requires a gradient stands for them.
  std::vector<Tensor> all = inputs;
  all.push_back(zeros({}, {.requires_grad = true}));
  Op("checkpoint").record_joint(std::span(&y, 1), all, [f, saved = std::move(saved), before](std::span<Tensor> dy, InputGradients dx) {
    if (dy[0].defined()) pull_again(f, saved, before, dy[0], dx);
  });
  return y;
}

}  // namespace gradus::autograd
