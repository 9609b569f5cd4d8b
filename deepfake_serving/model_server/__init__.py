"""The model server, PID 1 of its pod: supervises TorchServe and is the only public listener.

settings → models → supervisor (torchserve, process) → state; rest and rpc → predictor (admission,
upstream) → TorchServe.
"""
