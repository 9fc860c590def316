// A struct with a field of every kind.
#pragma once

#include "kiln/core/fields.h"

#include <array>

namespace kiln::testing {

enum class Colour { red, green, blue };
inline constexpr std::array<std::string_view, 3> kColours{"red", "green", "blue"};
inline std::span<const std::string_view> names_of(Colour) { return kColours; }

struct Inner {
  std::int64_t size = 8;
  Colour colour = Colour::red;

  template <class V>
  void visit(V& v) {
    v("size", size, "of it", at_least(1));
    v("colour", colour, "red | green | blue");
  }
};

struct Sample {
  bool flag = false;
  int small = 0;
  std::int64_t count = 1;
  std::uint64_t seed = 0;
  double rate = 0.1;
  std::string name;
  std::vector<std::string> list;
  CountOrAll batch{12};
  Colour colour = Colour::red;
  std::optional<std::int64_t> maybe;
  std::optional<double> maybe_rate;
  std::optional<std::string> maybe_name;
  std::optional<Duration> maybe_time;
  Inner inner;

  template <class V>
  void visit(V& v) {
    v("flag", flag, "on or off");
    v("small", small, "an int");
    v("count", count, "how many", at_least(1));
    v("seed", seed, "of the draws");
    v("rate", rate, "how fast", positive());
    v("name", name, "what it is called");
    v("list", list, "its files", required());
    v("batch", batch, "at a time", at_least(1));
    v("colour", colour, "its colour");
    v("maybe", maybe, "a digit", between(1, 9));
    v("maybe_rate", maybe_rate, "a share", from_to_below(0, 1));
    v("maybe_name", maybe_name, "another name");
    v("maybe_time", maybe_time, "how long", positive());
    v("inner", inner, "what is in it");
  }
};

/// A struct with a list of structs.
struct Shelf {
  std::vector<Inner> items;
  int rows = 1;

  template <class V>
  void visit(V& v) {
    v("items", items, "what lies on it");
    v("rows", rows, "how many", at_least(1));
  }
};

}  // namespace kiln::testing
