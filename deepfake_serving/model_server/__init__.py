"""PID 1 of a serving pod: TorchServe's keeper, and the only thing that listens beyond the pod.

settings → models → supervisor (torchserve, process) → state; rest and rpc → predictor (admission,
upstream) → TorchServe.
"""
