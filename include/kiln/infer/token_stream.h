// Turns the tokens of one sample into text, as they are drawn.
#pragma once

#include "kiln/infer/text_stream.h"
#include "kiln/text/tokenizer.h"

#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// Whether white space at both ends of a text is dropped (trim_content), as chat templates do.
enum class Trim { no, yes };

/// Decodes tokens to valid UTF-8 up to the first stop text, as TextStream does. Special tokens appear by their meaning
/// (document.h). The name of a special token among the stop texts also matches that token.
class TokenStream {
 public:
  /// `previous` is the token before the first one: some tokenizers put spaces between tokens. `tokenizer` must outlive
  /// the stream. Throws Error (usage) for an empty stop text.
  TokenStream(const Tokenizer& tokenizer, std::vector<std::string> stops, std::optional<TokenId> previous,
              Trim trim = Trim::no);

  /// Returns the text that no later token can change. Returns nothing once the stream has stopped.
  std::string push(TokenId token);

  /// Returns the rest, which was held back.
  std::string finish() { return trimmed(stream_.finish()); }

  /// Returns whether a stop text or a stop token has come.
  bool stopped() const { return stopped_ || stream_.stopped(); }

 private:
  std::string text_of(TokenId token) const;
  std::string trimmed(std::string text);

  const Tokenizer* tokenizer_;
  std::vector<TokenId> stop_tokens_;
  TextStream stream_;
  std::optional<TokenId> previous_;
  bool stopped_ = false;  // at a stop token
  Trim trim_;
  std::string held_;    // white space that ends the text if no word follows
  bool begun_ = false;  // a word has come
};

}  // namespace kiln
