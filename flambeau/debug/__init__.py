"""Finding mistakes in training programs."""

from flambeau.debug.watching import Watch as Watch
from flambeau.debug.watching import WatchWarning as WatchWarning
from flambeau.debug.watching import watch as watch
