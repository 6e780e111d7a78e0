"""The environment that the function's `env` in mu.yaml gives."""

import os

from wit_world.imports import environment

#: The function's environment. Filled before a handler is called; while the component is built, there is none.
env = os.environ


def load() -> None:
    """Puts the invocation's environment in the place of the one that the build saw."""
    env.clear()
    env.update(environment.get_environment())
