"""Live sources: RTSP and HLS, read over checked connections and cut into decodable segments.

FFmpeg opens no network address. Its RTSP client follows redirects to any host, resolves names
itself and has no hook for its sockets, so it cannot be held to the address policy.
"""
