"""Everything the container runs: reading, preprocessing, the network, sliding-window prediction, writing."""

VERSION = "0.2.0"
