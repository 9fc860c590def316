// Long work in pieces: its order, its limit, and failures that stay its own.
#include "serve/piecewise_work.h"

#include <gtest/gtest.h>

#include "serve/api_error.h"
#include <stdexcept>
#include <vector>

namespace kiln {
namespace {

TEST(PiecewiseWork, RunsOneWorkAfterTheOtherWithThingsPostedBetweenPieces) {
  Engine engine({}, {});
  PiecewiseWork works(engine);
  std::vector<int> order;
  const auto work = [&](int name, int pieces) {
    works.add([&order, &engine, name, left = pieces]() mutable {
      order.push_back(name);
      engine.post([&order] { order.push_back(0); });
      return --left > 0;
    });
  };
  work(1, 3);
  works.add([&]() -> bool { throw std::runtime_error("a piece that fails"); });
  work(2, 2);
  works.add([&] {
    engine.stop();
    return false;
  });
  engine.run();
  EXPECT_EQ(order, (std::vector<int>{1, 0, 1, 0, 1, 0, 2, 0, 2, 0}));
}

TEST(PiecewiseWork, RefusesMoreThanMayWait) {
  Engine engine({}, {});  // which does not run
  PiecewiseWork works(engine);
  for (std::size_t i = 0; i < PiecewiseWork::kMostWaiting; ++i) works.add([] { return false; });
  try {
    works.add([] { return false; });
    FAIL() << "nothing was thrown";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 503);
  }
}

}  // namespace
}  // namespace kiln
