"""The chart on the cluster of KUBECONFIG, with this tree's images on its nodes."""
