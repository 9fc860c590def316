// Tests how an edited config file and a run's own config combine.
#include "run/config_changes.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kiln {
namespace {

const Json kThen = {{"name", "a"}, {"train", {{"steps", 100}, {"batch_size", 4}}}, {"optimizer", {{"type", "adamw"}}}};
const Json kRun = {{"name", "a"},
                   {"train", {{"steps", 50}, {"epochs", nullptr}, {"batch_size", 8}, {"log_every", 10}}},
                   {"optimizer", {{"type", "adamw"}, {"beta1", 0.9}}}};

Json changed(const Json& now, const Json& run = kRun) {
  Json document = run;
  apply_changes(kThen, now, document);
  return document;
}

TEST(ConfigChanges, AFileThatIsTheSameChangesNothing) { EXPECT_EQ(changed(kThen), kRun); }

TEST(ConfigChanges, AChangedKeyWinsAndOthersStayAsTheRunHasThem) {
  Json now = kThen;
  now["train"]["batch_size"] = 16;
  now["train"]["log_every"] = 1;  // new in the file
  const Json document = changed(now);
  EXPECT_EQ(document["train"]["batch_size"], 16);
  EXPECT_EQ(document["train"]["log_every"], 1);
  EXPECT_EQ(document["train"]["steps"], 50);
  EXPECT_EQ(document["optimizer"], kRun["optimizer"]);
}

TEST(ConfigChanges, AKeyThatIsGoneGoesBackToItsDefault) {
  Json now = kThen;
  now.erase("optimizer");
  now["train"].erase("batch_size");
  const Json document = changed(now);
  EXPECT_FALSE(document["train"].contains("batch_size"));
  EXPECT_EQ(document["optimizer"], Json({{"beta1", 0.9}}));
}

TEST(ConfigChanges, ANewLengthTakesThePlaceOfTheRuns) {
  Json now = kThen, by_clock = kRun;
  by_clock["train"]["steps"] = nullptr;
  by_clock["train"]["time_budget"] = "10m";
  now["train"].erase("steps");
  now["train"]["epochs"] = 2;
  const Json document = changed(now, by_clock);
  EXPECT_EQ(document["train"]["epochs"], 2);
  EXPECT_TRUE(document["train"]["time_budget"].is_null());
}

TEST(ConfigChanges, WhatIsNoObjectIsLeftToTheReader) {
  Json document = kRun;
  apply_changes(kThen, Json::array(), document);
  EXPECT_EQ(document, kRun);
}

TEST(ConfigChanges, NamesTheKeysInWhichTheRunDiffers) {
  const Json file = {{"train", {{"steps", 100}, {"time_budget", nullptr}}}, {"optimizer", {{"beta1", 0.9}}}};
  const std::vector<Difference> differences = differing_keys(file, kRun);
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(to_string(differences[0]), "/train/steps: 100 -> 50");
  const Json minutes = {{"train", {{"time_budget", "10m"}}}}, seconds = {{"train", {{"time_budget", 600}}}};
  EXPECT_TRUE(differing_keys(minutes, seconds).empty());
}

}  // namespace
}  // namespace kiln
