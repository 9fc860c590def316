// The plan of a step on a cluster, where its parts are known.
#include "kiln/train/cluster_plan.h"

#include <gtest/gtest.h>

#include "support/error_parts.h"
#include <string>

namespace kiln {
namespace {

using testing::expect_error_with;

constexpr RankCosts kCosts{
    .compute_seconds = 3, .micro_batches = 1, .optimizer_seconds = 0.4, .threads = 1e9, .memory_bandwidth = 1e15};

Config gpt() {
  Config config;
  config.model.n_layers = 12;
  config.model.d_model = 256;
  config.model.resolve();
  return config;
}

SharedStep plan(const Config& config, int ranks, const Network& network, const RankCosts& costs = kCosts) {
  const LanguageModel<float> model(config.model, 1000);
  return plan_shared_step(config, model.layout, ranks, network, costs);
}

double gradient_bytes(const Config& config) {
  return 4.0 * static_cast<double>(LanguageModel<float>(config.model, 1000).layout.extent());
}

TEST(ParseNetwork, ReadsRatesAndLatencies) {
  EXPECT_DOUBLE_EQ(parse_network("10Gbit/s,50us").bytes_per_second, 1.25e9);
  EXPECT_DOUBLE_EQ(parse_network("10Gbit/s,50us").latency_seconds, 50e-6);
  EXPECT_DOUBLE_EQ(parse_network("100Mbit/s,20ms").bytes_per_second, 12.5e6);
  EXPECT_DOUBLE_EQ(parse_network("1.5GB/s").bytes_per_second, 1.5e9);
  EXPECT_DOUBLE_EQ(parse_network("1.5GB/s").latency_seconds, 0);
  for (const std::string text : {"", "fast", "10", "10Gbit", "-1Gbit/s", "0Mbit/s", "10Gbit/s,", "10Gbit/s,5", "1,2,3"})
    expect_error_with(ExitCode::usage, {"as in 10Gbit/s,50us"}, [&] { parse_network(text); });
}

TEST(PlanSharedStep, OfOneRankIsItsComputing) {
  const SharedStep step = plan(gpt(), 1, {1e6, 1});
  EXPECT_NEAR(step.seconds, 3.4, 1e-9);
  EXPECT_EQ(step.communication_seconds, 0);
  EXPECT_EQ(step.bytes_sent, 0);
}

TEST(PlanSharedStep, SendsGradientsAndWeightsOnce) {
  for (const bool shard : {true, false}) {
    Config config = gpt();
    config.distributed.shard = shard;
    const SharedStep step = plan(config, 4, {1e9, 0});
    EXPECT_NEAR(step.bytes_sent / gradient_bytes(config), 2 * 0.75, 0.01);
    EXPECT_NEAR(step.communication_seconds, step.bytes_sent / 1e9, 1e-6);
  }
}

TEST(PlanSharedStep, OfAFastNetworkHidesAllButWhatIsNeededAtOnce) {
  const SharedStep step = plan(gpt(), 2, {1e9, 0});
  EXPECT_NEAR(step.compute_seconds, 3.2, 1e-9);  // half of the optimizer
  EXPECT_GT(step.waiting_seconds, 0);
  EXPECT_LT(step.waiting_seconds, step.communication_seconds / 3);
}

TEST(PlanSharedStep, OfASlowNetworkWaitsForMostOfIt) {
  const SharedStep step = plan(gpt(), 2, {1e6, 0});
  EXPECT_GT(step.seconds, step.communication_seconds);
  EXPECT_GT(step.waiting_seconds, 0.8 * step.communication_seconds);
}

TEST(PlanSharedStep, PaysForMessagesAndForTheCoreThatSends) {
  const SharedStep quick = plan(gpt(), 2, {1e9, 0}), late = plan(gpt(), 2, {1e9, 0.01});
  EXPECT_GT(late.seconds, quick.seconds + 0.01);
  RankCosts costs = kCosts;
  costs.threads = 2;
  EXPECT_GT(plan(gpt(), 2, {1e9, 0}, costs).seconds, quick.seconds);
}

TEST(PlanSharedStep, WithLocalStepsComesTogetherSeldom) {
  Config config = gpt();
  config.distributed.local_steps = 50;
  const SharedStep step = plan(config, 2, {1e8, 0});
  EXPECT_NEAR(step.bytes_sent / gradient_bytes(config), 2 * 0.5 / 50, 1e-3);
  EXPECT_NEAR(step.seconds, 3.4 + step.communication_seconds, 1e-9);
}

}  // namespace
}  // namespace kiln
