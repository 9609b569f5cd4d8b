"""Ensembles: several classifiers score the same faces, and their scores are combined.

Used by the gateway, whose members are served, and by the command line, which loads them.
"""
