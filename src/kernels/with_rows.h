// A number of rows, known when the program runs, as a constant that loops over them are unrolled by.
#pragma once

#include "kiln/tensor/view.h"

#include <cassert>
#include <utility>

namespace kiln {

/// body.operator()<R>() for the R in [1, Most] that is `rows`.
template <Index Most, class Body>
void with_rows(Index rows, Body&& body) {
  assert(rows >= 1 && rows <= Most);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((rows == Index{I} + 1 ? body.template operator()<Index{I} + 1>() : void()), ...);
  }
  (std::make_index_sequence<Most>());
}

}  // namespace kiln
