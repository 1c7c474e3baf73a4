// Filling tensors with random numbers, and sampling. Every function draws exactly the words of the
// generator that PyTorch draws on the CPU, in its order, so the numbers are PyTorch's as well
// (docs/random.md says how closely for each).
#pragma once
#include <optional>

#include "core/tensor.h"
#include "kernels/generator.h"

namespace fb {

// These write in place. A tensor whose axes are only permuted is filled in the order of its memory.
void uniform_(const Tensor& out, double from, double to, Generator& generator);  // [from, to)
void normal_(const Tensor& out, double mean, double std, Generator& generator);
void log_normal_(const Tensor& out, double mean, double std, Generator& generator);
void exponential_(const Tensor& out, double lambda, Generator& generator);
void cauchy_(const Tensor& out, double median, double sigma, Generator& generator);
void geometric_(const Tensor& out, double p, Generator& generator);  // trials up to a success
void bernoulli_(const Tensor& out, double p, Generator& generator);
void bernoulli_(const Tensor& out, const Tensor& p, Generator& generator);  // p broadcasts to out

// Integers in [from, to); without `to`, up to the largest that the dtype holds without gaps.
void random_(const Tensor& out, std::int64_t from, std::optional<std::int64_t> to,
             Generator& generator);
// Integers from 0 to the largest that the dtype holds without gaps.
void random_(const Tensor& out, Generator& generator);
void randperm(const Tensor& out, Generator& generator);  // a permutation of 0 .. numel - 1

// Counts with the Poisson distribution of each rate.
Tensor poisson(const Tensor& rate, Generator& generator);
// `count` indices per row of non-negative weights.
Tensor multinomial(const Tensor& weights, std::int64_t count, bool replacement,
                   Generator& generator);

// x * keep / (1 - p), where keep is 1 with probability 1 - p; the mask holds `keep` as bytes in the
// layout of `out`, for dropout_backward.
struct Dropout {
  Tensor out;
  Tensor mask;
};
Dropout dropout(const Tensor& x, double p, Generator& generator);
Tensor dropout_backward(const Tensor& grad, const Tensor& mask, double p);

// The loops over words that run in vectors. A double is made from two words.
struct RandomLoops {
  void (*uniform_f32)(const std::uint32_t* words, float* out, std::int64_t n, float from, float to);
  void (*uniform_f64)(const std::uint32_t* words, double* out, std::int64_t n, double from,
                      double to);
  // Blocks of 16 words make blocks of 16 normal numbers.
  void (*normal_f32)(const std::uint32_t* words, float* out, std::int64_t blocks, float mean,
                     float std);
  // out = log(u), or log(1 - u), of draws u of 53 bits: right to within an ulp.
  void (*log_f64)(const std::uint32_t* words, double* out, std::int64_t n, bool of_complement);
  // out = a 53-bit draw is below `threshold`.
  void (*below)(const std::uint32_t* words, std::uint8_t* out, std::int64_t n,
                std::uint64_t threshold);
  void (*dropout_f32)(const float* x, const std::uint8_t* mask, float* out, std::int64_t n,
                      float scale);
  void (*dropout_f64)(const double* x, const std::uint8_t* mask, double* out, std::int64_t n,
                      double scale);
  // out = word modulo range, plus base; range is at most 2^31.
  void (*modulo)(const std::uint32_t* words, std::int64_t* out, std::int64_t n, std::uint32_t range,
                 std::int64_t base);
  void (*widen)(const std::uint8_t* values, float* out, std::int64_t n);
  void (*narrow)(const double* values, float* out, std::int64_t n);
};
FB_ISA_TABLE(RandomLoops, random_loops)

}  // namespace fb
