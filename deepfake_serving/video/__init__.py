"""Video analysis: a file's frames, scored and gathered into shots and face tracks, to one verdict.

Imports point down this list: `presentation/`; `decoding/`; `sampling`, `options`, `scene_cuts`,
`reader`; `gallery`, `shot_collector`, `scored_frames`, `tracks`; `aggregate`, `build_shot`,
`accumulator`; `analyse`.
"""
