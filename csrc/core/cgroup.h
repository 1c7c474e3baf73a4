// Limits that a container sets on this process (Linux control groups, versions 1 and 2).
#pragma once
#include <cstdint>

namespace fb {

// Processors' worth of time the process may use; 0 when there is no limit.
double cgroup_cpus();
// Bytes of memory the process may use; 0 when there is no limit.
std::int64_t cgroup_memory();

}  // namespace fb
