"""A rendered world of product videos for which everything is known; needs the packages of envs/world.txt."""
