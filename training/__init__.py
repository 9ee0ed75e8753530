"""Training: cached cases, augmentation, the loss, the loop. Nothing here goes into the image."""
