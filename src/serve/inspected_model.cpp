// Looks on the shelf only for weights other than those that are served.
#include "serve/inspected_model.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <utility>

namespace kiln {

Json InspectedModel::description() const {
  const std::optional<std::int64_t> step = choice.step ? choice.step : served->step();
  Json checkpoint = step ? Json(*step) : Json();
  if (choice.untrained) checkpoint = "untrained";
  return {{"model", served->name()}, {"checkpoint", std::move(checkpoint)}};
}

InspectedModel inspected_model(Engine& engine, CheckpointShelf& shelf, const std::string& name,
                               const CheckpointChoice& choice) {
  InspectedModel model{.served = engine.model(name), .shelved = nullptr, .choice = choice};
  const bool is_served = !choice.untrained && (!choice.step || choice.step == model.served->step());
  if (!is_served) model.shelved = shelf.model(*model.served, choice);
  return model;
}

}  // namespace kiln
