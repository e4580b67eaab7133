"""Translate an image with an exported model, with ONNX Runtime and Pillow only.

discogan export RUN --direction a_to_b --out model.onnx
export ORT_DISABLE_TELEMETRY=1  # Without it, ONNX Runtime reports its use to Microsoft.
python examples/onnx_translate.py model.onnx sketch.png photo.png
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageColor, ImageOps

if len(sys.argv) != 4:
    raise SystemExit(__doc__)
model, source, target = sys.argv[1:]
for file in (model, source):
    if not Path(file).is_file():
        raise SystemExit(f"{file} is not a file. This script takes one image; discogan translate takes folders.")
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
metadata = json.loads(session.get_modelmeta().custom_metadata_map["discogan"])
data = metadata["config"]["data"]
channels = data["channels_a" if metadata["direction"] == "a_to_b" else "channels_b"]

image = ImageOps.exif_transpose(Image.open(source))
if image.mode.startswith(("I", "F")):
    raise SystemExit(f"{source} has more than 8 bits per channel. Use discogan translate {model} instead.")
if image.has_transparency_data:
    background = Image.new("RGBA", image.size, data["background"])
    image = Image.alpha_composite(background, image.convert("RGBA"))
image = image.convert("L" if channels == 1 else "RGB")
size, bicubic = (data["image_size"], data["image_size"]), Image.Resampling.BICUBIC
if data["fit"] == "stretch":
    image = image.resize(size, bicubic)
elif data["fit"] == "crop":
    image = ImageOps.fit(image, size, bicubic)
else:
    colour = ImageColor.getcolor(data["background"], image.mode)
    image = ImageOps.pad(image, size, bicubic, color=colour)
pixels = np.asarray(image, dtype=np.uint8).reshape(1, *size, channels)
(translated,) = session.run(None, {session.get_inputs()[0].name: pixels})
Image.fromarray(translated[0].squeeze()).save(target)
