#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "gradus/autograd.h"
#include "gradus/export.h"
#include "gradus/tensor.h"

/// Sequences written token by token by a model that scores what comes next: greedy search, beam search and sampling. N sequences to write,
/// V tokens in the vocabulary.
///
/// The model is a *step function*, any callable of the last tokens and a state:
///
///     (tokens, state) -> (logits, state)       tokens (rows), int64; logits (rows, V), float32 or float64
///
/// It gives a pair, a tuple or a struct of two members. A row is a sequence that is being written; at the first call they are the N of
/// `start`. Afterwards rows go when their sequence has ended and, in beam search, multiply and change places, and the state follows: of a
/// Tensor, dimension 0 is the rows. Whatever else a state may be is said at Batched below. For a GRU:
///
///     const auto step = [&](const Tensor& tokens, const Tensor& h) {                  // tokens (rows), h (layers, rows, hidden)
///       auto [output, h_n] = gru(embedding(tokens).unsqueeze(0), h);
///       return std::pair(out(output.squeeze(0)), h_n);
///     };
///     const Tensor start = gradus::full({batch}, bos);
///     auto best = generate::greedy_search(step, start, generate::Batched<1>(h0), {.max_length = 50, .end = eos});
///     auto n_best = generate::beam_search(step, start, generate::Batched<1>(h0), {.num_beams = 5, .max_length = 50, .end = eos});
///
/// A prompt of several tokens goes through the model first: what it leaves is the state, and its last token the start. Nothing is recorded
/// for a backward pass; call eval() on the model first. Results have the same bits for every number of threads. Keep what a search gives in
/// a variable before you loop over a part of it: in C++20 the list in `for (auto& one : generate::beam_search(…)[0])` is gone before the
/// loop begins.
namespace gradus::generate {

/// What was written for one row.
struct Hypothesis {
  std::vector<int64_t> tokens;  ///< without the start and without the end token
  double log_probability = 0;   ///< the sum of the log-probabilities that the model gives its tokens, the end token among them
  double score = 0;    ///< log_probability divided as the length penalty says; for greedy_search and sample, by the number of its terms
  bool ended = false;  ///< the end token came; false: it was cut at max_length
};

/// How greedy_search goes.
struct GreedyOptions {
  int64_t max_length = 0;           ///< to be given: the most tokens of a hypothesis, the end token among them, so the number of steps
  int64_t min_length = 0;           ///< the end token is passed over until it is the min_length-th, or a later one
  std::optional<int64_t> end = {};  ///< the token that ends a hypothesis; absent: all have max_length tokens
};

/// How beam_search goes. With length_penalty a, length_offset b and a hypothesis of n tokens, the end token among them,
///
///     score = log_probability / ((b + n) / (b + 1))^a
///
/// b = 0 divides by n^a, as fairseq and Hugging Face's transformers; b = 5 by ((5 + n) / 6)^a, as Wu et al. 2016 and Vaswani et al. 2017,
/// whose a is 0.6. a = 0 leaves sums of log-probabilities, which are larger for shorter hypotheses; a > 0 is for longer ones.
struct BeamOptions {
  int64_t num_beams = 5;
  int64_t max_length = 0;  ///< as in GreedyOptions, and so are min_length and end
  int64_t min_length = 0;
  std::optional<int64_t> end = {};
  double length_penalty = 1;
  double length_offset = 0;
  int64_t num_return = 1;  ///< so many hypotheses for each row, at most num_beams
  /// When a row is done. true: once num_beams hypotheses have ended. false: once none that is still being written can come to a score above
  /// those of the best num_return that have ended. (Log-probabilities are at most 0, so a sum of log-probabilities only falls.) true takes
  /// far fewer steps where length_penalty is above 0 and max_length generous, and is what fairseq does.
  bool early_stopping = false;
};

/// How sample draws.
struct SampleOptions {
  int64_t max_length = 0;  ///< as in GreedyOptions, and so are min_length and end
  int64_t min_length = 0;
  std::optional<int64_t> end = {};
  double temperature = 1;             ///< the logits are divided by it: below 1 likely tokens become likelier
  int64_t top_k = 0;                  ///< only the k likeliest tokens are drawn from (Fan et al. 2018); 0: all
  double top_p = 1;                   ///< only the fewest likeliest tokens whose probabilities add up to p (Holtzman et al. 2020)
  std::optional<uint64_t> seed = {};  ///< of a generator for this call; absent: the one that manual_seed seeds
};

/// A state, or a part of one, whose rows are dimension Dim of a tensor: the hidden states of a GRU are a Batched<1>. It comes from a Tensor
/// and goes to one by itself, so that a step function may take and give tensors; the type of the first state says what is meant.
///
/// A state may be
/// - a Tensor, whose dimension 0 is the rows, or a Batched; one that is undefined stays so;
/// - a std::vector, std::array, std::pair, std::tuple or std::optional of states;
/// - a type T with a member `T reorder(const Tensor& rows) const`, or a function beside it, `T reorder(const T&, const Tensor& rows)`, that
///   gives the state whose row i is row rows[i] (int64) of the old one: nn::TransformerCache is one, and a struct of your own can be;
/// - a number, which is the same for all rows, or empty, as std::monostate.
template <int64_t Dim>
struct Batched {
  static constexpr int64_t dim = Dim;

  Batched() = default;
  Batched(Tensor t) : tensor(std::move(t)) {}
  operator const Tensor&() const noexcept { return tensor; }

  Tensor tensor;
};

/// What the templates below stand on: the searches themselves are compiled, over rows of numbers.
namespace detail {

/// Which of the `before` rows go on, and in what order. Undefined indices: all of them, as they are.
struct Rows {
  Tensor indices = {};
  int64_t before = 0;
};

/// One search over one batch.
class GRADUS_API Search {
 public:
  virtual ~Search();
  /// How many rows there are; 0 when the search is done.
  virtual int64_t rows() const = 0;
  /// The last token of each row.
  virtual Tensor tokens() const = 0;
  /// Goes a step on. Throws what the functions below say of logits.
  virtual Rows advance(const Tensor& logits) = 0;
  /// What was written, for each row of the start, best first.
  virtual std::vector<std::vector<Hypothesis>> hypotheses() const = 0;
};

GRADUS_API std::unique_ptr<Search> greedy(const Tensor& start, const GreedyOptions& options);
GRADUS_API std::unique_ptr<Search> beam(const Tensor& start, const BeamOptions& options);
GRADUS_API std::unique_ptr<Search> sampling(const Tensor& start, const SampleOptions& options);
/// x with those rows. Throws ShapeError unless its dimension dim has `before` rows.
GRADUS_API Tensor taken(const Tensor& x, int64_t dim, const Rows& rows);

template <class State>
inline constexpr bool is_batched = false;
template <int64_t Dim>
inline constexpr bool is_batched<Batched<Dim>> = true;
template <class State>
inline constexpr bool is_vector = false;
template <class State, class Allocator>
inline constexpr bool is_vector<std::vector<State, Allocator>> = true;
template <class State>
inline constexpr bool is_optional = false;
template <class State>
inline constexpr bool is_optional<std::optional<State>> = true;
template <class State>
concept TupleLike = requires {
  std::tuple_size<State>::value;
};
template <class State>
concept ReorderedByMember = requires(const State& state, const Tensor& rows) {
  { state.reorder(rows) } -> std::convertible_to<State>;
};
template <class State>
concept ReorderedByFunction = requires(const State& state, const Tensor& rows) {
  { reorder(state, rows) } -> std::convertible_to<State>;
};

template <class State>
void take(State& state, const Rows& rows) {
  if constexpr (std::same_as<State, Tensor>) {
    state = taken(state, 0, rows);
  } else if constexpr (is_batched<State>) {
    state.tensor = taken(state.tensor, State::dim, rows);
  } else if constexpr (ReorderedByMember<State>) {
    if (rows.indices.defined()) state = state.reorder(rows.indices);
  } else if constexpr (ReorderedByFunction<State>) {
    if (rows.indices.defined()) state = reorder(std::as_const(state), rows.indices);
  } else if constexpr (is_optional<State>) {
    if (state) take(*state, rows);
  } else if constexpr (is_vector<State>) {
    for (auto& part : state) take(part, rows);
  } else if constexpr (TupleLike<State>) {
    std::apply([&](auto&... parts) { (take(parts, rows), ...); }, state);
  } else {
    static_assert(std::is_empty_v<State> || std::is_arithmetic_v<State>,
                  "a state is a Tensor, a generate::Batched, a vector, array, pair, tuple or optional of states, or a type with "
                  "reorder(rows); see generate::Batched");
  }
}

template <class Step, class State>
std::vector<std::vector<Hypothesis>> run(Search& search, Step& step, State state) {
  const NoGradGuard no_grad;
  take(state, {.before = search.rows()});
  while (search.rows() > 0) {
    auto result = step(search.tokens(), std::move(state));
    auto& [logits, next] = result;
    state = static_cast<State>(std::move(next));
    const Rows rows = search.advance(logits);
    if (search.rows() > 0) take(state, rows);
  }
  return search.hypotheses();
}

template <class Step, class State>
std::vector<Hypothesis> run_single(Search& search, Step& step, State state) {
  std::vector<Hypothesis> found;
  for (auto& of_row : run(search, step, std::move(state))) found.push_back(std::move(of_row[0]));
  return found;
}

}  // namespace detail

/// The likeliest token at every step, the lowest one of those that are equally likely, until the end token comes or max_length tokens are
/// written: one hypothesis for each of `start`, (N) int64. A row that has ended is not computed further.
/// Throws ValueError for options that are out of range or contradict each other, and for logits with NaN or +infinity or without a token
/// to go on with; ShapeError or DTypeError for a start that is not (N), int64, for logits that are not (rows, V) floating-point numbers, V
/// being the same at all steps, and for a state that has not as many rows; IndexError for an end token that is not below V.
template <class Step, class State>
std::vector<Hypothesis> greedy_search(Step&& step, const Tensor& start, State state, const GreedyOptions& options) {
  return detail::run_single(*detail::greedy(start, options), step, std::move(state));
}

/// The num_return hypotheses with the best scores that a search by num_beams at once finds for each of `start`, (N) int64, best first;
/// fewer where there are no more.
///
/// At each step a row has up to num_beams hypotheses, beams. Each is continued by every token; candidates are ordered by the sum of their
/// log-probabilities, equal ones by the order of their beams, then by token. Those among the first num_beams that end are finished and are
/// ordered by score, equal ones by when they ended; the first num_beams of the others are the next beams. (fairseq and Hugging Face's
/// transformers do so.) At max_length, beams become hypotheses as they are. Log-probabilities are those of the model: what min_length
/// forbids is passed over, and the others are not scaled up. A token of probability 0 is never taken. One beam without length penalty is
/// greedy_search, and so many that none is dropped find the best of all sequences. Rows that are done are not computed further, and at the
/// first step a row is computed once, not num_beams times. Throws as greedy_search.
template <class Step, class State>
std::vector<std::vector<Hypothesis>> beam_search(Step&& step, const Tensor& start, State state, const BeamOptions& options) {
  return detail::run(*detail::beam(start, options), step, std::move(state));
}

/// Each next token drawn at random: one hypothesis for each of `start`, (N) int64. A token's probability is proportional to
/// exp(logit / temperature) among the tokens that top_k, then top_p (of the probabilities that top_k left) let through; of equally likely
/// ones the lower go first. The end token is left out before all that where min_length forbids it. Each step draws one number for each row
/// that goes on, in their order. log_probability is that of the model, without temperature, top_k and top_p. For several hypotheses of one
/// row repeat it in `start` and in the state. Throws as greedy_search.
template <class Step, class State>
std::vector<Hypothesis> sample(Step&& step, const Tensor& start, State state, const SampleOptions& options) {
  return detail::run_single(*detail::sampling(start, options), step, std::move(state));
}

}  // namespace gradus::generate
