"""A mutating fuzzer of images, videos and the descriptions of live sources."""
