// Writes shares with their intervals; figures that nothing was counted for are left out.
#include "cli/rank_report.h"

#include "kiln/core/format.h"

#include <fmt/format.h>

#include "cli/output.h"
#include <algorithm>
#include <cmath>

namespace kiln::cli {
namespace {

std::string percent(double share) { return fmt::format("{:.1f}%", 100 * share); }

std::vector<std::string> cells(std::string name, const Share& share) {
  return {std::move(name), format_count(std::llround(share.trials)), percent(share.value),
          fmt::format("{} to {}", percent(share.low), percent(share.high))};
}

std::string name_of_rater(const std::string& rater) { return rater.empty() ? "(no name)" : rater; }

std::string counts_text(const JudgementCensus& census) {
  std::string text = fmt::format("{} with {}: {}, {} and {}\n", counted(census.prompts, "prompt"),
                                 counted(census.answers, "answer"), counted(census.judgements, "judgement"),
                                 counted(census.pairs, "decided pair"), counted(census.ties, "tie"));
  if (census.without_judgement > 0)
    text += fmt::format("{} without a judgement\n", counted(census.without_judgement, "prompt"));
  if (census.edits > 0) text += fmt::format("{} written by raters\n", counted(census.edits, "answer"));
  if (census.skips + census.undone > 0)
    text += fmt::format("{} by raters, {} taken back or replaced\n", counted(census.skips, "skip"),
                        counted(census.undone, "judgement"));
  for (const auto& [reason, skipped] : census.skipped) {
    text += fmt::format("left out: {} {}, the first at {}\n", counted(skipped.count, "record"), text_of(reason),
                        printable(skipped.place));
  }
  return text;
}

void add_agreement(Table& table, const JudgementReport& report) {
  const bool is_any = report.between.same.trials + report.within.same.trials + report.first_shown.trials > 0;
  if (!is_any) return;
  table.heading("agreement of judgements of the same pair");
  table.row({"", "pairs", "share", "95% interval"});
  const auto add = [&](const std::string& name, const Share& share) {
    if (share.trials > 0) table.row(cells(name, share));
  };
  add("two raters, ties as a third choice", report.between.same);
  add("two raters, neither a tie", report.between.decided);
  if (report.raters.size() > 1) {
    for (const auto& [raters, share] : report.raters) add("  " + raters.first + " and " + raters.second, share);
  }
  add("a rater twice, ties as a third choice", report.within.same);
  add("a rater twice, neither a tie", report.within.decided);
  if (report.consistency.size() > 1) {
    for (const auto& [rater, share] : report.consistency) add("  " + rater, share);
  }
  add("the better answer was shown first", report.first_shown);
}

std::string ceiling_text(const JudgementReport& report) {
  if (!report.ceiling) return "";
  const NoiseCeiling& ceiling = *report.ceiling;
  const Share& decided = report.is_ceiling_of_one_rater ? report.within.decided : report.between.decided;
  const NoiseCeiling low = noise_ceiling(decided.low), high = noise_ceiling(decided.high);
  return fmt::format(
      "\na reward model that predicts {} can be right on {} of decided pairs ({} to {})\n"
      "  if differences in quality are normal; on at least {} and at most {} whatever they are\n"
      "  its best loss: {:.4f} nats\n",
      report.is_ceiling_of_one_rater ? "this rater" : "these raters", percent(ceiling.likely), percent(low.likely),
      percent(high.likely), percent(ceiling.low), percent(ceiling.high), ceiling.log_loss);
}

void add_sources(Table& table, const JudgementReport& report) {
  if (report.sources.empty()) return;
  table.heading("sources");
  table.row({"", "wins", "losses", "ties", "win rate", "95% interval", "strength", "95% interval"});
  std::size_t league = report.sources.front().league;
  for (const SourceRecord& source : report.sources) {
    if (source.league != league) table.row({"(not compared with those above)"});
    league = source.league;
    const Share& rate = source.win_rate;
    table.row({source.source, format_count(source.wins), format_count(source.losses), format_count(source.ties),
               percent(rate.value), fmt::format("{} to {}", percent(rate.low), percent(rate.high)),
               fmt::format("{:+.2f}", source.strength), fmt::format("{:+.2f} to {:+.2f}", source.low, source.high)});
  }
}

}  // namespace

std::string report_text(const JudgementCensus& census, const JudgementReport& report) {
  std::string text = counts_text(census);
  Table table;
  if (!census.raters.empty()) {
    table.heading("raters");
    table.row({"", "judgements"});
    for (const auto& [rater, count] : census.raters) table.row({name_of_rater(rater), format_count(count)});
  }
  add_agreement(table, report);
  const std::string figures = table.text();
  if (!figures.empty()) text += "\n" + figures;
  text += ceiling_text(report);
  Table sources;
  add_sources(sources, report);
  const std::string records = sources.text();
  if (!records.empty()) text += "\n" + records;
  if (!records.empty())
    text += "  strength: one source is better than another with probability 1 / (1 + exp(-difference))\n";
  if (report.has_added_wins)
    text += "  a source has won or lost all its pairs: half a win was added on each side of all that met\n";
  return text;
}

}  // namespace kiln::cli
