"""The values that cross a process boundary: problems, verdicts and protobuf messages.

Imported by TorchServe workers, the model server and its clients, so nothing here imports
torch, grpc or a web framework.
"""
