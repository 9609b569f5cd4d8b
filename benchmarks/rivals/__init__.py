"""Our pipeline behind other model servers, each set up as its documentation recommends.

They run in a separate environment (`requirements/rivals.in`), with two processes of one thread
each, like our model server on two cores. Arguments: the unpacked archive and a port.
"""
