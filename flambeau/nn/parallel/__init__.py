"""Models on several devices: programs that ask for it run on the one device that there is."""

from flambeau.nn.parallel.data_parallel import DataParallel, data_parallel

__all__ = ["DataParallel", "data_parallel"]
