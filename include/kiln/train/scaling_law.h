// What loss to expect of a model of some size after some tokens, of which some are repeats.
#pragma once

namespace kiln {

/// The loss (nats a token) that the scaling law for repeated data foretells for `parameters` trained on `tokens`, taken
/// from a text of `unique_tokens` in as many passes as it takes: repeats and parameters beyond what the text can fill
/// count for less. All three are more than 0. Its constants were fitted to large models on web text, so that it ranks
/// sizes rather than tells losses. Muennighoff et al., arXiv:2305.16264, equations 5 and 6 and appendix A.
double expected_loss(double parameters, double tokens, double unique_tokens);

/// Tokens a parameter at which, of all ways to spend the same computation on unlimited text, that loss is lowest.
double compute_optimal_ratio();

}  // namespace kiln
