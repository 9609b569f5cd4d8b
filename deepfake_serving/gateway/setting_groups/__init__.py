"""Groups of the settings of gateway and worker."""
