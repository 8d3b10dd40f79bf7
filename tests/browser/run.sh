#!/usr/bin/env bash
# The tests in a real browser. Installs what is missing: Chromium by apt, where there is apt and the
# right to use it, and Playwright by pip. PYTHON names the Python to use.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
found=
for name in chromium chromium-browser google-chrome chrome; do
  if command -v "$name" > /dev/null; then found=$name; fi
done
if [ -z "$found" ]; then
  apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
  if [ "$(id -u)" != 0 ]; then apt=(sudo "${apt[@]}"); fi
  "${apt[@]}" update -qq
  "${apt[@]}" install -y -qq --no-install-recommends chromium fonts-dejavu-core > /dev/null
fi
"$python" -m pip install -qq --disable-pip-version-check -c constraints.txt playwright
UNIKL_BROWSER=required exec "$python" -m pytest tests/browser "$@"
