"""The simulated shop, served over HTTP in the shapes of the systems that a shop uses."""
