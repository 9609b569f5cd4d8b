"""Code that both gRPC servers share: errors, health and the scope of a call."""
