"""Photos of more pixels than the limit, decoded at half their width and height.

Cameras take photos of 60 to 200 megapixels. libjpeg decodes them at half their size with a quarter
of the memory, as each block of 8 x 8 coefficients becomes 4 x 4 pixels.
"""

from __future__ import annotations

from PIL import Image

from model_handlers.images.decoding_cost import count_scans

FACTOR = 2


def halve(image: Image.Image, data: bytes, max_pixels: int) -> bool:
    """Has a JPEG of more than `max_pixels` decoded at half its size, if that is within them.

    A JPEG of several scans is left as it is: its coefficients would have to be in memory, up to six
    bytes a pixel.

    Args:
        image: opened, and not loaded yet; its size changes.
        data: the file.

    Returns:
        Whether it is decoded at half its size.
    """
    width, height = image.size
    half = (-(-width // FACTOR), -(-height // FACTOR))
    if width * height <= max_pixels or half[0] * half[1] > max_pixels:
        return False
    if image.format not in ("JPEG", "MPO") or count_scans(data, 1) > 1:
        return False
    image.draft(None, (width // FACTOR, height // FACTOR))
    return image.size == half
