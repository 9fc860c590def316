// How well to expect a model of some size and vocabulary to do after some text, of which some is read again.
#pragma once

namespace kiln {

/// A training run, as far as its outcome is expected from it. All are more than 0.
struct TrainingFacts {
  double hidden_parameters = 0;     // all but embedding and unembedding
  double embedding_parameters = 0;  // of one of these
  double vocab_size = 0;
  double bytes_per_token = 0;
  double bytes = 0;         // of text seen, in as many passes as it takes
  double unique_bytes = 0;  // of the text itself
  double steps = 0;
  double tokens_per_step = 0;
  double context = 0;  // tokens of a window
};

/// The held-out bits per byte that a scaling law expects:
///   E + A / N'^a + G / M'^g + B / D'^b + C / K^c + H log2(T / 64) / S + R P V / U
/// in hidden parameters N, embedding parameters M, bytes D, a context of T tokens or K bytes, S steps, vocabulary V,
/// tokens of the text U and passes over it P. Text of the first steps and of small ones counts for less (D). Text that
/// is read again, and parameters beyond what a text can fill, count for less, as in Muennighoff et al.,
/// arXiv:2305.16264, equations 5 and 6; that a vocabulary has a size of its own to choose is after Tao et al.,
/// arXiv:2407.13623. The constants were fitted to short runs of kiln's own on English (bench/README.md): the law ranks
/// configs for one text, it does not predict what another text comes to.
double expected_bits_per_byte(const TrainingFacts& facts);

}  // namespace kiln
