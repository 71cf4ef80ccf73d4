import struct

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin, features
from support.image_files import (
    DISPLAY_P3,
    GREY,
    HEIGHT,
    PALETTE,
    SCENE,
    WIDTH,
    encoded,
    png,
    rgb_profile,
    rgb_tiff_of_16_bits,
    rows,
)

from text2face_core.images import profiles
from text2face_core.images.decode import decode_image

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")


def difference(found: np.ndarray, expected: np.ndarray) -> int:
    assert found.shape == expected.shape
    return int(np.abs(found.astype(int) - expected).max())


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("PPM", {}, 0),
        ("TGA", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG2000", {}, 0),
        ("JPEG", {"quality": 95, "subsampling": 0}, 12),
        ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}, 12),
        ("WEBP", {"quality": 95}, 90),  # colours at half resolution: the edge of the blue corner
        pytest.param("AVIF", {"quality": 95, "subsampling": "4:4:4"}, 12, marks=needs_avif),
    ],
)
def test_every_kind_of_file_gives_the_pixels_that_were_saved(kind, options, tolerance):
    pixels = decode_image(encoded(Image.fromarray(SCENE), kind, **options))
    assert difference(pixels, SCENE) <= tolerance
    assert np.abs(pixels.astype(int) - SCENE).mean() < 3
    assert (pixels.dtype, pixels.flags.c_contiguous, pixels.flags.writeable) == (np.uint8, True, False)


def test_a_path_and_its_bytes_give_the_same(tmp_path):
    content = encoded(Image.fromarray(SCENE), "JPEG")
    path = tmp_path / "ein Foto\nmit Umbruch, größer.jpg"
    path.write_bytes(content)
    assert np.array_equal(decode_image(path), decode_image(content))


def three(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, -1)


RAMP = np.linspace(0, 65535, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
RAMP_8 = three(np.round(RAMP / 257).astype(np.uint8))
RAMP_16 = RAMP.astype(np.uint16)


DEEP = {
    "PNG": (png(WIDTH, HEIGHT, 16, 0, rows(RAMP_16.astype(">u2"))), RAMP_8),
    "PNG, dark": (png(WIDTH, HEIGHT, 16, 0, rows((RAMP_16 // 64).astype(">u2"))), RAMP_8 // 64),  # as it says of itself
    "PNG, RGB": (png(WIDTH, HEIGHT, 16, 2, rows(np.repeat(RAMP_16.astype(">u2"), 3, 1))), RAMP_8),
    "PNG, 12 bits in 16": (png(WIDTH, HEIGHT, 16, 0, rows((RAMP_16 // 16).astype(">u2"))), RAMP_8),
    "PNG, RGB, dark": (png(WIDTH, HEIGHT, 16, 2, rows(np.repeat((RAMP_16 // 64).astype(">u2"), 3, 1))), RAMP_8 // 64),
    "PNG, RGB, 12 bits in 16": (
        png(WIDTH, HEIGHT, 16, 2, rows(np.repeat((RAMP_16 // 16).astype(">u2"), 3, 1))),
        RAMP_8,
    ),
    "PGM": (b"P5 64 48 65535\n" + RAMP_16.astype(">u2").tobytes(), RAMP_8),
    "PGM, 12 bits": (b"P5 64 48 4095\n" + (RAMP_16 // 16).astype(">u2").tobytes(), RAMP_8),
    "TIFF": (encoded(Image.fromarray(RAMP_16), "TIFF"), RAMP_8),
    "TIFF, big-endian": (encoded(Image.fromarray(RAMP_16.astype(">u2")), "TIFF"), RAMP_8),
    "TIFF, 12 bits in 16": (encoded(Image.fromarray(RAMP_16 // 16), "TIFF"), RAMP_8),
    "TIFF, 8 bits in 16": (encoded(Image.fromarray(RAMP_16 // 257), "TIFF"), RAMP_8),
    "TIFF, 16 bits in 32": (encoded(Image.fromarray(RAMP.astype(np.int32)), "TIFF"), RAMP_8),
    "TIFF, 32 bits": (encoded(Image.fromarray(RAMP.astype(np.int32) * 1000), "TIFF"), RAMP_8),
    "TIFF, floats to 1": (encoded(Image.fromarray((RAMP / 65535).astype(np.float32)), "TIFF"), RAMP_8),
    "TIFF, floats to 255": (encoded(Image.fromarray((RAMP / 257).astype(np.float32)), "TIFF"), RAMP_8),
    "TIFF, floats with holes": (
        encoded(Image.fromarray(np.where(RAMP > 0, RAMP, np.nan).astype(np.float32)), "TIFF"),
        RAMP_8,
    ),
    "TIFF, RGB": (rgb_tiff_of_16_bits(three(RAMP_16), "<"), RAMP_8),
    "TIFF, RGB, big-endian": (rgb_tiff_of_16_bits(three(RAMP_16), ">"), RAMP_8),
}


@pytest.mark.parametrize(("content", "expected"), DEEP.values(), ids=DEEP)
def test_more_than_eight_bits_are_scaled_down(content, expected):
    assert difference(decode_image(content), expected) <= 1


def half_transparent() -> Image.Image:
    image = Image.fromarray(SCENE).convert("RGBA")
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, :32] = 0
    alpha[:, 32:48] = 128
    image.putalpha(Image.fromarray(alpha))
    return image


def over_white(colours: np.ndarray) -> np.ndarray:
    expected = colours.astype(int)
    expected[:, :32] = 255
    expected[:, 32:48] = np.round((expected[:, 32:48] * 128 + 255 * 127) / 255)
    return expected


BITS = Image.fromarray(GREY).convert("1")
YCBCR = Image.fromarray(SCENE).convert("YCbCr")


MODES = {
    "RGBA, PNG": (encoded(half_transparent(), "PNG"), over_white(SCENE)),
    "RGBA, WebP": (encoded(half_transparent(), "WEBP", lossless=True, exact=True), over_white(SCENE)),
    "RGBA, TIFF": (encoded(half_transparent(), "TIFF"), over_white(SCENE)),
    "LA": (encoded(half_transparent().convert("LA"), "PNG"), over_white(three(GREY))),
    "L": (encoded(Image.fromarray(GREY), "PNG"), three(GREY)),
    "1": (encoded(BITS, "PNG"), np.asarray(BITS.convert("RGB"))),
    "P, PNG": (encoded(PALETTE, "PNG"), np.asarray(PALETTE.convert("RGB"))),
    "P, GIF": (encoded(PALETTE, "GIF"), np.asarray(PALETTE.convert("RGB"))),
    "CMYK, TIFF": (encoded(Image.fromarray(SCENE).convert("CMYK"), "TIFF"), SCENE),
    "YCbCr, TIFF": (encoded(YCBCR, "TIFF"), np.asarray(YCBCR.convert("RGB"))),
}


@pytest.mark.parametrize(("content", "expected"), MODES.values(), ids=MODES)
def test_palettes_greys_alpha_and_inks_become_rgb_on_white(content, expected):
    assert difference(decode_image(content), expected) <= 1


@pytest.mark.parametrize("options", [{"transparency": 0}, {"transparency": bytes([0] + [255] * 63)}])
def test_a_transparent_palette_entry_becomes_white(options):
    pixels = decode_image(encoded(PALETTE, "PNG", **options))
    first = np.asarray(PALETTE) == 0
    assert first.any()
    assert (pixels[first] == 255).all()
    assert np.array_equal(pixels[~first], np.asarray(PALETTE.convert("RGB"))[~first])


@pytest.mark.skipif(
    not any(key[1] == 1 and key[5] == (1,) for key in TiffImagePlugin.OPEN_INFO),
    reason="this Pillow refuses such files",
)
def test_premultiplied_grey_is_put_on_white():
    content = encoded(Image.new("LA", (32, 32), (50, 128)), "TIFF")
    extra_sample = "<HHIHH", 338, 3, 1
    assert content.count(struct.pack(*extra_sample, 2, 0)) == 1
    pixels = decode_image(content.replace(struct.pack(*extra_sample, 2, 0), struct.pack(*extra_sample, 1, 0)))
    assert difference(pixels, np.full((32, 32, 3), 50 + 127)) <= 1


def test_a_transparent_colour_becomes_white():
    image = Image.new("RGB", (32, 32), (10, 20, 30))
    image.paste((200, 0, 0), (0, 0, 16, 32))
    pixels = decode_image(encoded(image, "PNG", transparency=(10, 20, 30)))
    assert (pixels[:, :16] == (200, 0, 0)).all()
    assert (pixels[:, 16:] == 255).all()


def test_a_jpeg_in_inks_as_adobe_writes_them_is_no_negative():
    pixels = decode_image(encoded(Image.fromarray(SCENE).convert("CMYK"), "JPEG", quality=95, subsampling=0))
    assert np.abs(pixels.astype(int) - SCENE).mean() < 4


STORED_AS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}, 12),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("TIFF", {}, 0),
        pytest.param("AVIF", {"quality": 95, "subsampling": "4:4:4"}, 12, marks=needs_avif),
    ],
)
def test_all_orientations_give_the_same_upright_pixels(kind, options, tolerance, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](SCENE)))
    assert difference(decode_image(encoded(stored, kind, exif=exif, **options)), SCENE) <= tolerance


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\x00\x09\x01\x12", b"waste"])
def test_broken_exif_is_ignored(kind, exif):
    content = encoded(Image.fromarray(SCENE), kind, exif=b"Exif\0\0" + exif)
    assert np.array_equal(decode_image(content), decode_image(encoded(Image.fromarray(SCENE), kind)))


def test_an_orientation_that_does_not_exist_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 9
    assert np.array_equal(decode_image(encoded(Image.fromarray(SCENE), "PNG", exif=exif)), SCENE)


def linear(levels: np.ndarray) -> np.ndarray:
    x = levels / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_display_p3_photo_is_converted_to_srgb(kind):
    muted = SCENE // 3 + 80  # inside both gamuts, so that nothing is clipped
    pixels = decode_image(encoded(Image.fromarray(muted), kind, icc_profile=rgb_profile(*DISPLAY_P3)))
    srgb = np.array([(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)])
    light = np.clip(linear(muted) @ np.array(DISPLAY_P3) @ np.linalg.inv(srgb), 0, 1)
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert difference(pixels, muted) > 10
    assert difference(pixels, np.round(expected)) <= 2


@pytest.mark.parametrize(
    "profile",
    [
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        rgb_profile((0.4368, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1430, 0.0606, 0.7140)),  # hardly another
        b"no profile at all",
        rgb_profile(*DISPLAY_P3)[:200],
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),  # for other pixels than these
    ],
)
def test_a_profile_of_srgb_and_a_broken_one_change_nothing(profile):
    assert np.array_equal(decode_image(encoded(Image.fromarray(SCENE), "PNG", icc_profile=profile)), SCENE)


def test_profiles_are_kept_for_the_next_photo_within_a_bound():
    kept = profiles._cached_transform
    kept.cache_clear()
    for number in range(40):
        profile = bytes([number]) * (profiles.CACHED_PROFILE + number % 2)
        decode_image(encoded(Image.fromarray(SCENE), "TIFF", icc_profile=profile))
    assert kept.cache_info().misses == 20, "larger ones are not kept"
    assert kept.cache_info().maxsize * profiles.CACHED_PROFILE <= 32_000_000


def test_a_grey_photo_stays_grey_whatever_its_profile():
    content = encoded(Image.fromarray(GREY), "PNG", icc_profile=rgb_profile(*DISPLAY_P3))
    assert np.array_equal(decode_image(content), three(GREY))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("MPO", {"quality": 100, "subsampling": 0})],
)
def test_the_first_of_several_pictures_is_taken(kind, options):
    first, *others = (Image.new("RGB", (32, 32), colour) for colour in ("red", "lime", "blue"))
    content = encoded(first, kind, save_all=True, append_images=others, **options)
    assert difference(decode_image(content), np.full((32, 32, 3), (255, 0, 0))) <= 2


def test_a_targa_photo_is_not_taken_for_the_cursor_it_begins_like():
    content = encoded(Image.fromarray(SCENE), "TGA")
    assert np.array_equal(decode_image(content), SCENE)
