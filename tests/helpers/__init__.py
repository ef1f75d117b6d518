"""What several tests need: models, batches, loops, a browser, emulated kernels."""
