"""The networks as torch modules, from 8-bit crops to their outputs.

They are trained, exported as OpenVINO graphs by packaging, and run by the torch backend. The stages
of `pipeline` don't depend on them.
"""
