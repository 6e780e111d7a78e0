"""What a component must not keep from the moment it was built: the environment, and the state of chance."""

import os
import random

from wit_world.imports import environment

#: The function's environment. Filled before a handler is called; while the component is built, there is none.
env = os.environ


def load() -> None:
    """Puts the invocation's environment, and chance, in the place of those that the build saw."""
    env.clear()
    env.update(environment.get_environment())
    # Otherwise every instance would draw the same numbers.
    random.seed()
