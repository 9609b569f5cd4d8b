"""What crosses a process boundary: problems, verdicts and protobuf messages.

Imported by TorchServe workers, the model server and its callers alike, so nothing here imports
torch, grpc or a web framework.
"""
