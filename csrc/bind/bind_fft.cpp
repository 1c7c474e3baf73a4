// Fourier transforms: the functions of kernels/fft.h.
#include "bind/pytensor.h"
#include "bind/release.h"
#include "kernels/fft.h"

namespace fb::py {

using namespace nb::literals;

namespace {

FftNorm norm_of(int norm) {
  FB_CHECK(norm >= 0 && norm <= 2, Value, "fft: the normalization must be 0, 1 or 2, got ", norm);
  return static_cast<FftNorm>(norm);
}

}  // namespace

void bind_fft(nb::module_& m) {
  m.def(
      "fft_c2c",
      [](const Tensor& t, const Dims& dim, int norm, bool forward) {
        const Tensor held = t;
        return released(t.numel(), [&] { return fft_c2c(held, dim, norm_of(norm), forward); });
      },
      "t"_a, "dim"_a, "norm"_a, "forward"_a);
  m.def(
      "fft_r2c",
      [](const Tensor& t, const Dims& dim, int norm, bool onesided) {
        const Tensor held = t;
        return released(t.numel(), [&] { return fft_r2c(held, dim, norm_of(norm), onesided); });
      },
      "t"_a, "dim"_a, "norm"_a, "onesided"_a);
  m.def(
      "fft_c2r",
      [](const Tensor& t, const Dims& dim, int norm, std::int64_t size) {
        const Tensor held = t;
        return released(t.numel(), [&] { return fft_c2r(held, dim, norm_of(norm), size); });
      },
      "t"_a, "dim"_a, "norm"_a, "size"_a);
}

}  // namespace fb::py
