// Writes the events of each tag.
#include "train/event_log.h"

#include "kiln/core/error.h"
#include "kiln/core/report.h"
#include "kiln/core/threads.h"

#include <fmt/format.h>

#include <utility>

namespace kiln {
namespace {

/// Adds a histogram of each tensor of a buffer, times `scale`, as "HEADING/NAME". Skips tensors without finite values.
void add_histograms(EventSummary& summary, std::string_view heading, const ParameterBuffer<float>& buffer,
                    float scale = 1) {
  const std::vector<Parameter>& parameters = buffer.layout().parameters();
  std::vector<Histogram> histograms(parameters.size());
  parallel_each(std::ssize(parameters), [&](Index i) {
    const Parameter& parameter = parameters[static_cast<std::size_t>(i)];
    const std::span<const float> values(buffer.data() + parameter.offset, static_cast<std::size_t>(parameter.size()));
    histograms[static_cast<std::size_t>(i)] = histogram_of(values, scale);
  });
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (histograms[i].count > 0) summary.histogram(fmt::format("{}/{}", heading, parameters[i].name), histograms[i]);
  }
}

}  // namespace

EventLog::EventLog(const TrainingParts& parts, const std::filesystem::path& directory) : p_(parts) {
  if (!p_.config.train.tensorboard) return;
  const auto resumed_step = p_.resumed_from ? std::optional(p_.state.step) : std::nullopt;
  try_to([&] { file_.emplace(directory, resumed_step); });
  if (file_ && p_.evaluator) update_ratio_.emplace(p_.weights->masters().layout());
}

void EventLog::before_evaluated_step() {
  if (!update_ratio_) return;
  update_ratio_->remember(p_.weights->masters());
  remembered_step_ = p_.state.step;
}

void EventLog::add_row(const MetricsRow& row) {
  EventSummary summary;
  for (const Metric& metric : kMetrics) {
    if (const std::optional<double>& value = row.*metric.value) summary.scalar(metric.tag, *value);
  }
  append(summary);
}

void EventLog::add_evaluation() {
  if (!file_) return;
  EventSummary summary;
  if (remembered_step_ == p_.state.step - 1) {
    for (const auto& [role, ratio] : update_ratio_->ratios(p_.weights->masters()))
      summary.scalar(fmt::format("update_to_weight/{}", role), ratio);
  }
  add_histograms(summary, "weights", p_.weights->masters());
  add_histograms(summary, "gradients", p_.train_step->gradients(), static_cast<float>(p_.train_step->gradient_scale()));
  append(summary);
}

void EventLog::add_sample(const std::string& text) {
  EventSummary summary;
  summary.text("sample", text);
  append(summary);
}

void EventLog::append(const EventSummary& summary) {
  if (file_) try_to([&] { file_->append(p_.state.step, summary); });
}

void EventLog::try_to(const std::function<void()>& write) {
  try {
    write();
    has_warned_ = false;
  } catch (const Error& error) {
    if (!std::exchange(has_warned_, true)) warn("{}; TensorBoard will miss it", error.what());
  }
}

}  // namespace kiln
