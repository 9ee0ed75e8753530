"""The OpenKBP data set: head-and-neck patients with target contours, from its own CSV form."""
