// A model's Jinja template: it is recognised as a built-in one, or the obstacle is named, in finite time.
#include "kiln/text/chat_template.h"

#include "target.h"

namespace kiln::fuzz {

void fuzz_chat_template(std::string_view input) {
  const ModelTokens tokens{"<s>", "</s>"};
  const ChatRecognition recognised = recognise_chat_template(input, tokens);
  require(recognised.kind.has_value() == recognised.obstacle.empty(), "a template and an obstacle: {}",
          recognised.obstacle);
  require(recognise_chat_template(input, tokens).kind == recognised.kind, "recognised only once");
  check(recognised.kind.has_value(), "not one of kiln's templates: {}", recognised.obstacle);
}

}  // namespace kiln::fuzz
