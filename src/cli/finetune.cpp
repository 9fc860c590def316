// Explains what was measured, and the settings that follow from it.
#include "cli/finetune.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>

namespace kiln::cli {
namespace {

constexpr double kManyPasses = 6;  // above about this many passes a model memorises the data

std::string length_of(const Finetuning& f) {
  if (f.config.train.time_budget) return format_duration(f.config.train.time_budget->seconds);
  return fmt::format("{}, about {} on this machine", counted_about(f.passes, "pass"), format_duration(f.seconds()));
}

std::string amount_of(const Finetuning& f) {
  const std::string tokens = fmt::format("about {} tokens", grouped(f.tokens));
  return f.conversations > 0 ? counted(f.conversations, "conversation") + " of " + tokens : tokens;
}

std::string batch_of(const Finetuning& f) {
  const TrainConfig& train = f.config.train;
  std::string text =
      fmt::format("{} of {}", counted(train.batch_size.count, "window"), counted(f.config.model.n_ctx, "token"));
  if (train.gradient_accumulation > 1) text += fmt::format(", {} times", train.gradient_accumulation);
  return text;
}

std::string data_reasons(const Finetuning& f) {
  const DataConfig& data = f.config.data;
  if (f.conversations > 0) {
    return fmt::format(
        "- `objective.type` sft: the data are conversations: {} to train on, {} tokens; the model learns what the "
        "assistant says in them. {:.2g}% are held out, and the other commands take the checkpoint with the lowest loss "
        "on these.\n",
        format_count(f.conversations), grouped(f.tokens), 100 * data.validation_fraction);
  }
  std::string text =
      fmt::format("- `data`: about {} tokens to train on by the model's own tokenizer", grouped(f.tokens));
  if (data.document_separator) text += fmt::format(", documents separated by a line `{}`", *data.document_separator);
  if (data.validation_fraction == 0) return text + "; too few to hold any out.\n";
  return text + fmt::format(
                    "; the last {:.2g}% of the text are held out, and `kiln sample` and the other commands take the "
                    "checkpoint with the lowest loss on them.\n",
                    100 * data.validation_fraction);
}

std::string length_reasons(const Finetuning& f) {
  const TrainConfig& train = f.config.train;
  if (!train.time_budget) {
    return fmt::format(
        "- `train.epochs` {:g}: a few passes teach a style, and the model forgets little; {}, about {} on this "
        "machine ({} tokens/s). `--for 10m` sets a time instead.\n",
        f.passes, counted_about(f.steps, "step"), format_duration(f.seconds()), grouped(f.tokens_per_second));
  }
  std::string text = fmt::format(
      "- `train.time_budget`: at {} tokens/s about {} over the data in {}; the learning rate follows "
      "the clock and reaches zero when the time is up.",
      grouped(f.tokens_per_second), counted_about(f.passes, "pass"), counted_about(f.steps, "step"));
  if (f.passes > kManyPasses)
    text += " So many passes memorize the data: the best checkpoint may come long before the end.";
  return text + "\n";
}

}  // namespace

Finetuning choose_finetuning(const std::string& model, const DataConfig& data, const std::optional<std::string>& time) {
  FinetuningRequest request{.model = model, .data = data, .seconds = {}};
  if (time) {
    const std::optional<Duration> duration = parse_duration(*time);
    check(duration.has_value(), "--for {}: a duration such as {} is expected", *time, kDurationExamples);
    request.seconds = duration->seconds;
  }
  Work work("reading the data, timing this machine", 1, "");
  return propose_finetuning(request, [&](double share) { work.set_share(share); });
}

Json finetuning_json(const Finetuning& finetuning, const std::optional<std::string>& time) {
  Json config = brief_config(finetuning.config);
  config.erase("tokenizer");  // the model's own is used
  config.erase("model");
  if (finetuning.shortened_from) config["model"]["n_ctx"] = finetuning.config.model.n_ctx;
  if (time) config["train"]["time_budget"] = *time;
  return config;
}

std::string finetuning_summary(const Finetuning& f) {
  return fmt::format(
      "finetuning {} ({} parameters) on {} for {}: AdamW at {:g} after {} of warm-up, then linearly "
      "to 0; {} tokens a step; an evaluation every {}; --set changes any of it",
      *f.config.init_from, format_count(f.parameters), amount_of(f), length_of(f), f.config.optimizer.learning_rate,
      counted(f.config.schedule.warmup_steps, "step"), grouped(static_cast<double>(f.tokens_per_step)),
      counted(f.config.train.eval_every, "step"));
}

std::string finetuning_reasons(const Finetuning& f, const std::string& config) {
  const TrainConfig& train = f.config.train;
  std::string text = fmt::format(
      "# Why {} is as it is\n\n"
      "`kiln new` made this config to finetune {} on this machine.\n\n"
      "- `init_from`: {} parameters, with their architecture and tokenizer.\n",
      std::filesystem::path(config).filename().string(), *f.config.init_from, format_count(f.parameters));
  if (f.shortened_from) {
    text += fmt::format("- `model.n_ctx` {}: the text or the memory does not allow all {} positions of the model.\n",
                        f.config.model.n_ctx, *f.shortened_from);
  }
  text += data_reasons(f) + length_reasons(f);
  text += fmt::format(
      "- `optimizer`: AdamW at {:g} for a width of {}: a narrow model knows little and learns at rates near those of "
      "training from scratch; a wide model would forget what it knows (5e-3 at a width of 64, 2e-3 at 128, 1e-4 at "
      "768).\n"
      "- `schedule`: a warm-up of {}, in which AdamW estimates the scale of the gradients, then a linear decay "
      "to zero.\n",
      f.config.optimizer.learning_rate, f.config.model.d_model, counted(f.config.schedule.warmup_steps, "step"));
  text += fmt::format(
      "- `train.batch_size`: {} ({} tokens) a step, for about {}; {} of memory.\n"
      "- `train.eval_every` {}: about ten evaluations, each with a checkpoint; `keep_checkpoints` 0 keeps the best and "
      "the latest.\n",
      batch_of(f), grouped(static_cast<double>(f.tokens_per_step)), counted_about(f.steps, "step"),
      format_bytes(static_cast<double>(f.memory_bytes)), train.eval_every);
  return text;
}

}  // namespace kiln::cli
