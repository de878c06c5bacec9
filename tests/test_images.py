"""Every way in and out: sources, orientations, depths, modes, profiles, and each kind of bad input."""

import contextlib
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest
import torch
from pictures import icc_profile
from PIL import ImageCms

from restoration.images import Image, InputError, check_image, read_image, to_image, to_tensor, write_png
from restoration.images.pictures import FORMATS, MAX_PIXELS, MIN_SIDE, encode_png

EXACT = {"WEBP": {"lossless": True}, "JPEG": {"quality": 98, "subsampling": 0}}  # as little lost as can be


def sample(height: int = 40, width: int = 56) -> Image:
    """Smooth, coloured, and different under every turn and flip."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * x // width, 255 * y // height, 128 + 100 * (x > y)], axis=2).astype(np.uint8)


def encode(picture: PIL.Image.Image, fmt: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=fmt, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_all_sources_give_the_same_picture(tmp_path: Path) -> None:
    expected = sample()
    data = encode(PIL.Image.fromarray(expected))
    path = tmp_path / "größe und raum.png"
    path.write_bytes(data)
    with path.open("rb") as file:
        for source in (path, str(path), data, file, PIL.Image.open(io.BytesIO(data)), expected):
            image = read_image(source)
            assert image.flags.c_contiguous
            assert image.flags.writeable
            np.testing.assert_array_equal(image, sample(), strict=True)
            image[:] = 0  # shares no memory with its source
    with pytest.raises(InputError, match=r"shape \(20, 20, 7\)"):
        read_image(np.zeros((20, 20, 7), np.uint8))


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(fmt: str, orientation: int) -> None:
    """What is stored is the upright picture turned as the EXIF standard describes: (row 0, column 0) of what is
    stored is, for 1 to 8, the upright top left, top right, bottom right, bottom left, left top, right top, right
    bottom, left bottom."""
    upright = sample()
    half = upright[::-1, ::-1]
    stored = (
        upright, upright[:, ::-1], half, upright[::-1],
        upright.transpose(1, 0, 2), np.rot90(upright, 1), half.transpose(1, 0, 2), np.rot90(upright, -1),
    )[orientation - 1]  # fmt: skip
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    picture = PIL.Image.fromarray(np.ascontiguousarray(stored))
    picture.info["exif"] = exif.tobytes()  # HEIF: beside its own mark, as telephones write it; not to be applied twice
    image = read_image(encode(picture, fmt, **EXACT.get(fmt, {}), **({} if fmt == "HEIF" else {"exif": exif})))
    assert image.shape == upright.shape
    limit = {"JPEG": 4, "HEIF": 10, "AVIF": 4}.get(fmt, 0)  # wrongly turned: above 40
    assert np.abs(image.astype(int) - upright).mean() <= limit


def test_a_transparent_pixel_shows_white_and_not_its_hidden_colour() -> None:
    rgba = np.zeros((32, 32, 4), np.uint8)
    rgba[..., 0] = 200  # hidden red
    rgba[8:24, 8:24, 3] = 255
    rgba[0, 0, 3] = 51  # a fifth: 200/5 + 255*4/5 = 244, 0/5 + 255*4/5 = 204
    expected = np.full((32, 32, 3), 255, np.uint8)
    expected[8:24, 8:24] = (200, 0, 0)
    expected[0, 0] = (244, 204, 204)
    picture = PIL.Image.fromarray(rgba)
    for source in (encode(picture), encode(picture, "WEBP", lossless=True, exact=True)):
        assert np.array_equal(read_image(source), expected)
    grey = PIL.Image.merge("LA", (picture.getchannel("R"), picture.getchannel("A")))
    assert np.array_equal(read_image(encode(grey)), expected[..., :1].repeat(3, axis=2))
    palette = PIL.Image.fromarray(rgba[..., 3] // 255)
    palette.putpalette([10, 20, 30, 200, 0, 0])
    expected[0, 0] = 255  # here a pixel is there or not
    assert np.array_equal(read_image(encode(palette, transparency=0)), expected)


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).round().astype(np.uint16)
    expected = np.repeat(np.rint(values / 257).astype(np.uint8)[..., None], 3, axis=2)
    for pixels in (values, values.astype(np.int32), (values / 65535).astype(np.float32)):  # modes I;16, I and F
        assert np.array_equal(read_image(encode(PIL.Image.fromarray(pixels), "TIFF")), expected)


@pytest.mark.parametrize(("mode", "value", "message"), [
    ("I", 70_000, "65535"), ("I", -1, "65535"), ("F", 255.0, r"0\.\.1,"), ("F", float("nan"), "NaN"),
])  # fmt: skip
def test_values_out_of_range_are_refused(mode: str, value: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_image(encode(PIL.Image.new(mode, (32, 32), value), "TIFF"))


def test_cmyk_jpeg_is_not_inverted() -> None:
    """Adobe's CMYK JPEGs, which PIL writes too, store inverted ink and carry a marker that says so."""
    expected = sample()
    data = encode(PIL.Image.fromarray(expected).convert("CMYK"), "JPEG", quality=98, subsampling=0)
    assert b"Adobe" in data
    assert np.abs(read_image(data).astype(int) - expected).mean() < 3


def test_animated_files_give_their_first_frame() -> None:
    first = np.repeat(sample()[..., :1] // 64 * 64, 3, axis=2)
    frames = [PIL.Image.fromarray(255 - first)]
    for fmt in ("GIF", "PNG", "WEBP", "TIFF"):
        data = encode(PIL.Image.fromarray(first), fmt, save_all=True, append_images=frames, **EXACT.get(fmt, {}))
        assert PIL.Image.open(io.BytesIO(data)).n_frames == 2  # type: ignore[attr-defined]
        assert np.array_equal(read_image(data), first), fmt


# Of Adobe's own profile: its primaries adapted to D50.
RED, GREEN, BLUE = (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)
ADOBE_RGB = icc_profile(b"RGB ", 563 / 256, rXYZ=RED, gXYZ=GREEN, bXYZ=BLUE)


def test_an_embedded_profile_is_converted_to_srgb() -> None:
    """The expected colour comes from the formulas of the two standards: Adobe RGB (1998) and IEC 61966-2-1."""
    colour = np.array([150, 120, 100]) / 255
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    from_xyz = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    linear = from_xyz @ to_xyz @ colour ** (563 / 256)
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    flat = np.tile(np.array([150, 120, 100], np.uint8), (32, 32, 1))
    assert np.abs(expected - flat[0, 0]).max() > 5
    for fmt in ("PNG", "WEBP", "TIFF"):
        image = read_image(encode(PIL.Image.fromarray(flat), fmt, icc_profile=ADOBE_RGB, **EXACT.get(fmt, {})))
        assert np.abs(image.astype(float) - expected).max() < 1.5, fmt
    alpha = PIL.Image.fromarray(np.dstack([flat, np.full((32, 32), 255, np.uint8)]))
    assert np.abs(read_image(encode(alpha, icc_profile=ADOBE_RGB)).astype(float) - expected).max() < 1.5


def test_an_srgb_profile_changes_nothing_and_a_broken_or_foreign_one_is_ignored() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    every = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    assert np.abs(read_image(encode(PIL.Image.fromarray(every), icc_profile=profile)).astype(int) - every).max() <= 1
    for profile in (b"rubbish", ADOBE_RGB[:200], bytes(128)):
        assert np.array_equal(read_image(encode(PIL.Image.fromarray(every), icc_profile=profile)), every)
    grey = PIL.Image.fromarray(every[..., 0])
    assert np.array_equal(read_image(encode(grey, icc_profile=ADOBE_RGB))[..., 2], every[..., 0])


def srgb(light: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1: linear light in [0, 1] to levels in [0, 255]."""
    return 255 * np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)


def test_a_png_without_a_profile_is_read_by_its_gamma_and_primaries() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    colours = np.dstack([every, every[::-1], every.T])
    flat = np.tile(np.array([150, 120, 100], np.uint8), (300, 16, 1))

    def read(pixels: np.ndarray, *chunks: tuple[bytes, list[int]]) -> np.ndarray:
        data = encode(PIL.Image.fromarray(np.ascontiguousarray(pixels)))
        extra = (png_chunk(kind, struct.pack(f">{len(values)}I", *values)) for kind, values in chunks)
        return read_image(data[:33] + b"".join(extra) + data[33:])

    linear, adobe = (b"gAMA", [100_000]), [31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000]
    assert np.abs(read(colours, linear) - srgb(colours / 255)).max() <= 0.5
    assert np.abs(read(every, linear)[..., 0] - srgb(every / 255)).max() <= 0.5
    assert np.array_equal(read(colours, (b"gAMA", [45_455])), colours)  # what everybody writes for sRGB
    assert np.array_equal(read(colours, (b"sRGB", [0]), linear), colours)
    expected = read_image(encode(PIL.Image.fromarray(flat), icc_profile=ADOBE_RGB)).astype(int)
    wide = read(flat, (b"gAMA", [45_455 * 100 // 101]), (b"cHRM", adobe)).astype(int)
    assert np.abs(wide - expected).max() <= 4  # its curve is sRGB's, not a power
    assert np.abs(wide - flat).max() >= 8
    for gamma, primaries in ((0, adobe), (2**31, adobe), (100_000, [0] * 8), (45_455, [1] * 8)):  # nonsense
        assert read(flat, (b"gAMA", [gamma]), (b"cHRM", primaries)).shape == flat.shape


def test_a_cameras_mark_of_adobe_rgb_counts() -> None:
    flat = PIL.Image.fromarray(np.tile(np.array([150, 120, 100], np.uint8), (32, 32, 1)))
    exif = PIL.Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03", 2: b"0100"}
    exif[0x8769] = exif.get_ifd(0x8769)
    image = read_image(encode(flat, "JPEG", quality=100, subsampling=0, exif=exif)).astype(int)
    profile = read_image(encode(flat, "JPEG", quality=100, subsampling=0, icc_profile=ADOBE_RGB)).astype(int)
    assert np.abs(image - profile).max() <= 1
    assert np.abs(image - np.array([150, 120, 100])).max() > 5


@pytest.mark.parametrize(("fmt", "options"), [*((fmt, {}) for fmt in FORMATS), ("JPEG", {"progressive": True})])
def test_truncated_files_are_refused_at_every_length(fmt: str, options: dict) -> None:
    """Never half a picture: each cut either gives the whole picture (only trailing bytes are lost) or an error."""
    data = encode(PIL.Image.effect_noise((64, 48), 60).convert("RGB"), fmt, **options)
    whole = read_image(data)
    for fraction in np.linspace(0.02, 0.98, 25):
        with contextlib.suppress(InputError):
            assert np.array_equal(read_image(data[: int(len(data) * fraction)]), whole), fraction
    with pytest.raises(InputError, match="cut short"):
        read_image(data[: len(data) // 2])


@pytest.mark.parametrize("data", [
    b"", b"hello, this is a text and not a photograph", b"<svg xmlns='http://www.w3.org/2000/svg'/>", bytes(4096),
    b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", b"\xff\xd8\xff", encode(PIL.Image.fromarray(sample()), "TGA"),
])  # fmt: skip
def test_what_is_no_picture_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(InputError, match=r"not a picture.*PNG, JPEG, WebP"):
            read_image(source)


@pytest.mark.parametrize("size", [(1, 1), (MIN_SIDE - 1, 400), (400, MIN_SIDE - 1)])
def test_tiny_pictures_are_refused(size: tuple[int, int]) -> None:
    picture = PIL.Image.new("RGB", size)
    for read, source in ((read_image, encode(picture)), (check_image, np.asarray(picture))):
        with pytest.raises(InputError, match=f"{size[0]} x {size[1]}.*{MIN_SIDE} pixels"):
            read(source)
    assert read_image(encode(PIL.Image.new("RGB", (MIN_SIDE, MIN_SIDE)))).shape == (MIN_SIDE, MIN_SIDE, 3)


def huge_png(width: int, height: int) -> bytes:
    """A small file whose header claims another size."""
    data = encode(PIL.Image.new("1", (64, 64)))
    return data[:8] + png_chunk(b"IHDR", struct.pack(">II", width, height) + data[24:29]) + data[33:]


def test_too_many_pixels_are_refused_from_the_header_and_never_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = np.broadcast_to(np.zeros(3, np.uint8), (10_000, 5_001, 3))  # costs 3 bytes
    assert flat[..., 0].size > MAX_PIXELS
    sizes = ((7_072, 7_072), (50_000, 2_000), (20_000, 20_000))  # PIL itself refuses the last
    refused = [(check_image, flat), *((read_image, huge_png(*size)) for size in sizes)]

    def fail(self) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        for read, source in refused:
            with pytest.raises(InputError, match="more than 50 megapixels"):
                read(source)
        with pytest.raises(AssertionError, match="decoded"):
            read_image(huge_png(100, 100))


def test_paths_that_cannot_be_opened_are_refused(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "missing.png", r"Cannot open .*missing\.png: No such file"),
        (tmp_path, "Is a directory"),
        ("a\0b.png", "Cannot open"),
        ("a" * 5000 + ".png", "Cannot open"),
    ):
        with pytest.raises(InputError, match=message):
            read_image(path)


def test_write_png_is_lossless_and_atomic_and_says_what_is_wrong(tmp_path: Path, full_disk) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    path, other = tmp_path / "out.png", tmp_path / "other"
    for file in (path, other):
        file.write_bytes(b"something older")
    write_png(noise, path)
    assert np.array_equal(read_image(path), noise)
    assert path.stat().st_mode == other.stat().st_mode  # the umask decides
    for wrong in (path / "out.png", tmp_path):
        with pytest.raises(InputError, match="Cannot write"):
            write_png(sample(), wrong)
    with pytest.raises(InputError, match="float64"):
        write_png(sample() / 255, path)  # type: ignore[arg-type]
    full_disk(100)
    with pytest.raises(InputError, match="File too large"):
        write_png(255 - noise, path)
    full_disk(-1)
    assert path.read_bytes() == encode_png(noise)
    assert {*tmp_path.iterdir()} == {path, other}


def test_tensor_round_trip_is_exact() -> None:
    image = np.arange(256 * 3, dtype=np.uint16).astype(np.uint8).reshape(16, 16, 3)[::-1]
    tensor = to_tensor(image)
    assert (tensor.shape, tensor.dtype, tensor.is_contiguous()) == ((1, 3, 16, 16), torch.float32, True)
    assert tensor[0, 1, 2, 3].item() == pytest.approx(image[2, 3, 1] / 255, abs=1e-7)
    assert np.array_equal(to_image(tensor), image)
    assert np.array_equal(to_image(tensor[0].double()), image)


def test_to_image_clips_and_rounds_half_to_even() -> None:
    levels = torch.tensor([-3.0, 0.49, 0.5, 1.5, 2.5, 254.5, 255.4, 900.0, float("inf"), float("-inf")])
    # 0.5 and 2.5 go to the even neighbour (0 and 2), as 1.5 (2) and 254.5 (254) do
    expected = [0, 0, 0, 2, 2, 254, 255, 255, 255, 0]
    tensor = (levels.double() / 255).repeat(3, 16, 2)
    before = tensor.clone()
    assert to_image(tensor)[0, :10, 0].tolist() == expected
    assert torch.equal(tensor, before)


@pytest.mark.parametrize(("take", "value", "message"), [
    (to_image, torch.zeros(2, 3, 16, 16), r"\(2, 3, 16, 16\)"),
    (to_image, torch.zeros(16, 16, 3), r"\(16, 16, 3\)"),
    (to_image, torch.zeros(3, 16, 16, dtype=torch.uint8), "uint8"),
    (to_image, torch.full((3, 16, 16), float("nan")), "NaN"),
    (check_image, sample()[..., 0], "uint8"),
    (check_image, sample() / 255, "uint8"),
    (check_image, np.dstack([sample(), sample()[..., :1]]), "uint8"),
    (check_image, sample().tolist(), "list"),
    (to_tensor, sample().tolist(), "list"),
    (encode_png, sample()[:0], r"\(0, 56, 3\)"),
])  # fmt: skip
def test_what_is_no_image_or_tensor_of_one_is_refused(take, value, message: str) -> None:
    with pytest.raises(InputError, match=message):
        take(value)
