"""The chart on a real cluster: whatever KUBECONFIG names, with this tree's images on its nodes."""
