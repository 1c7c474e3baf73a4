// The generator and the kernels that draw from it. A generator of None stands for the default one.
#include <nanobind/stl/optional.h>

#include <type_traits>
#include <utility>

#include "bind/pytensor.h"
#include "kernels/distributions.h"
#include "kernels/random.h"

namespace fb::py {

using namespace nb::literals;

namespace {

// Runs `draw`, without the GIL where that takes longer than giving it back.
template <class F>
decltype(auto) drawing(std::int64_t numel, F&& draw) {
  std::optional<nb::gil_scoped_release> release;
  if (numel > 4096) release.emplace();
  return draw();
}

// Tensors without elements of their own (device meta) take nothing from it.
Generator& chosen(Generator* generator) {
  if (shape_only()) {
    static thread_local Generator unused;
    return unused;
  }
  return generator ? *generator : default_generator();
}

// A kernel that fills a tensor and has parameters besides it and the generator.
template <class... Params>
auto filling(std::type_identity_t<void (*)(const Tensor&, Params..., Generator&)> kernel) {
  return [kernel](const Tensor& out, Params... params, Generator* generator) {
    const Tensor target = out;
    drawing(target.numel(), [&] { kernel(target, params..., chosen(generator)); });
  };
}

// A kernel that makes a tensor of draws from one tensor of parameters.
auto sampling(Tensor (*kernel)(const Tensor&, Generator&)) {
  return [kernel](const Tensor& parameter, Generator* generator) {
    const Tensor own = parameter;
    return drawing(own.numel(), [&] { return kernel(own, chosen(generator)); });
  };
}

Tensor state_of(Generator& generator) {
  const Tensor state = empty(Dims{Generator::state_bytes}, DType::UInt8);
  generator.save(state.data<std::uint8_t>());
  return state;
}

void set_state(Generator& generator, const Tensor& state) {
  FB_CHECK(state.dtype() == DType::UInt8 && state.is_cpu(), Type,
           "RNG state must be a torch.ByteTensor, got ", dtype_name(state.dtype()));
  FB_CHECK(state.is_contiguous(), Runtime, "set_state: RNG state must be contiguous");
  generator.load(state.data<std::uint8_t>(), state.nbytes());
}

void bind_generator(nb::module_& m) {
  nb::class_<Generator>(m, "Generator")
      .def(nb::init<std::uint64_t>(), "seed"_a = Generator::default_seed)
      .def("_reseed", &Generator::reseed)
      .def("_reseed_from_system", &Generator::reseed_from_system)
      .def("_initial_seed", &Generator::initial_seed)
      .def("_state", state_of)
      .def("_set_state", set_state);
  m.def("set_default_generator", set_default_generator);
}

}  // namespace

void bind_random(nb::module_& m) {
  bind_generator(m);
  const auto generator = "generator"_a = nb::none();
  m.def("uniform_", filling<double, double>(uniform_), "out"_a, "from_"_a, "to"_a, generator);
  m.def("normal_", filling<double, double>(normal_), "out"_a, "mean"_a, "std"_a, generator);
  m.def("log_normal_", filling<double, double>(log_normal_), "out"_a, "mean"_a, "std"_a, generator);
  m.def("cauchy_", filling<double, double>(cauchy_), "out"_a, "median"_a, "sigma"_a, generator);
  m.def("exponential_", filling<double>(exponential_), "out"_a, "lambd"_a, generator);
  m.def("geometric_", filling<double>(geometric_), "out"_a, "p"_a, generator);
  m.def("bernoulli_", filling<const Tensor&>(bernoulli_), "out"_a, "p"_a, generator);
  m.def("bernoulli_", filling<double>(bernoulli_), "out"_a, "p"_a, generator);
  m.def("random_", filling<>(random_), "out"_a, generator);
  m.def("random_between", filling<std::int64_t, std::optional<std::int64_t>>(random_), "out"_a,
        "from_"_a, "to"_a.none(), generator);
  m.def("randperm_", filling<>(randperm), "out"_a, generator);
  m.def("poisson", sampling(poisson), "rate"_a, generator);
  m.def("standard_gamma", sampling(standard_gamma), "shape"_a, generator);
  m.def("sample_dirichlet", sampling(sample_dirichlet), "concentration"_a, generator);
  m.def("standard_gamma_grad", standard_gamma_grad, nb::call_guard<nb::gil_scoped_release>());
  m.def("dirichlet_grad", dirichlet_grad, nb::call_guard<nb::gil_scoped_release>());
  m.def(
      "binomial",
      [](const Tensor& count, const Tensor& prob, Generator* g) {
        const Tensor trials = count, p = prob;
        return drawing(trials.numel() + p.numel(), [&] { return binomial(trials, p, chosen(g)); });
      },
      "count"_a, "prob"_a, generator);
  m.def(
      "multinomial",
      [](const Tensor& weights, std::int64_t count, bool replacement, Generator* g) {
        const Tensor table = weights;
        return drawing(table.numel() + count,
                       [&] { return multinomial(table, count, replacement, chosen(g)); });
      },
      "weights"_a, "count"_a, "replacement"_a, generator);
  m.def(
      "dropout",
      [](const Tensor& x, double p, Generator* g) {
        const Tensor input = x;
        Dropout result = drawing(input.numel(), [&] { return dropout(input, p, chosen(g)); });
        return nb::make_tuple(std::move(result.out), std::move(result.mask));
      },
      "x"_a, "p"_a, generator);
  m.def("dropout_backward", [](const Tensor& grad, const Tensor& mask, double p) {
    const Tensor own_grad = grad, own_mask = mask;
    return drawing(own_grad.numel(), [&] { return dropout_backward(own_grad, own_mask, p); });
  });
}

}  // namespace fb::py
