"""Translate all images in a folder and its subfolders, and list the files that could not be read.

python examples/batch_translate.py RUN FOLDER OUT
"""

import sys

import discogan

if len(sys.argv) != 4:
    raise SystemExit(__doc__)
run, folder, out = sys.argv[1:]
translator = discogan.load(run)
results = translator.translate_files(folder, out, "a_to_b", original_size=True)
for result in results:
    print(result.target or f"skipped: {result.problem}")
