// Sequences that come and go, compared with each alone.
#include "kiln/infer/decoder.h"

#include "kiln/core/rng.h"
#include "kiln/core/threads.h"

#include <gmock/gmock.h>

#include "infer/cache_space.h"
#include "infer/models.h"
#include "support/error_parts.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>

namespace kiln {
namespace {

using testing::byte_tokens;
using ::testing::ElementsAre;
using testing::expect_error_with;
using testing::Parrot;
using testing::RandomModel;
using testing::tiny_config;

constexpr Index kContext = 96;

/// What a decoder says of one sequence.
struct Decoded {
  std::vector<TokenId> tokens;
  std::vector<double> log_probabilities;
  std::vector<DecodedToken> prompt;
  std::vector<std::vector<TokenProbability>> top;
  std::optional<DecodingEnd> end;

  DecodingEvents events() {
    return {.on_prompt_token = [this](const DecodedToken& token) { prompt.push_back(token); },
            .on_token =
                [this](const DecodedToken& token) {
                  tokens.push_back(token.token);
                  log_probabilities.push_back(token.log_probability);
                  top.push_back(token.top);
                  return true;
                },
            .on_end = [this](const DecodingEnd& how) { end = how; }};
  }
};

DecodingRequest request(std::string_view prompt, Index max_tokens, std::uint64_t stream = 0) {
  return {.prompt = byte_tokens(prompt),
          .max_tokens = max_tokens,
          .stream = stream,
          .log_probabilities = LogProbabilities::of_model};
}

/// Returns what one sequence draws that is alone in a new decoder.
Decoded alone(const ModelView& model, const DecodingRequest& wanted, DecoderOptions options = {}) {
  options.cache_positions = kContext;
  Decoder decoder(model, options);
  Decoded decoded;
  decoder.add(wanted, decoded.events());
  while (decoder.step()) {
  }
  return decoded;
}

class DecoderOfRandomModel : public ::testing::TestWithParam<PositionKind> {
 protected:
  RandomModel model{tiny_config(GetParam(), kContext)};
};
INSTANTIATE_TEST_SUITE_P(Decoder, DecoderOfRandomModel,
                         ::testing::Values(PositionKind::learned, PositionKind::rope, PositionKind::alibi));

TEST_P(DecoderOfRandomModel, LogProbabilitiesAreThoseOfOneForward) {
  for (const std::string_view prompt : {"a", "The quick brown fox", "0123456789012345678901234567890123456789"}) {
    const Decoded decoded = alone(model.view(), request(prompt, 20));
    ASSERT_EQ(decoded.tokens.size(), 20U);
    std::vector<TokenId> whole = byte_tokens(prompt);
    whole.insert(whole.end(), decoded.tokens.begin(), decoded.tokens.end());
    const Inspection inspection = inspect(model.view(), whole, 1);
    for (std::size_t i = 0; i < 20; ++i) {
      EXPECT_NEAR(decoded.log_probabilities[i], -inspection.predictions[prompt.size() - 1 + i].loss, 1e-4);
    }
    EXPECT_EQ(decoded.end->finish, Finish::length);
  }
}

TEST(Decoder, LogProbabilitiesMayBeThoseAtTheTemperature) {
  RandomModel model(tiny_config(PositionKind::learned, kContext));
  DecodingRequest wanted = request("The quick brown fox", 5);
  wanted.sampling.temperature = 3;
  wanted.log_probabilities = LogProbabilities::at_temperature;
  const Decoded decoded = alone(model.view(), wanted);
  std::vector<TokenId> whole = wanted.prompt;
  for (std::size_t i = 0; i < 5; ++i) {
    const Inspection inspection = inspect(model.view(), whole, 256);
    double sum = 0, drawn = 0;
    for (const TokenProbability& next : inspection.next) {
      const double weight = std::pow(next.probability, 1 / wanted.sampling.temperature);
      sum += weight;
      if (next.token == decoded.tokens[i]) drawn = weight;
    }
    EXPECT_NEAR(decoded.log_probabilities[i], std::log(drawn / sum), 1e-4);
    whole.push_back(decoded.tokens[i]);
  }
}

/// Requests whose prompts share beginnings, with different lengths, samplings and seeds.
std::vector<DecodingRequest> mixed_requests(Index count) {
  Rng rng(11, "mixed");
  std::vector<DecodingRequest> requests;
  const std::string text = "Once upon a time there was a little kiln that burned through the whole of a long night";
  for (Index i = 0; i < count; ++i) {
    std::string prompt = text.substr(0, 1 + rng.below(70));
    if (rng.below(2) == 0) prompt += static_cast<char>('A' + rng.below(26));
    DecodingRequest wanted = request(prompt, static_cast<Index>(rng.below(12)), static_cast<std::uint64_t>(i));
    wanted.sampling.temperature = rng.below(3) == 0 ? 0 : 0.8;
    wanted.sampling.frequency_penalty = rng.below(3) == 0 ? 0.5 : 0;
    wanted.scores_prompt = rng.below(6) == 0;
    wanted.top = wanted.scores_prompt ? 2 : 0;
    requests.push_back(std::move(wanted));
  }
  return requests;
}

/// Adds the requests at random steps, and removes every tenth before it ends.
std::vector<Decoded> decode_in_company(const ModelView& model, const std::vector<DecodingRequest>& requests,
                                       const DecoderOptions& options) {
  Decoder decoder(model, options);
  std::vector<Decoded> decoded(requests.size());
  std::map<std::size_t, Decoder::Id> to_remove;
  Rng rng(5, "company");
  for (std::size_t next = 0; next < requests.size() || decoder.running() + decoder.waiting() > 0;) {
    for (std::uint64_t n = rng.below(4); n > 0 && next < requests.size(); --n, ++next) {
      const Decoder::Id id = decoder.add(requests[next], decoded[next].events());
      if (next % 10 == 9) to_remove[next] = id;
    }
    decoder.step();
    std::erase_if(to_remove, [&](const auto& entry) {
      if (decoded[entry.first].tokens.size() < 2) return false;
      decoder.remove(entry.second);
      return true;
    });
    EXPECT_LE(decoder.running(), options.most_sequences);
  }
  return decoded;
}

TEST_P(DecoderOfRandomModel, SequencesDrawInCompanyWhatTheyDrawAlone) {
  const std::vector<DecodingRequest> requests = mixed_requests(60);
  for (const Index cache : {kContext, 5 * kContext}) {  // one sequence at a time, or some with a cache of earlier ones
    const DecoderOptions options{.cache_positions = cache, .most_sequences = 9, .most_rows = 64};
    const std::vector<Decoded> together = decode_in_company(model.view(), requests, options);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const Decoded single = alone(model.view(), requests[i]);
      const std::size_t count = together[i].tokens.size();
      if (i % 10 != 9) {
        EXPECT_EQ(count, single.tokens.size()) << i;
        ASSERT_TRUE(together[i].end) << i;
        EXPECT_EQ(together[i].end->finish, single.end->finish);
      }
      for (std::size_t t = 0; t < count; ++t) {
        EXPECT_EQ(together[i].tokens[t], single.tokens[t]) << i << " at " << t;
        EXPECT_NEAR(together[i].log_probabilities[t], single.log_probabilities[t], 1e-4);
      }
    }
  }
}

TEST_P(DecoderOfRandomModel, DeterministicallyDependsOnNothingElse) {
  const std::vector<DecodingRequest> requests = mixed_requests(40);
  std::vector<std::vector<Decoded>> runs;
  for (const auto& [cache, sequences, threads] : {std::tuple(kContext, 1, 1), {kContext * 6, 9, 2}, {200, 64, 1}}) {
    set_threads(threads);
    runs.push_back(decode_in_company(model.view(), requests,
                                     {.cache_positions = cache, .most_sequences = sequences, .deterministic = true}));
  }
  set_threads(1);
  for (const std::vector<Decoded>& run : runs) {
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (i % 10 == 9) continue;  // removed
      EXPECT_EQ(run[i].tokens, runs[0][i].tokens) << i;
      EXPECT_EQ(run[i].log_probabilities, runs[0][i].log_probabilities) << i << ": to the bit";
    }
  }
}

TEST_P(DecoderOfRandomModel, ScoresThePromptAsInspectDoes) {
  DecodingRequest wanted = request("The quick brown fox jumps over the lazy dog", 1);
  wanted.scores_prompt = true;
  wanted.top = 3;
  const Decoded decoded = alone(model.view(), wanted, {.most_sequences = 4, .most_rows = 16});
  const Inspection inspection = inspect(model.view(), wanted.prompt, 3);
  ASSERT_EQ(decoded.prompt.size(), wanted.prompt.size() - 1);
  for (std::size_t i = 0; i < decoded.prompt.size(); ++i) {
    EXPECT_EQ(decoded.prompt[i].token, wanted.prompt[i + 1]);
    EXPECT_NEAR(decoded.prompt[i].log_probability, -inspection.predictions[i].loss, 1e-4);
    ASSERT_EQ(decoded.prompt[i].top.size(), 3u);
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_EQ(decoded.prompt[i].top[k].token, inspection.predictions[i].top[k].token);
    }
  }
  EXPECT_EQ(decoded.top.at(0).at(0).token, inspection.next[0].token);
}

TEST(Decoder, ReadsOnlyWhatTheCacheLacks) {
  RandomModel model(tiny_config(PositionKind::rope, kContext));
  Decoder decoder(model.view(), {.cache_positions = 4 * kContext});
  const auto cached_of = [&](std::string_view prompt, Index max_tokens) {
    Decoded decoded;
    decoder.add(request(prompt, max_tokens), decoded.events());
    while (decoder.step()) {
    }
    return decoded.end->cached;
  };
  EXPECT_EQ(cached_of("a system text, and one question", 8), 0);
  EXPECT_EQ(cached_of("a system text, and one question", 8), 30) << "all but the last, whose logits are needed";
  EXPECT_EQ(cached_of("a system text, and another", 8), 19) << "a copy of what they share";
  EXPECT_EQ(cached_of("a system text, and one question more", 8), 31);
  EXPECT_EQ(decoder.counts().cached_tokens, 80u);
}

TEST(Decoder, SharesTheBeginningOfASequenceThatStillRuns) {
  RandomModel model(tiny_config(PositionKind::learned, kContext));
  Decoder decoder(model.view(), {.cache_positions = 3 * kContext});
  std::vector<Decoded> decoded(2);
  decoder.add(request("a long beginning that both of them have", 30), decoded[0].events());
  decoder.step();
  decoder.add(request("a long beginning that both of them share", 30, 1), decoded[1].events());
  while (decoder.step()) {
  }
  EXPECT_EQ(decoded[1].end->cached, 35);
  EXPECT_EQ(decoded[1].tokens, alone(model.view(), request("a long beginning that both of them share", 30, 1)).tokens);
}

TEST(Decoder, SequencesThatComeTogetherComputeTheirBeginningOnce) {
  RandomModel model(tiny_config(PositionKind::learned, kContext));
  Decoder decoder(model.view(), {.cache_positions = 10 * kContext});
  std::vector<Decoded> decoded(8);
  for (std::size_t i = 0; i < decoded.size(); ++i) {
    decoder.add(request("a long beginning that all of them have", 5, i), decoded[i].events());
  }
  while (decoder.step()) {
  }
  EXPECT_EQ(decoder.counts().prompt_tokens, 38u + 7) << "the prompt, and its last token for each of the others";
  for (std::size_t i = 0; i < decoded.size(); ++i) {
    EXPECT_EQ(decoded[i].tokens, alone(model.view(), request("a long beginning that all of them have", 5, i)).tokens);
  }
}

TEST(Decoder, ASequenceThatWaitsForABeginningLetsOthersPass) {
  RandomModel model(tiny_config(PositionKind::learned, kContext));
  Decoder decoder(model.view(), {.cache_positions = 10 * kContext});
  std::vector<Decoded> decoded(4);
  for (const std::size_t i : {0U, 1U}) {
    decoder.add(request("a long beginning that both of them have", 5, i), decoded[i].events());
  }
  for (const std::size_t i : {2U, 3U}) {
    decoder.add(request("another beginning of the two that follow", 5, i), decoded[i].events());
  }
  EXPECT_TRUE(decoder.step());
  EXPECT_EQ(decoder.running(), 2) << "the first of each prompt";
  EXPECT_TRUE(decoder.step());
  EXPECT_EQ(decoder.running(), 4);
}

TEST(Decoder, SequencesWaitForRoomInTheirOrder) {
  RandomModel model(tiny_config(PositionKind::learned, kContext));
  Decoder decoder(model.view(), {.cache_positions = kContext});
  std::vector<int> order;
  const auto add = [&](int number, Index max_tokens) {
    return decoder.add(request("abcd", max_tokens),
                       {.on_prompt_token = {}, .on_token = {}, .on_end = [&order, number](const DecodingEnd&) {
                          order.push_back(number);
                        }});
  };
  add(0, 60);
  const Decoder::Id second = add(1, 60);
  add(2, 60);
  add(3, 2);  // would fit beside the first, but waits for its turn
  EXPECT_TRUE(decoder.step());
  EXPECT_EQ(decoder.running(), 1);
  EXPECT_EQ(decoder.waiting(), 3);
  decoder.remove(second);
  while (decoder.step()) {
  }
  EXPECT_THAT(order, ElementsAre(0, 3, 2)) << "the last two ran together";
}

TEST(Decoder, ASequenceEndsAtAnEndTokenAtTheContextAndWhereItsOwnerSaysSo) {
  Parrot parrot(byte_tokens("xab!cd"), 257, 64);
  DecodingRequest wanted = request("xx", 50);
  wanted.sampling.greedy = true;
  wanted.end_tokens = {'!'};
  Decoded decoded = alone(parrot.view(), wanted);
  EXPECT_EQ(decoded.tokens, byte_tokens("ab"));
  EXPECT_EQ(decoded.end->finish, Finish::end);

  Decoder decoder(parrot.view(), {.cache_positions = 200});
  EXPECT_EQ(decoder.context(), 64);
  Decoded stopped;
  DecodingEvents events = stopped.events();
  events.on_token = [](const DecodedToken& token) { return token.token != 'b'; };
  decoder.add(wanted, std::move(events));
  while (decoder.step()) {
  }
  EXPECT_EQ(stopped.end->finish, Finish::stop);

  wanted.end_tokens = {};
  wanted.max_tokens = 1000;
  decoded = alone(parrot.view(), wanted);
  EXPECT_EQ(decoded.tokens.size(), 63u) << "the last one need not be fed";
  EXPECT_EQ(decoded.end->finish, Finish::length);
}

TEST(Decoder, ThePenaltiesCountWhatWasDrawnAlone) {
  RandomModel model(tiny_config(PositionKind::learned, kContext));
  DecodingRequest wanted = request("aaaabbbb", 40);
  wanted.sampling.greedy = true;
  wanted.sampling.presence_penalty = 1000;
  std::vector<TokenId> tokens = alone(model.view(), wanted).tokens;
  std::ranges::sort(tokens);
  EXPECT_EQ(std::ranges::adjacent_find(tokens), tokens.end()) << "no token twice";
  wanted.sampling.logit_bias = {{'a', 500.0f}};
  EXPECT_EQ(alone(model.view(), wanted).tokens.at(0), 'a') << "the prompt has it, but it was not drawn";
  wanted.sampling.presence_penalty = 0;
  wanted.sampling.logit_bias = {{'q', 1000.0f}};
  EXPECT_EQ(alone(model.view(), wanted).tokens, std::vector<TokenId>(40, 'q'));
}

TEST(Decoder, AnEventThatThrowsEndsItsSequenceAlone) {
  RandomModel model(tiny_config(PositionKind::learned, kContext));
  Decoder decoder(model.view(), {.cache_positions = 3 * kContext});
  Decoded other;
  decoder.add(request("abc", 5), {.on_prompt_token = {},
                                  .on_token = [](const DecodedToken&) -> bool { throw std::runtime_error("its own"); },
                                  .on_end = {}});
  decoder.add(request("abd", 5), other.events());
  EXPECT_THROW(decoder.step(), std::runtime_error);
  while (decoder.step()) {
  }
  EXPECT_EQ(other.tokens, alone(model.view(), request("abd", 5)).tokens);
}

TEST(Decoder, SaysThatAModelHasDiverged) {
  RandomModel model(tiny_config());
  model.weights.mat(model.model.layout.find("wte.weight"))(3, 3) = std::numeric_limits<float>::quiet_NaN();
  const Decoded decoded = alone(model.view(), request("a\3c", 5));
  ASSERT_TRUE(decoded.end);
  EXPECT_TRUE(decoded.end->diverged);
  EXPECT_TRUE(decoded.tokens.empty());
}

TEST(Decoder, RefusesWhatItCannotContinue) {
  RandomModel model(tiny_config(PositionKind::learned, 24));
  Decoder decoder(model.view(), {.cache_positions = 100, .candidates = 200});
  const auto refuses = [&](DecodingRequest wanted, std::initializer_list<std::string_view> parts) {
    expect_error_with(ExitCode::usage, parts, [&] { decoder.add(std::move(wanted), {}); });
  };
  refuses(request("", 1), {"no tokens"});
  refuses(request("1234567890123456789012345", 1), {"25 tokens", "24"});
  DecodingRequest wanted = request("a", 1);
  wanted.prompt = {500};
  refuses(wanted, {"500"});
  wanted = request("a", -1);
  refuses(wanted, {"max_tokens is -1"});
  wanted = request("a", 1);
  wanted.sampling.logit_bias = {{200, 1.0f}};
  refuses(wanted, {"200", "199"});
  expect_error_with(ExitCode::usage, {"at least 1"}, [&] { Decoder(model.view(), {.cache_positions = 0}); });
  EXPECT_FALSE(decoder.step());
}

/// Takes and releases extents at random, and compares with a table of who owns which slot.
TEST(CacheSpace, SequencesNeverShareASlotAndMatchesAreWhatTheySay) {
  Rng rng(3, "cache");
  CacheSpace space(20, 4);
  std::vector<CacheExtent*> in_use;
  for (int round = 0; round < 3000; ++round) {
    if (in_use.empty() || rng.below(3) > 0) {
      std::vector<TokenId> prompt(1 + rng.below(30));
      for (TokenId& token : prompt) token = static_cast<TokenId>(rng.below(8) == 0);
      const auto place = space.take(prompt, std::ssize(prompt) + static_cast<Index>(rng.below(20)), rng.below(8) > 0);
      if (!place) {
        EXPECT_FALSE(in_use.empty()) << "an empty cache has room";
        continue;
      }
      CacheExtent& extent = *place->extent;
      EXPECT_LT(extent.cached, std::ssize(prompt));
      EXPECT_LE(extent.first + extent.slots, 20);
      EXPECT_GE(4 * extent.slots, std::ssize(prompt));
      EXPECT_EQ(extent.tokens, prompt);
      for (const CacheExtent* other : in_use) {
        EXPECT_TRUE(extent.first + extent.slots <= other->first || other->first + other->slots <= extent.first);
      }
      extent.cached = std::ssize(prompt);
      in_use.push_back(&extent);
    } else {
      const std::size_t which = rng.below(in_use.size());
      space.release(*in_use[which]);
      in_use.erase(in_use.begin() + static_cast<std::ptrdiff_t>(which));
    }
  }
}

}  // namespace
}  // namespace kiln
