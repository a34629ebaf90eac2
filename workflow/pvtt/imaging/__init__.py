"""Image operations that several stages use: colour, geometry, morphology, resampling, filters, shadow, letterbox."""
