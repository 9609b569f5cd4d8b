"""Our own pipeline behind other model servers, each as its documentation would have it.

They run in an environment of their own (`requirements/rivals.in`), two processes on one thread
each, as our model server does on two cores. Every program takes the unpacked archive and a port.
"""
