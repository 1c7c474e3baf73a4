"""Handles that remove a registered hook again."""

from flambeau.core.hooks import RemovableHandle as RemovableHandle
