// Looks variables up from the innermost scope outwards.
#include "text/jinja_rendering.h"

#include <fmt/format.h>

#include "text/jinja_lexer.h"
#include <algorithm>
#include <iterator>
#include <numeric>

namespace kiln::jinja {
namespace {

constexpr std::size_t kMostWork = 1 << 17;    // statements and bytes of text, and as many ...
constexpr std::size_t kMostWorkPerByte = 64;  // ... more for each byte of the variables' texts
constexpr int kMostCalls = 50;                // within one another

std::size_t bytes_of(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().size();
  if (!value.is_structured()) return 0;
  return std::accumulate(value.begin(), value.end(), std::size_t{0},
                         [](std::size_t sum, const Json& part) { return sum + bytes_of(part); });
}

}  // namespace

Rendering::Rendering(const Json& variables) : work_left_(kMostWork + kMostWorkPerByte * bytes_of(variables)) {
  scopes_.push_back({variables, {}});
}

Json Rendering::variable(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (const auto found = scope->variables.find(name); found != scope->variables.end()) return *found;
  }
  return undefined();
}

void Rendering::set_item(const std::string& name, const std::string& key, Json value) {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto found = scope->variables.find(name);
    if (found == scope->variables.end()) continue;
    if (!found->is_object()) break;
    (*found)[key] = std::move(value);
    return;
  }
  throw JinjaError(fmt::format("set {}.{}: there is no such namespace", name, key));
}

std::shared_ptr<const Macro> Rendering::macro(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (const auto found = scope->macros.find(name); found != scope->macros.end()) return found->second;
  }
  return nullptr;
}

std::string Rendering::call(const Macro& macro, const Arguments& arguments) {
  if (++depth_ > kMostCalls) throw JinjaError("macros call one another without end");
  std::vector<Scope> hidden(std::make_move_iterator(scopes_.begin() + 1), std::make_move_iterator(scopes_.end()));
  scopes_.resize(1);
  scopes_.emplace_back();
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const auto& [name, otherwise] = macro.parameters[i];
    Json value = arguments.get(i, name);
    if (is_undefined(value) && otherwise) value = otherwise(*this);
    set(name, std::move(value));
  }
  std::string text = captured(macro.body);
  scopes_.pop_back();
  std::ranges::move(hidden, std::back_inserter(scopes_));
  --depth_;
  return text;
}

std::string Rendering::captured(const Statement& statement) {
  std::string outer = std::exchange(text_, {});
  statement(*this);
  return std::exchange(text_, std::move(outer));
}

void Rendering::with_scope(const std::function<void()>& body) {
  scopes_.emplace_back();
  body();
  scopes_.pop_back();
}

void Rendering::write(std::string_view text) {
  work(text.size());
  text_ += text;
}

void Rendering::work(std::size_t amount) {
  if (amount > work_left_) throw JinjaError("it takes more work than is allowed here");
  work_left_ -= amount;
}

Json Rendering::made(Json value) {
  if (value.is_string()) work(value.get_ref<const std::string&>().size());
  if (value.is_array()) work(value.size());
  return value;
}

}  // namespace kiln::jinja
