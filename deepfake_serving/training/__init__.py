"""Training, from folders of real faces to evaluated, calibrated weights: data → train → evaluate →
calibrate → export → card. The servers do not import this package."""
