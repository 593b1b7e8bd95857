// The program of docs/tutorials/08_save_and_resume.md: a training that is interrupted, and weights that come from elsewhere.

// [start:includes]
#include <gradus/gradus.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace data = gradus::data;
namespace io = gradus::io;
namespace nn = gradus::nn;
namespace plot = gradus::plot;
namespace text = gradus::text;
using gradus::Tensor;
// [end:includes]

#include "region.h"

// [start:model]
struct NextWord : nn::Module {
  nn::Embedding embedding;
  nn::GRU rnn;
  nn::Dropout dropout;
  nn::Linear out;

  NextWord(int64_t vocab, int64_t embed, int64_t hidden)
      : embedding(register_module("embedding", nn::Embedding(vocab, embed))),
        rnn(register_module("rnn", nn::GRU(embed, hidden, {.batch_first = true}))),
        dropout(register_module("dropout", nn::Dropout(0.2))),
        out(register_module("out", nn::Linear(hidden, vocab))) {}

  Tensor operator()(const Tensor& tokens) const {                 // (B, T)
    return out(dropout(rnn(dropout(embedding(tokens))).output));  // (B, T, V)
  }
};
// [end:model]

// [start:training]
/// Everything that changes while training.
struct Training {
  NextWord model;
  gradus::optim::AdamW adam;
  gradus::optim::CosineAnnealingLR schedule;
  data::DataLoader<data::TensorDataset> loader;

  Training(const Tensor& tokens, int64_t vocab, int epochs)  // (N, T)
      : model(vocab, 32, 64),
        adam(model.parameters(), {.lr = 0.02}),
        schedule(adam, epochs * 41),
        loader(data::TensorDataset({tokens}), {.batch_size = 40, .shuffle = true, .seed = 0}) {
    model.to(gradus::float64);  // for the page, as in chapter 4
  }

  io::CheckpointParts parts() { return {{"model", model}, {"adam", adam}, {"schedule", schedule}, {"loader", loader}}; }

  double step(const Tensor& tokens) {               // (B, T): 1 is <pad>
    Tensor logits = model(tokens.slice(1, 0, -1));  // (B, T - 1, V)
    Tensor loss = gradus::cross_entropy(logits.flatten(0, 1), tokens.slice(1, 1).flatten(), {.ignore_index = 1});
    adam.zero_grad();
    loss.backward();
    nn::clip_grad_norm_(model.parameters(), 1.0);
    adam.step();
    schedule.step();
    return loss.item();
  }

  double epoch() {  // what is left of the epoch; the mean loss
    double sum = 0, steps = 0;
    for (const auto& batch : loader) sum += step(batch[0]), ++steps;
    return sum / steps;
  }
};
// [end:training]

// [start:same]
static bool same_bits(const nn::Module& a, const nn::Module& b) {
  const std::vector<Tensor> p = a.parameters(), q = b.parameters();
  for (size_t i = 0; i < p.size(); ++i)
    if (!gradus::equal(p[i], q[i])) return false;
  return true;
}
// [end:same]

// [start:proof]
/// Loads the weights, and says how far the outputs are from those that the other program had.
static double load_and_compare(const NextWord& model, const io::NamedTensors& file) {
  std::vector<std::pair<std::string, Tensor>> weights;
  const std::string part = "model.";
  for (const auto& [name, x] : file.tensors)
    if (name.starts_with(part)) weights.emplace_back(name.substr(part.size()), x);
  model.load_state_dict(weights);
  model.eval();  // no dropout
  gradus::NoGradGuard no_grad;
  return (model(file.at("input")) - file.at("output")).abs().max().item();
}
// [end:proof]

// [start:answer_2]
/// The weights with names of ours: `from` at the beginning of a name becomes `to`.
static std::vector<std::pair<std::string, Tensor>> renamed(const io::NamedTensors& file, const std::string& from, const std::string& to) {
  std::vector<std::pair<std::string, Tensor>> weights;
  for (const auto& [name, x] : file.tensors) weights.emplace_back(name.starts_with(from) ? to + name.substr(from.size()) : name, x);
  return weights;
}
// [end:answer_2]

int main() {
  const std::filesystem::path here = std::filesystem::current_path();
  std::filesystem::current_path(std::filesystem::path(GRADUS_PHRASEBOOK).parent_path());
  region("data");
  // [start:data]
  std::vector<std::vector<std::string>> sentences;
  for (const text::Pair& pair : text::read_pairs("phrasebook.tsv")) {
    sentences.push_back(text::tokenize(text::preprocess(pair.source)));
    sentences.back().insert(sentences.back().begin(), "<bos>");
  }
  const text::Vocab vocab(sentences, {.reserved_tokens = {"<pad>", "<bos>"}});
  std::vector<Tensor> rows;
  for (const auto& sentence : sentences)
    rows.push_back(gradus::from_vector(vocab.to_indices(sentence), static_cast<int64_t>(sentence.size())));
  const Tensor tokens = data::pad_sequence(rows, true, 1);  // (N, T)
  std::cout << tokens.shape() << ", " << vocab.size() << " words\n" << tokens.slice(0, 0, 2) << "\n";
  // [end:data]
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "gradus_tutorial_08";
  std::filesystem::create_directories(folder);
  std::filesystem::current_path(folder);

  region("whole");
  // [start:whole]
  const int epochs = 8;
  gradus::manual_seed(0);
  Training whole(tokens, vocab.size(), epochs);
  std::vector<double> losses;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    losses.push_back(whole.epoch());
    if (epoch == 4) io::save_checkpoint("half.safetensors", whole.parts(), {{"epoch", epoch}});
  }
  std::printf("after 4 epochs %.3f, after 8 epochs %.3f\n", losses[3], losses[7]);
  // [end:whole]

  region("weights");
  // [start:weights]
  gradus::manual_seed(1);  // another process
  Training only_weights(tokens, vocab.size(), epochs);
  io::load_checkpoint("half.safetensors", {{"model", only_weights.model}}, false);
  std::vector<double> with_weights;
  for (int epoch = 5; epoch <= epochs; ++epoch) with_weights.push_back(only_weights.epoch());
  std::printf("weights alone: %.3f, then %.3f\n", with_weights[0], with_weights[3]);
  // [end:weights]

  region("resumed");
  // [start:resumed]
  gradus::manual_seed(1);
  Training resumed(tokens, vocab.size(), epochs);
  const io::StateValues values = io::load_checkpoint("half.safetensors", resumed.parts());
  std::vector<double> with_all;
  for (int epoch = values.get<int>("epoch") + 1; epoch <= epochs; ++epoch) with_all.push_back(resumed.epoch());
  std::printf("everything: %.3f, then %.3f; the same bits: %s\n", with_all[0], with_all[3],
              same_bits(resumed.model, whole.model) ? "yes" : "no");
  // [end:resumed]

  std::filesystem::current_path(here);  // the picture goes where the program was started
  region("picture");
  // [start:picture]
  const std::vector<double> first = {1, 2, 3, 4, 5, 6, 7, 8}, second = {5, 6, 7, 8};
  plot::Figure({.x_label = "epoch", .y_label = "nats a word"})
      .line(first, losses, "without interruption")
      .line(second, with_weights, "weights alone")
      .scatter(second, with_all, {.label = "everything"})
      .save("resumed.svg");
  // [end:picture]
  std::filesystem::current_path(folder);

  region("names");
  // [start:names]
  for (const auto& [name, parameter] : whole.model.named_parameters()) std::cout << name << " " << parameter.shape() << "\n";
  // [end:names]

  // [start:stand_in]
  {  // what the Python program writes
    const NextWord theirs(vocab.size(), 32, 64);
    theirs.eval();
    const gradus::NoGradGuard no_grad;
    io::NamedTensors file;
    for (const auto& [name, x] : theirs.state_dict()) file.tensors.emplace_back("model." + name, x);
    file.tensors.emplace_back("input", tokens.slice(0, 0, 4));
    file.tensors.emplace_back("output", theirs(tokens.slice(0, 0, 4)));
    io::save_safetensors("proof.safetensors", file.tensors);
  }
  // [end:stand_in]

  region("proof");
  // [start:prove]
  const NextWord mine(vocab.size(), 32, 64);
  const double difference = load_and_compare(mine, io::load_safetensors("proof.safetensors"));
  std::cout << (difference < 1e-5 ? "the same outputs\n" : "something is different\n");
  // [end:prove]

  region("misfit");
  // [start:misfit]
  const NextWord narrow(vocab.size(), 32, 48);
  try {
    load_and_compare(narrow, io::load_safetensors("proof.safetensors"));
  } catch (const gradus::ValueError& error) {
    std::cout << error.what() << "\n";
  }
  // [end:misfit]

  region("answer_1");
  // [start:run_1]
  gradus::manual_seed(0);
  Training killed(tokens, vocab.size(), epochs);
  int64_t done = 0;
  for (const auto& batch : killed.loader) {
    killed.step(batch[0]);
    if (++done == 10) {
      io::save_checkpoint("ten.safetensors", killed.parts());
      break;  // as if the process had been killed
    }
  }
  Training revived(tokens, vocab.size(), epochs);
  io::load_checkpoint("ten.safetensors", revived.parts());
  for (const auto& batch : revived.loader) revived.step(batch[0]), ++done;
  for (int epoch = 2; epoch <= epochs; ++epoch) revived.epoch();
  std::printf("%d steps in the first epoch, the same bits at the end: %s\n", static_cast<int>(done),
              same_bits(revived.model, whole.model) ? "yes" : "no");
  // [end:run_1]

  // [start:old]
  {  // a file of the other names
    std::vector<std::pair<std::string, Tensor>> old;
    for (const auto& [name, x] : mine.state_dict()) old.emplace_back(name.starts_with("rnn.") ? "gru." + name.substr(4) : name, x);
    io::save_safetensors("old.safetensors", old);
  }
  // [end:old]

  region("answer_2");
  // [start:run_2]
  const NextWord other(vocab.size(), 32, 64);
  other.load_state_dict(renamed(io::load_safetensors("old.safetensors"), "gru.", "rnn."));
  std::cout << "loaded: " << (same_bits(other, mine) ? "yes" : "no") << "\n";
  // [end:run_2]

  region("answer_3");
  // [start:run_3]
  const NextWord started(vocab.size(), 32, 64);
  std::vector<std::pair<std::string, Tensor>> table;
  for (const auto& [name, x] : io::load_safetensors("proof.safetensors").tensors)
    if (name == "model.embedding.weight") table.emplace_back("embedding.weight", x);
  started.load_state_dict(table, false);           // not strict: the rest stays as it is
  started.embedding.weight.requires_grad_(false);  // and is not trained
  int64_t trained = 0, all = 0;
  for (const Tensor& p : started.parameters()) all += p.numel(), trained += p.requires_grad() ? p.numel() : 0;
  std::printf("%d of %d numbers are trained\n", static_cast<int>(trained), static_cast<int>(all));
  // [end:run_3]
  std::filesystem::current_path(here);
  std::filesystem::remove_all(folder);
}
