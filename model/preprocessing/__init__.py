"""From a CT pair to the network's grid and back, as each kind of weights expects it."""
