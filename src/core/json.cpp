// Builds values from the parser's events and reports what nlohmann/json lets pass, such as duplicate keys.
#include "kiln/core/json.h"

#include "kiln/core/file.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <unordered_set>

namespace kiln {
namespace {

constexpr std::size_t kBriefLength = 60;      // bytes of a value in a message
constexpr std::size_t kDeepestNesting = 256;  // deeper, the library's recursive copies would overflow the stack

/// Builds a Json from the parser's events.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view text, std::string_view source, Problems& problems, ExitCode code)
      : text_(text), source_(source), problems_(problems), code_(code) {}

  Json take() { return std::move(root_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(std::int64_t value) override { return put(value); }
  bool number_unsigned(std::uint64_t value) override { return put(value); }
  bool number_float(double value, const std::string&) override { return put(value); }
  bool string(std::string& value) override { return put(std::move(value)); }
  bool binary(Json::binary_t&) override { return false; }  // never in JSON text
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& key) override {
    Level& level = levels_.back();
    level.is_new_key = level.keys.insert(key).second;
    if (!level.is_new_key) {
      problems_.add(child_pointer(level.pointer, key), "the key is given twice; keep one of them");
    }
    level.key = std::move(key);
    return true;
  }

  /// Throws Error; `position` counts the bytes read so far. The library's what() is "[json.exception...] parse error at
  /// ...: syntax error while parsing value - invalid literal; last read: '...'; expected ...". Drops everything before
  /// the dash, which `position` replaces, and the text read last, which may be the whole file.
  bool parse_error(std::size_t position, const std::string&, const Json::exception& error) override {
    std::string what = error.what();
    const std::size_t dash = what.find(" - ");
    what.erase(0, dash != std::string::npos ? dash + 3 : what.find("] ") + 2);
    if (const std::size_t read = what.find("; last read: '"); read != std::string::npos) {
      what.erase(read, what.rfind('\'') + 1 - read);
    }
    const std::string_view before = text_.substr(0, std::max<std::size_t>(position, 1) - 1);
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    const std::ptrdiff_t line = std::ranges::count(before, '\n') + 1;
    fail(code_, "{}:{}:{}: not valid JSON: {}{}", source_, line, before.size() - line_start + 1, what, hint(before));
  }

 private:
  struct Level {  // an open object or array
    Json* container;
    std::string pointer;
    std::string key;  // being read
    bool is_new_key = true;
    std::unordered_set<std::string> keys;
  };

  /// Returns a remedy for the commonest mistakes; `before` is the text before the offending character.
  std::string_view hint(std::string_view before) const {
    const char found = before.size() < text_.size() ? text_[before.size()] : '\0';
    const std::size_t last = before.find_last_not_of(" \t\r\n");
    const char previous = last == std::string_view::npos ? '\0' : before[last];
    if (found == '/' || previous == '/' || found == '#') return "; JSON has no comments: remove it";
    if ((found == '}' || found == ']') && previous == ',') return "; remove the comma before it";
    if (found == '\'') return "; strings need double quotes";
    return "";
  }

  std::string pointer() const {
    const Level& level = levels_.back();
    return child_pointer(level.pointer,
                         level.container->is_array() ? std::to_string(level.container->size()) : level.key);
  }

  /// Puts a value at the parser's position and returns a reference to it.
  Json& place(Json value) {
    if (levels_.empty()) return root_ = std::move(value);
    Level& level = levels_.back();
    if (level.container->is_array()) {
      level.container->push_back(std::move(value));
      return level.container->back();
    }
    if (!level.is_new_key) return (*level.container)[level.key] = std::move(value);
    // Appends without operator[]'s linear search: vocabularies have 50,000 keys.
    auto& entries = *level.container->get_ptr<Json::object_t*>();
    entries.Container::emplace_back(level.key, std::move(value));
    return entries.back().second;
  }

  bool put(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json container) {
    if (levels_.size() == kDeepestNesting) {
      fail(code_, "{}: {}: nested more than {} deep", source_, pointer().substr(0, kBriefLength), kDeepestNesting);
    }
    std::string at = levels_.empty() ? "" : pointer();
    Json& placed = place(std::move(container));
    levels_.push_back({.container = &placed, .pointer = std::move(at), .key = "", .is_new_key = true, .keys = {}});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  std::string_view text_;
  std::string_view source_;
  Problems& problems_;
  ExitCode code_;
  Json root_;
  std::vector<Level> levels_;  // a container does not move while one within it is open
};

}  // namespace

Json parse_json(std::string_view text, std::string_view source, Problems& problems, ExitCode code) {
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {  // the library would stop reading there
    fail(code, "{}: not valid JSON: a NUL at byte {}", source, nul);
  }
  Builder builder(text, source, problems, code);
  Json::sax_parse(text, &builder);
  return builder.take();
}

Json parse_json(std::string_view text, std::string_view source, ExitCode code) {
  Problems problems;
  Json json = parse_json(text, source, problems, code);
  problems.throw_if_any(source, code);
  return json;
}

Json read_json_object(const std::filesystem::path& path) {
  Json json = parse_json(read_file(path), path.string());
  check_input(json.is_object(), "{}: an object is expected", path.string());
  return json;
}

std::string format_json(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n'; }

std::string brief_json(const Json& json) {
  if (json.is_array() && !json.empty()) return "[...]";
  if (json.is_object() && !json.empty()) return "{...}";
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() <= kBriefLength) return text;
  std::size_t end = kBriefLength;
  while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
  return text.substr(0, end) + "...";
}

}  // namespace kiln
