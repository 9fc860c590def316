// Scores an answer by its text alone.
#pragma once

#include "train/reward.h"
#include <optional>
#include <string_view>

namespace kiln {

/// Returns 1 if the answer ended by itself and equals the expected one, white space at the ends of both aside; else 0.
/// Throws Error (usage), which names the reward `name`, if no answer is expected.
double exact_score(const DrawnAnswer& answer, std::string_view name);

/// Returns 1 if the last numbers of the answer and of the expected one differ by `tolerance` at most; else 0, also for
/// an answer without a number. Throws Error (usage), which names the reward `name`, if no answer is expected or the
/// expected one has no number.
double number_score(const DrawnAnswer& answer, double tolerance, std::string_view name);

/// Returns the last decimal number in a text; nullopt if it has none, or one that a double cannot hold.
/// - Commas between a group of one to three digits and groups of three separate thousands: "1,234.5" is 1234.5. Other
///   commas end a number: "1,2" is 1 and 2.
/// - A point begins decimals if digits follow: "5." is 5, ".5" is 0.5. An exponent may follow them: "1.5e3" is 1500.
/// - A minus before a number ("-" or U+2212, also before its "$") is its sign, unless it follows a letter, a digit or a
///   closing bracket, or a space is between: the last number of "3-5" and of "3 - 5" is 5.
std::optional<double> last_number(std::string_view text);

/// Returns the share of a text's 3-grams of words that came before in it, 0 to 1; 0 for fewer than three words. White
/// space separates words.
double repetition_score(std::string_view text);

}  // namespace kiln
