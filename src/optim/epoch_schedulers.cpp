#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "gradus/optim/scheduler.h"
#include "optim/schedule.h"

namespace gradus::optim {
namespace {

constexpr double kPi = std::numbers::pi;

std::vector<EpochFactor> checked(const char* op, const std::vector<EpochFactor>& lambdas) {
  for (size_t i = 0; i < lambdas.size(); ++i) check<ValueError>(static_cast<bool>(lambdas[i]), "{}: function {} is empty", op, i);
  return lambdas;
}

}  // namespace

StepLR::StepLR(Optimizer& optimizer, int64_t step_size, double gamma) : EpochScheduler(optimizer), step_size_(step_size), gamma_(gamma) {
  check_positive("StepLR", "step_size", step_size);
  check_finite("StepLR", "gamma", gamma);
  start();
}

double StepLR::lr_at(size_t group, int64_t epoch) const { return epoch == 0 || epoch % step_size_ != 0 ? lr(group) : lr(group) * gamma_; }

MultiStepLR::MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma)
    : EpochScheduler(optimizer), milestones_(std::move(milestones)), gamma_(gamma) {
  for (int64_t milestone : milestones_) check<ValueError>(milestone >= 0, "MultiStepLR: milestone {} must not be negative", milestone);
  check_finite("MultiStepLR", "gamma", gamma);
  start();
}

double MultiStepLR::factor(int64_t epoch) const {
  const auto times = std::count(milestones_.begin(), milestones_.end(), epoch);
  return times == 0 ? 1 : std::pow(gamma_, real(times));
}

double MultiStepLR::lr_at(size_t group, int64_t epoch) const { return lr(group) * factor(epoch); }
double MultiStepLR::first_lr(size_t group) const { return base_lr(group) * factor(0); }

ExponentialLR::ExponentialLR(Optimizer& optimizer, double gamma) : EpochScheduler(optimizer), gamma_(gamma) {
  check_finite("ExponentialLR", "gamma", gamma);
  start();
}

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, int64_t T_max, double eta_min)
    : EpochScheduler(optimizer), T_max_(T_max), eta_min_(eta_min) {
  check_positive("CosineAnnealingLR", "T_max", T_max);
  check_finite("CosineAnnealingLR", "eta_min", eta_min);
  start();
}

double CosineAnnealingLR::lr_at(size_t group, int64_t epoch) const {
  const double T = real(T_max_), now = real(epoch);
  if (epoch == 0) return lr(group);
  // From the minimum, where the factor below would be something by nothing.
  if ((epoch - 1) % T_max_ == 0 && (epoch - 1) / T_max_ % 2 == 1)
    return lr(group) + (base_lr(group) - eta_min_) * (1 - std::cos(kPi / T)) / 2;
  return (1 + std::cos(kPi * now / T)) / (1 + std::cos(kPi * (now - 1) / T)) * (lr(group) - eta_min_) + eta_min_;
}

double CosineAnnealingLR::first_lr(size_t group) const { return eta_min_ + (base_lr(group) - eta_min_) * (1 + std::cos(0.0)) / 2; }

CosineAnnealingWarmRestarts::CosineAnnealingWarmRestarts(Optimizer& optimizer, int64_t T_0, int64_t T_mult, double eta_min)
    : EpochScheduler(optimizer), T_0_(T_0), T_mult_(T_mult), eta_min_(eta_min) {
  check_positive("CosineAnnealingWarmRestarts", "T_0", T_0);
  check_positive("CosineAnnealingWarmRestarts", "T_mult", T_mult);
  check_finite("CosineAnnealingWarmRestarts", "eta_min", eta_min);
  start();
}

double CosineAnnealingWarmRestarts::lr_at(size_t group, int64_t epoch) const {
  int64_t length = T_0_, at = epoch;
  if (T_mult_ == 1) at %= length;
  else
    while (at >= length) {
      at -= length;
      if (__builtin_mul_overflow(length, T_mult_, &length)) length = std::numeric_limits<int64_t>::max();
    }
  return eta_min_ + (base_lr(group) - eta_min_) * (1 + std::cos(kPi * real(at) / real(length))) / 2;
}

LinearLR::LinearLR(Optimizer& optimizer, double start_factor, double end_factor, int64_t total_iters)
    : EpochScheduler(optimizer), start_factor_(start_factor), end_factor_(end_factor), total_iters_(total_iters) {
  check<ValueError>(start_factor > 0 && start_factor <= 1, "LinearLR: start_factor is {}; it must be in (0, 1]", start_factor);
  check<ValueError>(end_factor >= 0 && end_factor <= 1, "LinearLR: end_factor is {}; it must be in [0, 1]", end_factor);
  check_positive("LinearLR", "total_iters", total_iters);
  start();
}

double LinearLR::lr_at(size_t group, int64_t epoch) const {
  if (epoch == 0) return lr(group) * start_factor_;
  if (epoch > total_iters_) return lr(group);
  const double rise = end_factor_ - start_factor_;
  return lr(group) * (1 + rise / (real(total_iters_) * start_factor_ + real(epoch - 1) * rise));
}

ConstantLR::ConstantLR(Optimizer& optimizer, double factor, int64_t total_iters)
    : EpochScheduler(optimizer), factor_(factor), total_iters_(total_iters) {
  check<ValueError>(factor > 0 && factor <= 1, "ConstantLR: factor is {}; it must be in (0, 1]", factor);
  check_positive("ConstantLR", "total_iters", total_iters);
  start();
}

double ConstantLR::lr_at(size_t group, int64_t epoch) const {
  if (epoch == 0) return lr(group) * factor_;
  return epoch == total_iters_ ? lr(group) * (1 / factor_) : lr(group);
}

PolynomialLR::PolynomialLR(Optimizer& optimizer, int64_t total_iters, double power)
    : EpochScheduler(optimizer), total_iters_(total_iters), power_(power) {
  check_positive("PolynomialLR", "total_iters", total_iters);
  check<ValueError>(std::isfinite(power) && power >= 0, "PolynomialLR: power is {}; it must be finite and not negative", power);
  start();
}

double PolynomialLR::lr_at(size_t group, int64_t epoch) const {
  if (epoch == 0 || epoch > total_iters_) return lr(group);
  const double total = real(total_iters_);
  return lr(group) * std::pow((1 - real(epoch) / total) / (1 - real(epoch - 1) / total), power_);
}

LambdaLR::LambdaLR(Optimizer& optimizer, const EpochFactor& lr_lambda)
    : LambdaLR(optimizer, std::vector<EpochFactor>(optimizer.num_groups(), lr_lambda)) {}

LambdaLR::LambdaLR(Optimizer& optimizer, std::vector<EpochFactor> lr_lambdas)
    : EpochScheduler(optimizer), lambdas_(checked("LambdaLR", lr_lambdas)) {
  check_count("lr_lambdas", lambdas_.size());
  start();
}

MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, const EpochFactor& lr_lambda)
    : MultiplicativeLR(optimizer, std::vector<EpochFactor>(optimizer.num_groups(), lr_lambda)) {}

MultiplicativeLR::MultiplicativeLR(Optimizer& optimizer, std::vector<EpochFactor> lr_lambdas)
    : EpochScheduler(optimizer), lambdas_(checked("MultiplicativeLR", lr_lambdas)) {
  check_count("lr_lambdas", lambdas_.size());
  start();
}

NoamLR::NoamLR(Optimizer& optimizer, int64_t d_model, int64_t warmup)
    : EpochScheduler(optimizer), d_model_(real(d_model)), warmup_(real(warmup)) {
  check_positive("NoamLR", "d_model", d_model);
  check_positive("NoamLR", "warmup", warmup);
  start();
}

double NoamLR::lr_at(size_t group, int64_t epoch) const {
  const double n = real(epoch + 1);
  return base_lr(group) * std::pow(d_model_, -0.5) * std::min(std::pow(n, -0.5), n * std::pow(warmup_, -1.5));
}

}  // namespace gradus::optim
