"""Train on two folders without pairs, check the result, translate an image, and write a report.

python examples/quickstart.py [OUT] [MINUTES]
"""

import sys
from pathlib import Path

from PIL import Image

import discogan
from discogan.data.synthetic import draw_domains


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/quickstart")
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 2.5

    # Line drawings of some things, pictures of others, and test images with true pairs.
    draw_domains(out / "data")
    outcome = discogan.train(out / "data/train_a", out / "data/train_b", out=out / "run", minutes=minutes)
    print("Verdict without pairs:", outcome.verdict.label, "-", outcome.verdict.reason)

    scores = discogan.evaluate(out / "run", out / "data/test_a", out / "data/test_b")
    for direction in ("a_to_b", "b_to_a"):
        top_1, identity = scores[direction]["top_1"], scores[direction]["identity_top_1"]
        print(f"{direction}: top-1 {top_1:.2f}; {identity:.2f} for the untranslated input")

    drawing = Image.open(out / "data/test_a/test-0000.png")
    discogan.load(out / "run").translate(drawing, "a_to_b").save(out / "translated.png")
    print("See", out / "run/report.html", "and", out / "translated.png")


# The processes that decode images import this file again on Windows and macOS.
if __name__ == "__main__":
    main()
