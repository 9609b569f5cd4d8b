"""The networks as torch modules, from 8-bit crops to their outputs.

Training learns them, packing turns them into OpenVINO graphs, and the torch backend runs them as
they are. The stages of `pipeline` know none of this.
"""
