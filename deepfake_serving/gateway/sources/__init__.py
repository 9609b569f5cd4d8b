"""Live sources: RTSP and HLS, read by connections of our own and cut into files to be judged."""
