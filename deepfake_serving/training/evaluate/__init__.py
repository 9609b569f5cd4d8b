"""How good a model is: scores → figures with intervals → plots and a page to look at."""
