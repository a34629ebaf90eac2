"""Published models: registry, download and device."""
