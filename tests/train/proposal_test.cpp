// What is proposed follows from the text and the time, and is a config that trains.
#include "kiln/train/proposal.h"

#include "kiln/core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "support/scratch.h"
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace kiln {
namespace {

using testing::Scratch;

/// Lines that differ, in documents of ten lines with a separator's line between them where there is one.
std::string text_of(int lines, const std::string& separator = "") {
  std::string text;
  for (int i = 0; i < lines; ++i) {
    text += "line " + std::to_string(i * 7919 % 1000) + " of a text about nothing in particular\n";
    if (!separator.empty() && i % 10 == 9) text += separator + "\n";
  }
  return text;
}

TEST(Proposal, TakesTheCandidateFromWhichMostIsExpectedAndItsSizes) {
  const Scratch scratch;
  const Proposal proposal = propose({.data = {scratch.write("text.txt", text_of(4000))}, .seconds = 20});
  for (const Candidate& candidate : proposal.candidates) {
    EXPECT_GE(candidate.expected_bits, proposal.choice().expected_bits);
    EXPECT_GT(candidate.tokens_per_second, 0);
    EXPECT_NEAR(candidate.passes, candidate.tokens / proposal.text.tokens(candidate.vocabulary.bytes_per_token), 1e-9);
  }
  EXPECT_EQ(proposal.config.model.d_model, proposal.choice().model.d_model);
  EXPECT_EQ(proposal.config.model.n_layers, proposal.choice().model.n_layers);
  EXPECT_EQ(proposal.config.train.batch_size.count, proposal.choice().batch_size);
  EXPECT_EQ(proposal.config.model.n_ctx, proposal.choice().model.n_ctx);
  EXPECT_EQ(proposal.config.tokenizer.vocab_size, proposal.choice().vocabulary.size);
  EXPECT_EQ(proposal.config.train.time_budget->seconds, 20);
  EXPECT_LE(proposal.config.train.eval_every, proposal.choice().steps());
  EXPECT_GE(proposal.config.train.eval_every, 1);
}

TEST(Proposal, ProgressNeverFallsAndComesFarBeforeItsEnd) {
  const Scratch scratch;
  for (const double seconds : {10, 30}) {
    std::vector<double> shares;
    propose({.data = {scratch.write("text.txt", text_of(4000))}, .seconds = seconds},
            [&](double share) { shares.push_back(share); });
    ASSERT_GE(shares.size(), 4u);  // told of every step, of which at least two are timed with each of two vocabularies
    EXPECT_TRUE(std::ranges::is_sorted(shares));
    EXPECT_GE(shares.front(), 0);
    EXPECT_LT(shares.back(), 1);
  }
}

TEST(Proposal, FindsTheLineBetweenDocuments) {
  const Scratch scratch;
  const Proposal with = propose({.data = {scratch.write("with.txt", text_of(400, "<|endoftext|>"))}, .seconds = 10});
  EXPECT_EQ(with.config.data.document_separator, "<|endoftext|>");
  EXPECT_EQ(with.text.documents, 40u);
  const Proposal without = propose({.data = {scratch.write("without.txt", text_of(400))}, .seconds = 10});
  EXPECT_EQ(without.config.data.document_separator, std::nullopt);
  EXPECT_EQ(without.text.documents, 1u);
}

TEST(Proposal, ManyPassesOfManyParametersBringDropout) {
  const Scratch scratch;
  const std::string text = scratch.write("text.txt", text_of(400));
  const Proposal often = propose({.data = {text}, .seconds = 1800});
  const Candidate& choice = often.choice();
  EXPECT_NEAR(choice.pressure,
              choice.tokens * static_cast<double>(choice.parameters) /
                  std::pow(often.text.tokens(choice.vocabulary.bytes_per_token), 2),
              1e-6 * choice.pressure);
  EXPECT_EQ(often.config.model.dropout, 0.2);
  const std::string longer = scratch.write("longer.txt", text_of(100'000));
  EXPECT_EQ(propose({.data = {longer}, .seconds = 10}).config.model.dropout, 0.0);
}

TEST(Proposal, RefusesWhatNothingCanBeLearntFrom) {
  const Scratch scratch;
  const std::string text = scratch.write("text.txt", text_of(400)), short_text = scratch.write("short.txt", "a\n");
  testing::expect_error_with(ExitCode::usage, {"short.txt", "2 B of text", "10.00 kB"},
                             [&] { propose({.data = {short_text}, .seconds = 60}); });
  testing::expect_error_with(ExitCode::usage, {"1 s of training", "at least 10 s"},
                             [&] { propose({.data = {text}, .seconds = 1}); });
}

}  // namespace
}  // namespace kiln
