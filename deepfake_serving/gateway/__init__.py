"""The product: images, videos, jobs, live frames and a console, on top of model servers.

It never imports torch; models are called over HTTP.
"""
