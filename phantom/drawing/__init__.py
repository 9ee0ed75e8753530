"""Shapes, and the canvas that they are painted on."""
