#include "training.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numbers>
#include <set>
#include <sstream>
#include <utility>

#include "gradus/creation.h"
#include "gradus/error.h"
#include "ranks.h"

namespace recipe {
namespace {

volatile std::sig_atomic_t caught = 0;
int known = 0;  // to all ranks

}  // namespace

Interruptible::Interruptible() {
  for (size_t i = 0; i < std::size(signals_); ++i) {
    struct sigaction ask {};
    ask.sa_handler = [](int signal) { caught = signal; };
    ask.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
    sigaction(signals_[i], &ask, &before_[i]);
    if (signals_[i] == SIGHUP && before_[i].sa_handler == SIG_IGN) sigaction(SIGHUP, &before_[i], nullptr);  // under nohup
  }
}

Interruptible::~Interruptible() {
  for (size_t i = 0; i < std::size(signals_); ++i) sigaction(signals_[i], &before_[i], nullptr);
}

int Interruptible::signal() noexcept { return Ranks::all().size() == 1 ? static_cast<int>(caught) : known; }

int Interruptible::asked() {
  known = static_cast<int>(Ranks::all().largest(caught));
  return known;
}

double warmup_cosine(int64_t step, int64_t warmup, int64_t steps, double last) {
  if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double share = static_cast<double>(step - warmup) / static_cast<double>(std::max<int64_t>(steps - warmup, 1));
  return last + (1 - last) * 0.5 * (1 + std::cos(std::numbers::pi * std::min(share, 1.0)));
}

int64_t count_parameters(const gradus::nn::Module& model) {
  int64_t count = 0;
  for (const gradus::Tensor& parameter : model.parameters()) count += parameter.numel();
  return count;
}

void note_unknown(const gradus::text::Vocab& vocab, const std::vector<std::string>& tokens) {
  std::string unknown;
  std::set<std::string> seen;
  for (const std::string& token : tokens)
    if (!vocab.contains(token) && seen.insert(token).second) unknown += (unknown.empty() ? "" : " ") + token;
  if (!unknown.empty()) std::fprintf(stderr, "not in the training data: %s\n", unknown.c_str());
}

void JoinedRows::take(const gradus::Tensor& part, int64_t begin, int64_t end) {
  if (end - begin == shape_[1]) {
    own_ = part.detach();
    return;
  }
  if (!own_.defined()) own_ = gradus::zeros(shape_);
  own_.slice(1, begin, end).copy_(part.detach());
}

gradus::Tensor JoinedRows::give() {
  const gradus::Tensor own = std::exchange(own_, {});
  return Ranks::all().sum(own.defined() ? own : gradus::zeros(shape_));
}

void Counts::end_epoch() {
  before_ = loss.compute();
  loss.reset();
  ++epochs;
}

gradus::io::StateValues Counts::state_dict() const {
  return {{"steps", steps}, {"epochs", epochs}, {"loss.sum", loss.sum()}, {"loss.weight", loss.weight()}, {"before", before_}};
}

void Counts::load_state_dict(const gradus::io::StateValues& state) {
  Counts read;
  read.steps = state.get<int64_t>("steps"), read.epochs = state.get<int64_t>("epochs"), read.before_ = state.get<double>("before");
  read.loss.load_state_dict({{"sum", state.get<double>("loss.sum")}, {"weight", state.get<double>("loss.weight")}});
  *this = read;
}

Checkpoints::Checkpoints(const Program& program, const Common& common, gradus::io::CheckpointParts parts)
    : every_(common.checkpoint_every), settings_{common.settings}, parts_(std::move(parts)) {
  if (common.checkpoint.empty()) return;
  parts_.emplace_back("settings", settings_);
  const std::string name = std::string(program.name) + ": ";
  manager_.emplace(common.checkpoint);
  if (::access(common.checkpoint.c_str(), W_OK | X_OK) != 0)
    throw gradus::IoError(name + "--checkpoint " + common.checkpoint + " cannot be written: " + std::strerror(errno));
  if (!common.resume && manager_->latest())
    throw gradus::ValueError(name + common.checkpoint +
                             " has the checkpoints of another training; go on with it by --resume, or give another folder");
  if (!common.resume) return;
  // The first keeps the folder for itself, and writes only when all have read.
  const auto found = Ranks::all().is_first() ? manager_->resume(parts_) : manager_->latest();
  if (found && !Ranks::all().is_first()) gradus::io::load_checkpoint(found->path, parts_);
  Ranks::all().meet();
  if (found) std::fprintf(stderr, "going on from %s\n", found->path.c_str());
  else std::fprintf(stderr, "no checkpoint in %s yet; beginning\n", common.checkpoint.c_str());
  if (found) settings_.say_differences();
  saved_ = found ? found->step : 0;
}

void Checkpoints::Settings::say_differences() const {
  std::istringstream olds(before), news(now);
  for (std::string was, is; std::getline(olds, was) && std::getline(news, is);)
    if (was != is) std::fprintf(stderr, "the checkpoint's training had %s, and this one has %s\n", was.c_str(), is.c_str());
}

void Checkpoints::after_step(int64_t step) {
  if (every_ > 0 && step % every_ == 0) save(step);
}

void Checkpoints::after_epoch(int64_t step) {
  if (every_ == 0) save(step);
}

void Checkpoints::save(int64_t step) {
  if (manager_ && step > 0 && step != saved_ && Ranks::all().is_first()) manager_->save(step, parts_);
  saved_ = step;
}

}  // namespace recipe
