// Sends embedded files with the headers that keep a page to itself.
#include "serve/pages.h"
#include <algorithm>
#include <string>
#include <utility>

namespace kiln {
namespace {

constexpr std::string_view kFirstPage = "chat";

constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
};

}  // namespace

std::optional<HttpReply> page_at(std::string_view path) {
  std::string name(path.substr(1));
  if (name.empty()) name = kFirstPage;
  if (name.find('.') == std::string::npos) name += ".html";
  const std::span<const EmbeddedFile> files = embedded_files();
  const auto file = std::ranges::find(files, name, &EmbeddedFile::name);
  const auto type = std::ranges::find_if(kTypes, [&](const auto& entry) { return name.ends_with(entry.first); });
  if (file == files.end() || type == std::end(kTypes)) return std::nullopt;
  return HttpReply{.content_type = std::string(type->second),
                   .body = std::string(file->bytes),
                   .headers = {{"Content-Security-Policy", std::string(kPolicy)},
                               {"Referrer-Policy", "no-referrer"},
                               {"Cache-Control", "no-cache"}}};
}

}  // namespace kiln
