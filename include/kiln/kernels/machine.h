// Measures this machine's peak compute and memory rates, to which a step's speed is compared.
#pragma once

namespace kiln {

/// Returns operations per second of float fused multiply-adds (two operations each) on registers, on all threads.
double measure_float_peak();

/// Returns operations per second of bfloat16 products summed in float: by the CPU's instruction for them, or widened to
/// float if that is faster or there is none.
double measure_bfloat16_peak();

/// Returns bytes per second of a triad a = b + s c over arrays far larger than the caches, on all threads.
double measure_memory_bandwidth();

}  // namespace kiln
