"""Live sessions of frames (WebSocket, gRPC), and the stored windows of live sources."""
