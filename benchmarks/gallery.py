"""Draw the README's gallery: unseen test images, their translations, and their true partners.

    python benchmarks/gallery.py RUN TEST_A TEST_B docs/gallery.png

The images are evenly spaced over the test folders, not chosen by eye. True pairs have the same name in both folders.
"""

import argparse
from pathlib import Path

import discogan
from discogan.images import decode_image, draw_sheet, image_files, to_pixels

COLUMNS = 8


def draw_gallery(run: Path, test_a: Path, test_b: Path, file: Path) -> None:
    """Write the sheet: for each direction the inputs, their translations and the true partners."""
    names = sorted({path.name for path in image_files(test_a)} & {path.name for path in image_files(test_b)})
    chosen = [names[place * (len(names) - 1) // (COLUMNS - 1)] for place in range(COLUMNS)]
    images_a = [decode_image(test_a / name, 3) for name in chosen]
    images_b = [decode_image(test_b / name, 3) for name in chosen]
    translator = discogan.load(run)
    rows = [
        ("edges, unseen", images_a),
        ("edges to photo", translator.translate(images_a, "a_to_b")),
        ("true photo", images_b),
        ("photo to edges", translator.translate(images_b, "b_to_a")),
    ]
    draw_sheet([(label, [to_pixels(image) for image in images]) for label, images in rows]).save(file, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("run", "test_a", "test_b", "out"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    draw_gallery(arguments.run, arguments.test_a, arguments.test_b, arguments.out)
