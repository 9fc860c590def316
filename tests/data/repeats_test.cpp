// Copies of text are told of, whether they are trained on twice or held out in vain.
#include "kiln/data/repeats.h"

#include <gmock/gmock.h>

#include "data/small_data.h"
#include "support/scratch.h"

namespace kiln {
namespace {

using ::kiln::testing::config_of;
using ::kiln::testing::Scratch;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Repeats, TextThatIsDifferentIsNotWarnedOf) {
  Scratch scratch;
  DataConfig config = config_of({scratch.write("a.txt", "one"), scratch.write("b.txt", "two")});
  config.validation = {scratch.write("v.txt", "three")};
  EXPECT_THAT(find_repeats(Corpus(config)), IsEmpty());
  EXPECT_THAT(find_repeats(Corpus(config_of({scratch.write("c.txt", "one two three")}, 0.5))), IsEmpty());
}

TEST(Repeats, CopiesAmongTheTrainingTextAreNamed) {
  Scratch scratch;
  const std::string a = scratch.write("a.txt", "once upon"), b = scratch.write("b.txt", "once upon");
  EXPECT_THAT(find_repeats(Corpus(config_of({a, b, scratch.write("c.txt", "a time")}))),
              ElementsAre("training sees some text more often than the rest: 1 of 3 documents (9 B), such as " + b +
                          ", which repeats " + a + ", word for word"));
}

TEST(Repeats, HeldOutTextThatIsTrainedOnIsNamed) {
  Scratch scratch;
  DataConfig config = config_of({scratch.write("a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n")});
  config.validation = {scratch.write("v.txt", "two")};
  EXPECT_THAT(find_repeats(Corpus(config)),
              ElementsAre("the validation loss says little about other text, because training sees some of the "
                          "held-out text too: 1 of 1 document "
                          "(3 B), such as " +
                          config.validation[0] + ", which repeats " + config.train[0] + ":2, word for word"));
}

/// Of two equal files the tail's cut holds out a part of the second.
TEST(Repeats, ADocumentThatTheCutSplitsCountsWhole) {
  Scratch scratch;
  const std::string a = scratch.write("a.txt", "0123456789"), b = scratch.write("b.txt", "0123456789");
  EXPECT_THAT(find_repeats(Corpus(config_of({a, b}, 0.1))),
              ElementsAre("training sees some text more often than the rest: 1 of 2 documents (10 B), such as " + b +
                              ", which repeats " + a + ", word for word",
                          "the validation loss says little about other text, because training sees some of the "
                          "held-out text too: 1 of 1 "
                          "document (10 B), such as " +
                              b + ", which repeats " + a + ", word for word"));
}

TEST(Repeats, ConversationsAreComparedByTheirMessages) {
  Scratch scratch;
  const auto chat = [](const std::string& question, const std::string& answer) {
    return R"({"messages": [{"role": "user", "content": ")" + question + R"("}, {"role": "assistant", "content": ")" +
           answer + "\"}]}\n";
  };
  const std::string file = scratch.write("a.jsonl", chat("one?", "1") + chat("two?", "2") + chat("one?", "1"));
  DataConfig config = config_of({file});
  config.validation = {scratch.write("v.jsonl", chat("two?", "2") + chat("two?", "3"))};
  EXPECT_THAT(find_repeats(read_conversations(config, {})),
              ElementsAre("training sees some text more often than the rest: 1 of 3 conversations (5 B), such as " +
                              file + ":3, which repeats " + file + ":1, word for word",
                          "the validation loss says little about other text, because training sees some of the "
                          "held-out text too: 1 of 2 conversations (5 B), such as " +
                              config.validation[0] + ":1, which repeats " + file + ":2, word for word"));
}

TEST(Repeats, AFewShortOnesAreNoNews) {
  Scratch scratch;
  const std::string long_one = "{\"text\": \"" + std::string(1000, 'a') + "\"}\n", short_one = "{\"text\": \"yes\"}\n";
  EXPECT_THAT(find_repeats(Corpus(config_of({scratch.write("a.jsonl", short_one + long_one + short_one)}))), IsEmpty());
}

}  // namespace
}  // namespace kiln
