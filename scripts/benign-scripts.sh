#!/usr/bin/env bash
# Fetches scripts and modules that administrators run every day: PowerShell that two packages of PyPI ship, by their publishers'
# licences (GPL-3.0), so nothing of it is in the tree. Prints the folder; the test of benign scripts reads it.
# usage: scripts/benign-scripts.sh FOLDER
set -euo pipefail
folder=$1
if [ ! -f "$folder/done" ]; then
    rm -rf "$folder"
    mkdir -p "$folder/wheels"
    "${PYTHON:-python3}" -m pip download --quiet --no-deps --dest "$folder/wheels" ansible-core ansible >&2
    "${PYTHON:-python3}" - "$folder" <<'PYTHON'
import pathlib, sys, zipfile

folder = pathlib.Path(sys.argv[1])
count = 0
for wheel in sorted((folder / "wheels").glob("*.whl")):
    with zipfile.ZipFile(wheel) as files:
        for name in files.namelist():
            # What tests of a package feed to it is no script that somebody runs.
            if name.endswith((".ps1", ".psm1", ".psd1")) and "/tests/" not in name:
                (folder / f"{count:03}_{pathlib.PurePosixPath(name).name}").write_bytes(files.read(name))
                count += 1
print(f"{count} scripts", file=sys.stderr)
PYTHON
    rm -rf "$folder/wheels"
    touch "$folder/done"
fi
echo "$folder"
