"""Training: preparation of a fit, its loop, stopping, checkpoints and L-BFGS."""
