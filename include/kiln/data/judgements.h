// Judged answers: prompts, answers to each, and how people rank them. Reads them from files, in the shapes that data
// sets have.
#pragma once

#include "kiln/text/chat_template.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// One assistant message that answers a prompt.
struct JudgedAnswer {
  std::string text;
  std::string source = {};     // the model that wrote it; "" if unknown
  bool is_edit = false;        // a rater wrote it instead of the answers shown ("I would have said ...")
  std::int64_t thumbs_up = 0;  // how often it was judged by itself as good or bad, without another answer
  std::int64_t thumbs_down = 0;
};

/// One rater's order of a prompt's answers, named by their places in JudgedPrompt::answers. No answer stands twice.
struct Judgement {
  std::vector<std::vector<std::size_t>> order;  // best to worst; those of one group tie
  std::vector<std::size_t> rest = {};           // worse than all of `order`, but not compared with each other
  std::string rater = {};                       // "" if the file does not say
  std::optional<double> margin = std::nullopt;  // of a pair: how much better, if the file says
  double probability = 1;                       // of a pair: that the first is the better one, from 0.5 (a tie) to 1
  std::vector<std::size_t> shown = {};  // the answers in the order in which the rater saw them; empty if unknown
};

/// A prompt, its answers, and the judgements about them.
struct JudgedPrompt {
  std::vector<ChatMessage> messages;  // what the answers follow; at least one
  std::vector<JudgedAnswer> answers;  // no two have the same text and source
  std::vector<Judgement> judgements;  // in the order of the files
  std::string place = {};             // "a.jsonl:3", of its first record
};

/// Two answers that a judgement compares.
struct JudgedPair {
  std::size_t better, worse;  // for a tie, the order has no meaning
  bool is_tie;
  bool operator==(const JudgedPair&) const = default;
};

/// Returns all pairs that a judgement compares: of a full order of k answers, k (k - 1) / 2.
std::vector<JudgedPair> pairs_of(const Judgement& judgement);

/// Why a record, or a part of it, was left out.
enum class JudgementSkip {
  no_answers,      // a prompt without answers
  no_prompt,       // answers to nothing
  equal_answers,   // a pair with the same text twice
  differ_earlier,  // the conversations of a pair do not have all but the last answer in common
  not_text,        // an answer is not text
  both_thumbs,     // an answer with a thumb up and a thumb down, which says nothing
};
std::string_view text_of(JudgementSkip reason);

/// What files held.
struct JudgementCensus {
  std::int64_t prompts = 0;
  std::int64_t without_judgement = 0;  // of the prompts: answers alone, or thumbs of one kind
  std::int64_t answers = 0;
  std::int64_t judgements = 0;
  std::int64_t pairs = 0;                      // compared, one better than the other
  std::int64_t ties = 0;                       // compared as equal
  std::int64_t edits = 0;                      // answers that raters wrote
  std::int64_t skips = 0;                      // of raters who did not want to judge
  std::int64_t undone = 0;                     // judgements taken back, or replaced
  std::map<std::string, std::int64_t> raters;  // judgements of each; those without a name are under ""

  struct Skipped {
    std::int64_t count = 0;
    std::string place;  // of the first
  };
  std::map<JudgementSkip, Skipped> skipped;  // records, by reason
};

/// Warns of each kind of record that was left out; `key` names the files ("data.train").
void warn_of_skipped(const JudgementCensus& census, std::string_view key);

struct JudgedPrompts {
  std::vector<JudgedPrompt> prompts;
  JudgementCensus census;
};

/// Whether records with the same prompt become one JudgedPrompt, or each keeps its own.
enum class SamePrompt { join, keep };

/// Reads .jsonl files, or .json files that hold an array; any may be compressed (.gz, .zst). The keys of a record tell
/// its shape:
/// - answers, with prompt or messages, and maybe order: kiln's own (rankings.h), as kiln answers and kiln rank write;
/// - prompt, chosen, rejected: texts, or lists of messages, which may repeat the prompt;
/// - chosen, rejected: lists of messages or transcripts ("\n\nHuman: ...\n\nAssistant: ..."), whose common beginning is
///   the prompt;
/// - prompt, completion, label: one answer, good (true) or bad (false). Of a prompt's answers, each good one is better
///   than all bad ones;
/// - query, best, sample0, sample1, ...: the number of the best sample. The others are not compared with each other;
/// - instruction, maybe input, response1, response2, annotator1, annotator2, ...: each annotator's choice, 1 or 2, or 0
///   for a tie (PandaLM). "cmp_key" names the sources, as "A_B";
/// - prompt, an object with replies (OpenAssistant's trees): every group of ranked answers, after the messages above
///   it, at most 1,000.
/// A pair may have a "margin", a number, and a "probability" from 0 to 1 that the chosen answer is the better one (1
/// if it is left out). Equal answers of one source become one. Texts are compared without white space at their ends,
/// since templates drop it. Leaves out what the census names as skipped, and, with a warning, a last line that kiln
/// rank has not finished. Throws Error: usage for another kind of file; bad_input, with the file, the line or index,
/// and the key, for a record of no such shape and for a value that does not fit, such as an order that names an unknown
/// answer or one answer twice.
JudgedPrompts read_judgements(std::span<const std::filesystem::path> files, SamePrompt same = SamePrompt::join);

/// Returns how many of the judged prompts in `some` have the same messages as one in `others`.
std::int64_t count_shared(std::span<const JudgedPrompt> some, std::span<const JudgedPrompt> others);

}  // namespace kiln
