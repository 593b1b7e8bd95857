#include "encoder_decoder.h"

#include <cmath>
#include <limits>
#include <utility>

#include "gradus/creation.h"
#include "gradus/error.h"
#include "gradus/ops/shape.h"

namespace recipe {
namespace {

using gradus::generate::BeamOptions;
using gradus::generate::Hypothesis;

/// (B, T), true where a source has ended.
Tensor padding(const Tensor& lengths, int64_t steps) { return gradus::arange(steps).unsqueeze(0).ge(lengths.unsqueeze(1)); }

nn::GRUOptions gru(const ModelOptions& o, bool bidirectional = false) {
  return {.num_layers = o.layers, .dropout = o.layers > 1 ? o.dropout : 0, .bidirectional = bidirectional};
}

void init_xavier(const nn::Module& model) {
  for (const auto& [name, parameter] : model.named_parameters())
    if (parameter.dim() > 1 && name.find("embedding") == std::string::npos) nn::init::xavier_uniform_(parameter);
}

}  // namespace

PlainModel::PlainModel(const ModelOptions& o)
    : source_embedding(register_module("source_embedding", nn::Embedding(o.source_vocab, o.embed))),
      target_embedding(register_module("target_embedding", nn::Embedding(o.target_vocab, o.embed))),
      encoder(register_module("encoder", nn::GRU(o.embed, o.hidden, gru(o)))),
      decoder(register_module("decoder", nn::GRU(o.embed + o.hidden, o.hidden, gru(o)))),
      dropout(register_module("dropout", nn::Dropout(o.dropout))),
      out(register_module("out", nn::Linear(o.hidden, o.target_vocab))) {
  init_xavier(*this);
}

PlainModel::State PlainModel::begin(const Tensor& source, const Tensor& lengths) const {
  const Tensor embedded = dropout(source_embedding(source)).permute({1, 0, 2});  // (T, B, E)
  const Tensor h = encoder(embedded, {}, lengths).h_n;
  return {h, h[-1]};
}

nn::RNNOutput PlainModel::decode(const Tensor& input, const State& state) const {
  const Tensor embedded = dropout(target_embedding(input));  // (S, B, E)
  const Tensor repeated = state.context.unsqueeze(0).expand({input.size(0), input.size(1), state.context.size(1)});
  return decoder(gradus::cat({embedded, repeated}, 2), state.h);
}

Tensor PlainModel::operator()(const Tensor& source, const Tensor& lengths, const Tensor& input) const {
  return out(dropout(decode(input.t(), begin(source, lengths)).output)).permute({1, 0, 2});
}

std::pair<Tensor, PlainModel::State> PlainModel::step(const Tensor& tokens, State state) const {
  const auto [output, h] = decode(tokens.unsqueeze(0), state);
  state.h = h;
  return {out(output.squeeze(0)), state};
}

AttentionModel::AttentionModel(const ModelOptions& o)
    : source_embedding(register_module("source_embedding", nn::Embedding(o.source_vocab, o.embed))),
      target_embedding(register_module("target_embedding", nn::Embedding(o.target_vocab, o.embed))),
      encoder(register_module("encoder", nn::GRU(o.embed, o.hidden / 2, gru(o, true)))),
      decoder(register_module("decoder", nn::GRU(o.embed + o.hidden, o.hidden, gru(o)))),
      bridge(register_module("bridge", nn::Linear(o.hidden, o.hidden))),
      keys(register_module("keys", nn::Linear(o.hidden, o.hidden, false))),
      combine(register_module("combine", nn::Linear(2 * o.hidden, o.hidden))),
      attention(register_module("attention", nn::DotProductAttention())),
      dropout(register_module("dropout", nn::Dropout(o.dropout))),
      out(register_module("out", nn::Linear(o.hidden, o.target_vocab))) {
  if (o.hidden % 2 != 0)
    throw gradus::ValueError("AttentionModel: hidden is " + std::to_string(o.hidden) +
                             "; its two directions halve it, so give an even number");
  init_xavier(*this);
}

AttentionModel::State AttentionModel::State::reorder(const Tensor& rows) const {
  return {h.index_select(1, rows), attended.index_select(0, rows), keys.index_select(0, rows), values.index_select(0, rows),
          lengths.index_select(0, rows)};
}

AttentionModel::State AttentionModel::begin(const Tensor& source, const Tensor& lengths) const {
  const int64_t B = source.size(0);
  const Tensor embedded = dropout(source_embedding(source)).permute({1, 0, 2});  // (T, B, E)
  const auto [output, h_n] = encoder(embedded, {}, lengths);                     // (T, B, H), (2 L, B, H / 2)
  const Tensor last = h_n.reshape({-1, 2, B, h_n.size(2)}).permute({0, 2, 1, 3}).reshape({-1, B, output.size(2)});  // (L, B, H)
  const Tensor values = output.permute({1, 0, 2});                                                                  // (B, T, H)
  return {bridge(last).tanh(), gradus::zeros({B, output.size(2)}), keys(values), values, lengths};
}

void AttentionModel::advance(const Tensor& embedded, State& state) const {
  const auto [output, h] = decoder(gradus::cat({embedded, state.attended}, 1).unsqueeze(0), state.h);  // (1, rows, H)
  const Tensor query = output.permute({1, 0, 2});                                                      // (rows, 1, H)
  const Tensor context = attention(query, state.keys, state.values, state.lengths).output;
  state.h = h;
  state.attended = dropout(combine(gradus::cat({context, query}, 2).squeeze(1)).tanh());
}

Tensor AttentionModel::operator()(const Tensor& source, const Tensor& lengths, const Tensor& input) const {
  const Tensor embedded = dropout(target_embedding(input));  // (B, S, E)
  State state = begin(source, lengths);
  std::vector<Tensor> attended;
  for (int64_t step = 0; step < input.size(1); ++step) {
    advance(embedded.select(1, step), state);
    attended.push_back(state.attended);
  }
  return out(gradus::stack(attended, 1));
}

std::pair<Tensor, AttentionModel::State> AttentionModel::step(const Tensor& tokens, State state) const {
  advance(dropout(target_embedding(tokens)), state);
  return {out(state.attended), state};
}

TransformerModel::TransformerModel(const ModelOptions& o)
    : source_embedding(register_module("source_embedding", nn::Embedding(o.source_vocab, o.hidden))),
      target_embedding(register_module("target_embedding", nn::Embedding(o.target_vocab, o.hidden))),
      position(register_module("position", nn::PositionalEncoding(o.hidden, {.dropout = o.dropout, .max_len = o.longest}))),
      transformer(register_module("transformer", nn::Transformer({.d_model = o.hidden,
                                                                  .nhead = o.heads,
                                                                  .num_encoder_layers = o.layers,
                                                                  .num_decoder_layers = o.layers,
                                                                  .dim_feedforward = 4 * o.hidden,
                                                                  .dropout = o.dropout,
                                                                  .norm_first = true}))),
      out(register_module("out", nn::Linear(o.hidden, o.target_vocab))) {
  // So that what embed() multiplies is as large as the waves of the positions.
  for (const nn::Embedding* embedding : {&source_embedding, &target_embedding})
    nn::init::normal_(embedding->weight, 0, 1 / std::sqrt(static_cast<double>(o.hidden)));
}

Tensor TransformerModel::embed(const nn::Embedding& embedding, const Tensor& tokens, int64_t start) const {
  const Tensor x = embedding(tokens);
  return position(x * std::sqrt(static_cast<double>(x.size(2))), start);
}

Tensor TransformerModel::operator()(const Tensor& source, const Tensor& lengths, const Tensor& input) const {
  const Tensor ended = padding(lengths, source.size(1));
  const Tensor y = transformer(embed(source_embedding, source.t()), embed(target_embedding, input.t()),
                               {.tgt_mask = nn::Transformer::generate_square_subsequent_mask(input.size(1)),
                                .src_key_padding_mask = ended,
                                .memory_key_padding_mask = ended});
  return out(y).permute({1, 0, 2});
}

TransformerModel::State TransformerModel::begin(const Tensor& source, const Tensor& lengths) const {
  const Tensor ended = padding(lengths, source.size(1));
  return transformer.decoder.begin(transformer.encoder(embed(source_embedding, source.t()), {}, ended), ended);
}

std::pair<Tensor, TransformerModel::State> TransformerModel::step(const Tensor& tokens, State state) const {
  const Tensor y = transformer.decoder.step(embed(target_embedding, tokens.unsqueeze(0), state.steps()), state);
  return {out(y.squeeze(0)), state};
}

namespace {

std::variant<PlainModel, AttentionModel, TransformerModel> make(const ModelOptions& o) {
  if (o.kind == "gru") return PlainModel(o);
  if (o.kind == "attention") return AttentionModel(o);
  if (o.kind == "transformer") return TransformerModel(o);
  throw gradus::ValueError("EncoderDecoder: \"" + o.kind + "\" is none of gru, attention and transformer");
}

}  // namespace

EncoderDecoder::EncoderDecoder(const ModelOptions& options) : options_(options), model_(make(options)) {}

nn::Module& EncoderDecoder::module() {
  return std::visit([](auto& model) -> nn::Module& { return model; }, model_);
}

const nn::Module& EncoderDecoder::module() const {
  return std::visit([](const auto& model) -> const nn::Module& { return model; }, model_);
}

Tensor EncoderDecoder::operator()(const Tensor& source, const Tensor& lengths, const Tensor& input) const {
  return std::visit([&](const auto& model) { return model(source, lengths, input); }, model_);
}

EncoderDecoder::State EncoderDecoder::State::reorder(const Tensor& rows) const {
  return std::visit([&](const auto& state) { return State{state.reorder(rows)}; }, of_kind);
}

EncoderDecoder::State EncoderDecoder::begin(const Tensor& source, const Tensor& lengths) const {
  return std::visit([&](const auto& model) { return State{model.begin(source, lengths)}; }, model_);
}

std::pair<Tensor, EncoderDecoder::State> EncoderDecoder::step(const Tensor& tokens, State state) const {
  return std::visit(
      [&]<class Model>(const Model& model) {
        auto [scores, next] = model.step(tokens, std::get<typename Model::State>(std::move(state.of_kind)));
        return std::pair(scores, State{std::move(next)});
      },
      model_);
}

Tensor attention_weights(const EncoderDecoder& model, const Tensor& source, const Tensor& lengths, const Tensor& input) {
  const gradus::NoGradGuard no_grad;
  const nn::AttentionRecorder seen(model.module());
  model(source, lengths, input);
  const std::string layer = model.options().kind == "attention"
                                ? "attention"
                                : "transformer.decoder.layers." + std::to_string(model.options().layers - 1) + ".multihead_attn";
  const Tensor weights = gradus::cat(seen.of(layer), -2);  // all steps at once or one by one: (B, S, T), or (B, heads, S, T)
  return weights.dim() == 4 ? weights.mean({1}) : weights;
}

std::vector<std::vector<Hypothesis>> beam_search(const Ensemble& models, const Tensor& source, const Tensor& lengths, int64_t bos,
                                                 const std::vector<int64_t>& never, const BeamOptions& options) {
  const gradus::NoGradGuard no_grad;
  std::vector<EncoderDecoder::State> start;
  for (const EncoderDecoder* model : models) start.push_back(model->begin(source, lengths));
  const auto step = [&](const Tensor& tokens, std::vector<EncoderDecoder::State> states) {
    std::vector<Tensor> each;  // (rows, V)
    for (size_t i = 0; i < models.size(); ++i) {
      auto [scores, next] = models[i]->step(tokens, std::move(states[i]));
      each.push_back(std::move(scores));
      states[i] = std::move(next);
    }
    const Tensor together = each.size() == 1 ? each[0] : gradus::stack(each).softmax(2).mean(0).log();
    for (const int64_t token : never) together.select(1, token).fill_(-std::numeric_limits<double>::infinity());
    return std::pair(together, std::move(states));
  };
  return gradus::generate::beam_search(step, gradus::full({source.size(0)}, bos), std::move(start), options);
}

}  // namespace recipe
