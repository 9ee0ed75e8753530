"""From cases on disk to patches: found, checked, planned for, brought to the network's grid, cut and augmented."""
