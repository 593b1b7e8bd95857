#include "nn/debugger.h"

#include "autograd/debugger.h"
#include "autograd/tensor_impl.h"
#include "gradus/creation.h"
#include "gradus/nn/layers.h"
#include "nn/encoder.h"
#include "nn/module_state.h"
#include "nn/nn_test.h"

using namespace nn_test;

namespace {

template <class T>
const T& at(const void* object, int64_t place) {
  return *reinterpret_cast<const T*>(static_cast<const char*>(object) + place);
}

}  // namespace

TEST_CASE("a debugger finds the parts of a tensor where the table says") {
  const gradus::TensorPlaces& places = gradus_tensor_places;
  const Tensor x = gradus::zeros({2, 3}).t().narrow(0, 1, 2);
  const void* impl = x.impl();
  CHECK(at<int64_t>(impl, places.rank) == 2);
  CHECK(at<int64_t>(impl, places.shape) == 2);
  CHECK(at<int64_t>(impl, places.strides) == 1);
  CHECK(at<int64_t>(impl, places.offset) == 1);
  CHECK(at<gradus::DType>(impl, places.dtype) == gradus::float32);
  CHECK(at<const char*>(impl, places.storage) + places.data_in_storage + sizeof(float) == reinterpret_cast<const char*>(x.data<float>()));
  CHECK(at<const void*>(impl, places.sink) == nullptr);
  CHECK(at<const void*>(gradus::ones(1, {.requires_grad = true}).impl(), places.sink) != nullptr);
  CHECK(at<const void*>((gradus::ones(1, {.requires_grad = true}) + 1).impl(), places.grad_fn) != nullptr);
}

TEST_CASE("a debugger finds the parts of a module where the table says") {
  const nn::ModulePlaces& places = gradus_module_places;
  const nn::Linear layer(2, 3);
  const void* state = at<const void*>(static_cast<const nn::Module*>(&layer), places.state);
  CHECK(at<std::string>(state, places.name) == "Linear");
  CHECK(at<std::string>(state, places.details) == "in_features=2, out_features=3, bias=True");
  CHECK(at<bool>(state, places.training));
  const char* pair = at<const char*>(state, places.parameters) + places.slot_pair_size;
  CHECK(at<std::string>(pair, 0) == "bias");
  CHECK(at<const void*>(at<const void*>(pair, places.slot_in_pair), places.tensor_in_slot) == layer.bias.impl());
  const Encoder encoder(10, 4, 3, 1);
  state = at<const void*>(static_cast<const nn::Module*>(&encoder), places.state);
  pair = at<const char*>(state, places.children) + places.child_pair_size;
  CHECK(at<std::string>(pair, 0) == "rnn");
  CHECK(at<std::string>(at<const void*>(pair + places.child_in_pair, places.state), places.name) == "GRU");
}
