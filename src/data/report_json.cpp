// Writes shares with their intervals; figures that nothing was counted for are null.
#include "kiln/data/report_json.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <utility>

namespace kiln {
namespace {

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json json_of(const Share& share) {
  return {{"trials", share.trials},
          {"share", number_or_null(share.value)},
          {"confidence_interval", {number_or_null(share.low), number_or_null(share.high)}}};
}

Json json_of(const Agreement& agreement) {
  return {{"same", json_of(agreement.same)},
          {"decided", json_of(agreement.decided)},
          {"kappa", number_or_null(agreement.kappa)}};
}

}  // namespace

Json report_json(const JudgementCensus& census, const JudgementReport& report) {
  Json skipped = Json::array(), sources = Json::array(), between = Json::array(), within = Json::array();
  for (const auto& [reason, one] : census.skipped)
    skipped.push_back({{"reason", text_of(reason)}, {"records", one.count}, {"first", one.place}});
  for (const SourceRecord& source : report.sources) {
    sources.push_back({{"source", source.source},
                       {"wins", source.wins},
                       {"losses", source.losses},
                       {"ties", source.ties},
                       {"win_rate", json_of(source.win_rate)},
                       {"strength", source.strength},
                       {"confidence_interval", {number_or_null(source.low), number_or_null(source.high)}},
                       {"league", source.league}});
  }
  for (const auto& [raters, share] : report.raters)
    between.push_back({{"raters", {raters.first, raters.second}}, {"decided", json_of(share)}});
  for (const auto& [rater, share] : report.consistency)
    within.push_back({{"rater", rater}, {"decided", json_of(share)}});
  Json ceiling;
  if (report.ceiling) {
    ceiling = {{"from", report.is_ceiling_of_one_rater ? "within" : "between"},
               {"agreement", report.ceiling->agreement},
               {"low", report.ceiling->low},
               {"likely", report.ceiling->likely},
               {"high", report.ceiling->high},
               {"log_loss", report.ceiling->log_loss}};
  }
  return {{"counts",
           {{"prompts", census.prompts},
            {"without_judgement", census.without_judgement},
            {"answers", census.answers},
            {"edits", census.edits},
            {"judgements", census.judgements},
            {"pairs", census.pairs},
            {"ties", census.ties},
            {"skips", census.skips},
            {"undone", census.undone},
            {"raters", census.raters},
            {"left_out", std::move(skipped)}}},
          {"between_raters", json_of(report.between)},
          {"within_raters", json_of(report.within)},
          {"by_raters", std::move(between)},
          {"by_rater", std::move(within)},
          {"first_shown", json_of(report.first_shown)},
          {"ceiling", std::move(ceiling)},
          {"sources", std::move(sources)},
          {"added_half_wins", report.has_added_wins}};
}

Json own_report_json(const JudgementReport& report) { return {{"within_raters", json_of(report.within)}}; }

}  // namespace kiln
