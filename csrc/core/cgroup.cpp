#include "core/cgroup.h"

#include <cstdlib>
#include <fstream>
#include <string>

namespace fb {
namespace {

// The first words of a file, empty where it has none ("max 100000" gives "max" and "100000").
struct Words {
  explicit Words(const std::string& path) {
    std::ifstream file(path);
    file >> first >> second;
  }
  std::string first, second;
};

// Version 1 lines are "4:cpu,cpuacct:/path", the version 2 line is "0::/path". The path of
// `controller`, or of version 2 where it is empty.
std::string group_path(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    if (names == ",," ? controller.empty()
                      : !controller.empty() && names.find("," + controller + ",") != names.npos) {
      return line.substr(second + 1);
    }
  }
  return "/";
}

// Calls visit(folder) for the group and all that contain it: each may set a limit. In a container
// the path may name a folder of the host; the walk ends at the root, which is always there.
template <class Visit>
void for_each_group(const std::string& root, std::string path, Visit&& visit) {
  while (!path.empty() && path != "/") {
    visit(root + path);
    path.erase(path.rfind('/'));
  }
  visit(root);
}

template <class T>
void take_smaller(T& limit, T value) {
  if (value > 0 && (limit == 0 || value < limit)) limit = value;
}

}  // namespace

double cgroup_cpus() {
  double limit = 0;
  const auto take = [&limit](const std::string& quota, const std::string& period) {
    const double length = std::atof(period.c_str());
    if (length > 0) take_smaller(limit, std::atof(quota.c_str()) / length);  // "max" reads as 0
  };
  for_each_group("/sys/fs/cgroup", group_path(""), [&](const std::string& folder) {
    const Words words(folder + "/cpu.max");
    take(words.first, words.second);
  });
  for_each_group("/sys/fs/cgroup/cpu", group_path("cpu"), [&](const std::string& folder) {
    take(Words(folder + "/cpu.cfs_quota_us").first, Words(folder + "/cpu.cfs_period_us").first);
  });
  return limit;
}

std::int64_t cgroup_memory() {
  std::int64_t limit = 0;
  for_each_group("/sys/fs/cgroup", group_path(""), [&](const std::string& folder) {
    take_smaller<std::int64_t>(limit, std::atoll(Words(folder + "/memory.max").first.c_str()));
  });
  for_each_group("/sys/fs/cgroup/memory", group_path("memory"), [&](const std::string& folder) {
    const std::string path = folder + "/memory.limit_in_bytes";
    take_smaller<std::int64_t>(limit, std::atoll(Words(path).first.c_str()));
  });
  return limit;
}

}  // namespace fb
