"""Image files of any kind as arrays of one size, upright."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

Fit = Literal["stretch", "pad", "crop"]
Colour = Literal["rgb", "grey"]

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
_MODES: dict[Colour, str] = {"rgb": "RGB", "grey": "L"}
_TURNED, _SIDEWAYS = range(2, 9), range(5, 9)  # orientations of EXIF; the latter exchange height and width
_ORIENTATION = 0x0112
_MOST_PIXELS = 50_000_000  # decoded, that is 150 MB; a few kB of PNG can stand for any number of pixels


@dataclass(frozen=True)
class PictureFile:
    """Size and problems of an image file.

    Attributes:
        problem: why it cannot be used; "" if it can.
        width, height: of the file, in pixels; 0 if it is broken.
        converted: what was converted, for example "CMYK" or "rotated"; "" for a plain RGB JPEG.
    """

    problem: str = ""
    width: int = 0
    height: int = 0
    converted: str = ""


def read_picture(
    content: bytes, height: int, width: int, fit: Fit = "stretch", colour: Colour = "rgb"
) -> tuple[np.ndarray | None, PictureFile]:
    """Decode an image file (JPEG, PNG, GIF, WebP, BMP; the first frame) and bring it to one size.

    Transparency becomes white. A picture that EXIF marks as rotated is turned upright.

    Args:
        content: the file's bytes.
        height, width: of the result, in pixels.
        fit: "stretch" ignores the picture's proportions; "pad" keeps them and adds black on two sides; "crop" keeps
            them and cuts two sides. Default "stretch".
        colour: "rgb" or "grey" (ITU-R 601 luma). Default "rgb".

    Returns:
        picture: uint8 (height, width, 3), if grey (height, width); None if the file cannot be decoded, has 16 or more
            bits per channel, or over 50 million pixels.
        file: size, and the problem if there is no picture.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            size = image.size
            if size[0] * size[1] > _MOST_PIXELS:
                return None, PictureFile(f"{size[0]} x {size[1]} pixels; expected at most {_MOST_PIXELS:,}", *size)
            orientation = image.getexif().get(_ORIENTATION, 1)
            converted = [] if image.format in ("JPEG", "MPO") else [image.format or ""]
            converted += [] if image.mode == "RGB" else [image.mode]
            if image.mode[:1] in "IF":
                return None, PictureFile(f"16 or more bits a channel ({image.mode})", *size)
            if image.mode == "RGB" and orientation not in _SIDEWAYS:
                image.draft("RGB", (2 * width, 2 * height))  # a JPEG of several times this size is decoded smaller
            if orientation in _TURNED:
                converted.append("rotated")
            upright = ImageOps.exif_transpose(image)
            if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
                clear = upright.convert("RGBA")
                upright = Image.new("RGBA", clear.size, "white")
                upright.alpha_composite(clear)
                converted.append("transparency")
            picture = _fit(upright.convert("RGB").convert(_MODES[colour]), height, width, fit)
    except UnidentifiedImageError:  # its own words name an object in memory
        return None, PictureFile(f"no picture of a known kind ({len(content):,} bytes)")
    except MemoryError:  # a problem of this computer, not of the picture
        raise
    except Exception as error:  # a damaged file makes Pillow fail in any way
        return None, PictureFile(f"broken: {type(error).__name__}: {error}"[:200])
    return np.asarray(picture, dtype=np.uint8), PictureFile("", *size, converted=" ".join(converted))


def _fit(picture: Image, height: int, width: int, fit: Fit) -> Image:
    from PIL import Image, ImageOps

    bicubic = Image.Resampling.BICUBIC
    if fit == "pad":
        return ImageOps.pad(picture, (width, height), bicubic, color=0)
    if fit == "crop":
        return ImageOps.fit(picture, (width, height), bicubic)
    return picture.resize((width, height), bicubic)
