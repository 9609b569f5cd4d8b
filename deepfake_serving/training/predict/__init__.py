"""From media files to scores: a predictor, its inputs and what it returns for every face."""
