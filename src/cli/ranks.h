// Lets the processes that mpirun or srun started act as one program.
#pragma once

#include "kiln/core/world.h"

#include <string>

namespace kiln::cli {

/// Joins the processes that a launcher started together with this one. All but the root log nothing but errors. Call
/// watch_stop_signals before, and this before other threads start. Throws as join_world.
World& join_ranks();

/// Returns "rank 2: " if a launcher started several processes, else "". Waits on ranks other than the root, which
/// usually meets the same error, reports it and ends all.
std::string rank_prefix_of_error();

/// Ends all ranks with this exit code; does nothing unless join_ranks has joined several.
void end_all_ranks(int code);

}  // namespace kiln::cli
