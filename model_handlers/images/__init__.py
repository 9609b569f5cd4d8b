"""Still images: helpers of decoding that know nothing of faces."""
