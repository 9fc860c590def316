// Declares what each optimizer's file provides for the table in optimizer.cpp.
#pragma once

#include "kiln/optim/optimizer.h"

#include <cstddef>
#include <memory>

namespace kiln {

using MakeOptimizer = std::unique_ptr<Optimizer>(const OptimizerConfig&, const ParameterLayout&);

MakeOptimizer make_sgd, make_adam, make_adamw, make_lion, make_muon;

bool is_moved_by_adamw(const Parameter& parameter);  // one that Muon does not update
std::size_t muon_scratch_bytes(const ParameterLayout& layout);

}  // namespace kiln
