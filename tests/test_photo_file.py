"""What a photo's file holds beside its colours comes through, or is converted, as documented."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from pictures import icc_profile
from PIL.PngImagePlugin import PngInfo

from restoration.images import InputError, read_image
from restoration.images.photo_file import PhotoFile, read_photo, write_photo

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (40, 60, 3), np.uint8)


def exif(orientation: int) -> PIL.Image.Exif:
    block = PIL.Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = "Maker"
    block.get_ifd(0x8769)[0x9003] = "2001:02:03 04:05:06"
    return block


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:format="image/jpeg">'
    b"<xmp:Thumbnails><rdf:Alt>AAAA</rdf:Alt></xmp:Thumbnails><dc:subject>harbour</dc:subject></rdf:Description></x:xmpmeta>"
)
IPTC = b"\x1c\x02\x19\x00\x07harbour"  # one keyword


def test_what_a_jpeg_says_beside_its_pixels_is_kept_but_what_describes_them(tmp_path: Path) -> None:
    block = exif(6)
    block[0x9C9E] = "keywords\0".encode("utf-16-le")
    block.get_ifd(0x8769).update({0xA002: 60, 0xA003: 40})
    photoshop = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(IPTC).to_bytes(4, "big") + IPTC
    extra = b"\xff\xed" + (len(photoshop) + 2).to_bytes(2, "big") + photoshop
    beside = {"exif": block, "xmp": XMP, "comment": b"by the harbour", "dpi": (300, 300), "extra": extra}
    PIL.Image.fromarray(COLOURS).save(tmp_path / "in.jpg", quality=95, **beside)
    photo = read_photo(tmp_path / "in.jpg")
    assert photo.image.shape == (60, 40, 3)  # turned upright
    twice = np.repeat(np.repeat(photo.image, 2, 0), 2, 1)
    for name in ("out.jpg", "out.webp", "out.png", "out.tif", "out.bmp"):
        write_photo(twice, tmp_path / name, photo)
        with PIL.Image.open(tmp_path / name) as written:
            written.load()
            if name != "out.webp":
                assert written.info["dpi"] == pytest.approx((600, 600), abs=0.01)
            if name == "out.bmp":
                continue
            xmp = written.info["xmp"] if name != "out.tif" else written.tag_v2[700]
            xmp = xmp.encode() if isinstance(xmp, str) else xmp
            assert b"<dc:subject>harbour</dc:subject>" in xmp
            assert b'dc:format="image/jpeg"' in xmp
            assert b"Orientation" not in xmp
            assert b"Thumbnails" not in xmp
            kept = written.getexif()
            assert (written.size, kept.get(0x0112, 1), kept[0x010F]) == ((80, 120), 1, "Maker")
            assert kept[0x9C9E].decode("utf-16-le").startswith("keywords")
            exposure = kept.get_ifd(0x8769)
            assert 0xA002 not in exposure
            assert name == "out.tif" or exposure[0x9003] == "2001:02:03 04:05:06"
    with PIL.Image.open(tmp_path / "out.jpg") as written:
        assert written.info["comment"] == b"by the harbour"
        assert written.info["photoshop"][0x0404] == IPTC
    with PIL.Image.open(tmp_path / "out.tif") as written:
        assert written.tag_v2[33723] == IPTC


def test_the_texts_of_a_png_are_kept(tmp_path: Path) -> None:
    texts = PngInfo()
    texts.add_text("Author", "somebody")
    texts.add_itxt("Title", "Hafen, früh")
    PIL.Image.fromarray(COLOURS).save(tmp_path / "in.png", pnginfo=texts, dpi=(300, 300))
    photo = read_photo(tmp_path / "in.png")
    write_photo(photo.image, tmp_path / "out.png", photo)
    with PIL.Image.open(tmp_path / "out.png") as written:
        assert written.text == {"Author": "somebody", "Title": "Hafen, früh"}
        assert written.info["dpi"] == pytest.approx((300, 300), abs=0.01)


def test_a_grey_photo_with_alpha_is_read_by_its_profile_both_ways(tmp_path: Path) -> None:
    pixels = np.dstack([np.full((40, 60), 55, np.uint8), np.full((40, 60), 255, np.uint8)])
    PIL.Image.fromarray(pixels).save(tmp_path / "in.png", icc_profile=icc_profile(b"GRAY", 1.0))
    assert read_image(tmp_path / "in.png")[0, 0].tolist() == [128] * 3  # sRGB of 55 / 255 linear light
    photo = read_photo(tmp_path / "in.png")
    assert photo.image[0, 0].tolist() == [128] * 3
    assert photo.grey
    write_photo(photo.image, tmp_path / "out.png", photo)
    assert "icc_profile" not in PIL.Image.open(tmp_path / "out.png").info  # the levels are sRGB's now


def test_transparency_is_kept_and_enlarged(tmp_path: Path) -> None:
    alpha = RNG.integers(0, 256, (40, 60), np.uint8)
    PIL.Image.fromarray(np.dstack((COLOURS, alpha))).save(tmp_path / "in.png")
    photo = read_photo(tmp_path / "in.png")
    np.testing.assert_array_equal(photo.image, COLOURS)  # as stored, not over white
    write_photo(photo.image, tmp_path / "out.png", photo)
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(tmp_path / "out.png")), np.dstack((COLOURS, alpha)))
    write_photo(np.repeat(np.repeat(COLOURS, 2, 0), 2, 1), tmp_path / "large.png", photo)
    with PIL.Image.open(tmp_path / "large.png") as large:
        assert (large.size, large.mode) == ((120, 80), "RGBA")
    write_photo(photo.image, tmp_path / "out.jpg", photo)
    with PIL.Image.open(tmp_path / "out.jpg") as flat:
        assert np.asarray(flat)[alpha < 5].mean() > 200  # over white


@pytest.mark.parametrize("form", ["png", "webp"])
@pytest.mark.parametrize("block", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12", b"II*\0\xff\xff\xff\xff"])
def test_a_broken_exif_block_costs_no_transparent_photo(tmp_path: Path, form: str, block: bytes) -> None:
    alpha = RNG.integers(0, 256, (40, 60), np.uint8)
    path = tmp_path / f"in.{form}"
    PIL.Image.fromarray(np.dstack((COLOURS, alpha))).save(path, exif=block, lossless=True, exact=True)
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.image, COLOURS)
    np.testing.assert_array_equal(photo.alpha, alpha)
    write_photo(photo.image, tmp_path / "out.png", photo)
    assert read_image(path).shape == COLOURS.shape  # upright


def test_a_transparent_grey_of_16_bits_stays_transparent(tmp_path: Path) -> None:
    levels = RNG.integers(0, 256, (40, 60), np.uint16) * np.uint16(257)
    levels[:10] = 514
    PIL.Image.fromarray(levels).save(tmp_path / "in.png", transparency=514, exif=exif(3))
    photo = read_photo(tmp_path / "in.png")
    assert photo.grey
    assert photo.alpha is not None
    np.testing.assert_array_equal(photo.alpha == 0, levels[::-1, ::-1] == 514)  # turned upright
    np.testing.assert_array_equal(photo.image[..., 0], levels[::-1, ::-1] // 257)  # as stored, not over white
    write_photo(photo.image, tmp_path / "out.png", photo)
    assert PIL.Image.open(tmp_path / "out.png").mode == "LA"


def test_what_a_format_cannot_hold_is_refused_with_what_to_do(tmp_path: Path) -> None:
    block = exif(1)
    block[0x010E] = "x" * 70_000
    PIL.Image.fromarray(COLOURS).save(tmp_path / "in.png", exif=block)
    photo = read_photo(tmp_path / "in.png")
    with pytest.raises(InputError, match=r"bytes of EXIF; JPEG holds 65533\. Write it as \.png"):
        write_photo(photo.image, tmp_path / "out.jpg", photo)
    write_photo(photo.image, tmp_path / "out.png", photo)
    long = np.zeros((16, 65_501, 3), np.uint8)
    for name in ("out.jpg", "out.webp"):
        with pytest.raises(InputError, match=r"a side\. Write it as \.png"):
            write_photo(long, tmp_path / name, PhotoFile(long, None, False, b""))
        assert not (tmp_path / name).exists()
    for name, side in (("out.jpg", 65_500), ("out.webp", 16_383)):  # as the encoders have it
        write_photo(long[:, :side], tmp_path / name, PhotoFile(long, None, False, b""))


@pytest.mark.parametrize("name", ["out.png", "out.webp", "out.tif", "out.bmp"])
def test_lossless_formats_hold_every_bit(tmp_path: Path, name: str) -> None:
    write_photo(COLOURS, tmp_path / name, PhotoFile(COLOURS, None, False, b""))
    np.testing.assert_array_equal(read_image(tmp_path / name), COLOURS)
