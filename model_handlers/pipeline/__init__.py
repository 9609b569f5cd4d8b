"""The stages from bytes to a verdict, one per module, independent of TorchServe.

decode → faces (mtcnn, boxes) → crop → network (srm → encoder → head) → calibration → verdict;
`tasks` chains them over a batch.
"""
