"""From folders of real faces to proven, calibrated weights: data → train → evaluate → calibrate →
export → card. Nothing that serves imports this package."""
