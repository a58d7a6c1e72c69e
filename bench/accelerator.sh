#!/usr/bin/env bash
# Run bench/accelerator.py on a machine with torch and without network: bench/accelerator.sh CARRY OUT [ARGUMENTS]
# CARRY has wheels/ with imgscore's dependencies, and seeds/ with a few photographs.
set -u
carry=$(realpath "$1"); out=$(realpath "$2"); shift 2
site=/tmp/imgscore-site
mkdir -p "$site"
python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$site" "$carry"/wheels/*.whl
cp -r "$carry"/wheels/*.dist-info "$site"/ 2>/dev/null
export PYTHONPATH="$PWD:$PWD/daemon:$site" PYTHONUNBUFFERED=1
{
  python3 -c 'import torch, onnxruntime, numpy, PIL, os
print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__, "numpy", numpy.__version__, "Pillow", PIL.__version__)
print(len(os.sched_getaffinity(0)), "cores;", torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU")'
  uname -r; grep -m1 "model name" /proc/cpuinfo; ls -d /dev/nvidia* 2>/dev/null | tr '\n' ' '; echo
  python3 -c 'from imgscore.system import landlock; print("Landlock", landlock.kernel_support())'
} 2>&1 | tee "$out/machine.txt"
python3 -m bench.accelerator --seeds "$carry/seeds" --out "$out" "$@" 2>&1 | tee "$out/log.txt"
