// What this machine can do at best, measured: the ceilings that a step's speed is held against.
#pragma once

namespace kiln {

/// Operations a second of fused multiply-adds on registers (one is two operations), with all threads: float.
double measure_float_peak();

/// The same of bfloat16 products summed in float: by the processor's instruction for them, or widened to float where
/// that is faster or it has none.
double measure_bfloat16_peak();

/// Bytes a second of a triad a = b + s c over arrays far larger than the caches, with all threads.
double measure_memory_bandwidth();

}  // namespace kiln
