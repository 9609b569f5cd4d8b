"""Published networks, one a file, as their authors defined them.

Parameters keep the names of timm or of the authors' code where there is one, so that an import is
mostly a matter of prefixes. Each module maps planes (n, 3, s, s) to logits (n, classes).
"""
