"""Capacity on paper: a discrete-event simulation of gateways, queues, batches and autoscaling."""
