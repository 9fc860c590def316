// Draws every figure as SVG; for PNG, librsvg renders the SVG and cairo writes the file.
#include "kiln/plot/picture.h"

#include "kiln/core/error.h"
#include "kiln/core/extension.h"

#include "plot/svg_plot.h"

#ifdef KILN_RSVG
#include <cairo.h>
#include <librsvg/rsvg.h>
#include <memory>
#endif

namespace kiln {
namespace {

#ifdef KILN_RSVG

constexpr bool kHasPng = true;
constexpr double kScale = 2;

template <class T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

cairo_status_t append_to(void* bytes, const unsigned char* data, unsigned int length) {
  static_cast<std::string*>(bytes)->append(reinterpret_cast<const char*>(data), length);
  return CAIRO_STATUS_SUCCESS;
}

std::string to_png(const std::string& svg) {
  GError* error = nullptr;
  const auto* data = reinterpret_cast<const guint8*>(svg.data());
  const Owned<RsvgHandle> picture(rsvg_handle_new_from_data(data, svg.size(), &error),
                                  [](RsvgHandle* handle) { g_object_unref(handle); });
  double width = 0, height = 0;
  const bool is_sized = picture && rsvg_handle_get_intrinsic_size_in_pixels(picture.get(), &width, &height);
  std::string png;
  if (is_sized) {
    const RsvgRectangle viewport{0, 0, kScale * width, kScale * height};
    const Owned<cairo_surface_t> surface(
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(viewport.width),
                                   static_cast<int>(viewport.height)),
        cairo_surface_destroy);
    const Owned<cairo_t> canvas(cairo_create(surface.get()), cairo_destroy);
    if (rsvg_handle_render_document(picture.get(), canvas.get(), &viewport, &error))
      cairo_surface_write_to_png_stream(surface.get(), append_to, &png);
  }
  const std::string reason = error != nullptr ? error->message : "it has no size";
  g_clear_error(&error);
  if (png.empty()) fail(ExitCode::failure, "the picture cannot be drawn as PNG: {}", reason);
  return png;
}

#else

constexpr bool kHasPng = false;
std::string to_png(const std::string&) { return {}; }  // unreachable: check_picture_name throws first

#endif

}  // namespace

void check_picture_name(const std::filesystem::path& file) {
  const std::string kind = lower_extension(file);
  check(kind == ".svg" || kind == ".png", "{}: a file name that ends in .svg or .png is expected", file.string());
  check(kHasPng || kind == ".svg",
        "{}: this kiln was built without librsvg and draws no PNG; name a file that ends in .svg, or install "
        "librsvg2-dev and build again",
        file.string());
}

std::string to_picture(const Figure& figure, const std::filesystem::path& file) {
  check_picture_name(file);
  const std::string svg = to_svg(figure);
  return lower_extension(file) == ".png" ? to_png(svg) : svg;
}

}  // namespace kiln
