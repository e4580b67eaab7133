"""Translate an image with an exported model: ONNX Runtime and Pillow, no PyTorch and no discogan.

discogan export RUN --direction a_to_b --out model.onnx
python examples/onnx_translate.py model.onnx sketch.png photo.png
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model, source, target = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["discogan"])
data = about["config"]["data"]
channels = data["channels_a" if about["direction"] == "a_to_b" else "channels_b"]

image = ImageOps.exif_transpose(Image.open(source)).convert("L" if channels == 1 else "RGB")
image = ImageOps.fit(image, (data["image_size"],) * 2, Image.Resampling.BICUBIC)
pixels = np.asarray(image, dtype=np.uint8).reshape(1, data["image_size"], data["image_size"], channels)
(translated,) = session.run(None, {session.get_inputs()[0].name: pixels})
Image.fromarray(translated[0].squeeze()).save(target)
