"""A picture of each case, without a display and without a library for drawing."""
