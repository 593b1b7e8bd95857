#include "gradus/data/dataset.h"
#include "core/check.h"
#include "gradus/data/strips.h"
#include "gradus/ops/shape.h"

namespace gradus::data {

void detail::check_example(const char* dataset, int64_t i, int64_t size) {
  check<IndexError>(i >= 0 && i < size, "{}: example {} is out of range for {}", dataset, i, size);
}

TensorDataset::TensorDataset(std::vector<Tensor> tensors) : tensors_(std::move(tensors)) {
  check<ValueError>(!tensors_.empty(), "TensorDataset: no tensors");
  for (size_t k = 0; k < tensors_.size(); ++k) {
    check<ShapeError>(tensors_[k].dim() > 0, "TensorDataset: tensor {} is a scalar; dimension 0 counts the examples", k);
    check<ShapeError>(tensors_[k].size(0) == tensors_[0].size(0),
                      "TensorDataset: tensor {} of shape {} has {} examples, but tensor 0 has {}", k, tensors_[k].shape(),
                      tensors_[k].size(0), tensors_[0].size(0));
  }
}

std::vector<Tensor> TensorDataset::get(int64_t i) const {
  detail::check_example("TensorDataset", i, size());
  std::vector<Tensor> example;
  for (const Tensor& x : tensors_) example.push_back(x[i]);
  return example;
}

Tensor DefaultCollate::operator()(const std::vector<Tensor>& examples) const { return stack(examples); }

std::vector<Tensor> DefaultCollate::operator()(const std::vector<std::vector<Tensor>>& examples) const {
  check<ValueError>(!examples.empty(), "DataLoader: no examples");
  std::vector<Tensor> batch;
  for (size_t k = 0; k < examples[0].size(); ++k) {
    std::vector<Tensor> column;
    for (size_t i = 0; i < examples.size(); ++i) {
      check<ValueError>(examples[i].size() == examples[0].size(),
                        "DataLoader: example {} of the batch has {} tensors, but example 0 has {}", i, examples[i].size(),
                        examples[0].size());
      column.push_back(examples[i][k]);
    }
    batch.push_back(stack(column));
  }
  return batch;
}

StripBlock DefaultCollate::operator()(const std::vector<StripBlock>& blocks) const {
  check<ValueError>(blocks.size() == 1, "DataLoader: a batch of {} blocks of Strips, each of which is a batch; leave batch_size at 1",
                    blocks.size());
  return blocks[0];
}

}  // namespace gradus::data
