#!/usr/bin/env bash
# The engines that take long to start. Installs what is missing: Java by apt, where there is apt and
# the right to use it, PySpark and Ray by pip. PYTHON names the Python to use.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
if ! command -v java > /dev/null; then
  apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
  if [ "$(id -u)" != 0 ]; then apt=(sudo "${apt[@]}"); fi
  "${apt[@]}" update -qq
  "${apt[@]}" install -y -qq --no-install-recommends default-jre-headless > /dev/null
fi
"$python" -m pip install -qq --disable-pip-version-check -c constraints.txt pyspark ray
UNIKL_ENGINES=required exec timeout 900 "$python" -m pytest tests/engines/test_ray.py tests/engines/test_spark*.py "$@"
