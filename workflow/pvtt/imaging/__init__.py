"""Image operations that several stages share: colour, geometry, shadow, letterbox, change detection."""
