"""Published models: the registry, their download, and the device they run on."""
