"""The network, the file that holds it, and where it runs: device, number format, memory."""
