"""Parts of a long video, which several processes analyse at once, with the result of one."""
