"""Two domains, no pairs: train, judge, translate, and look at the report.

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

    draw_domains(out / "data")  # Line drawings and pictures of other things; true pairs to score with.
    outcome = discogan.train(out / "data/train_a", out / "data/train_b", out=out / "run", minutes=minutes)
    print("Without any pair:", outcome.verdict.label, "-", outcome.verdict.reason)

    scores = discogan.evaluate(out / "run", out / "data/test_a", out / "data/test_b")
    for direction in ("a_to_b", "b_to_a"):
        right, unlearned = scores[direction]["top_1"], scores[direction]["identity_top_1"]
        print(f"{direction}: top-1 {right:.2f}, where the untranslated input has {unlearned:.2f}")

    drawing = Image.open(out / "data/test_a/test-0000.png")
    discogan.load(out / "run").translate(drawing, "a_to_b").save(out / "translated.png")
    print("Look at", out / "run/report.html", "and", out / "translated.png")


# Processes that decode images import this file again where they are not forked.
if __name__ == "__main__":
    main()
