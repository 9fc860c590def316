// Estimates the held-out loss of a model from its sizes, its vocabulary and its training text, repeats included.
#pragma once

namespace kiln {

/// The properties of a training run that the law reads. All are greater than 0.
struct TrainingFacts {
  double hidden_parameters = 0;     // all except embedding and unembedding
  double embedding_parameters = 0;  // of one of these
  double vocab_size = 0;
  double bytes_per_token = 0;
  double bytes = 0;         // of text trained on, repeats included
  double unique_bytes = 0;  // of the text itself
  double steps = 0;
  double tokens_per_step = 0;
  double context = 0;  // tokens of a window
};

/// Returns the held-out bits per byte that a scaling law expects:
///   E + A / N'^a + G / M'^g + B / D'^b + C / K^c + H log2(T / 64) / S + R P V / U
/// in hidden parameters N, embedding parameters M, bytes D, a context of T tokens or K bytes, S steps, vocabulary V,
/// tokens of the text U and passes over it P. N', M' and D' discount parameters in excess of the text and repeated
/// text, as in Muennighoff et al., arXiv:2305.16264, equations 5 and 6; D' also discounts the text of early and of
/// small steps. The optimum in the vocabulary size follows Tao et al., arXiv:2407.13623. The constants were fitted to
/// short runs of kiln on English (bench/README.md): the law ranks configs for one text, but does not predict the loss
/// on another.
double expected_bits_per_byte(const TrainingFacts& facts);

}  // namespace kiln
