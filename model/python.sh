# Chooses a Python that has PyTorch and sets what makes training on a CPU fast. Sourced by the commands beside it.
for python in "${PYTHON:-python3}" /usr/bin/python3; do
    if "$python" -c 'import torch, sentencepiece' 2>/dev/null; then found=1; break; fi
done
if [ -z "${found:-}" ]; then
    echo "no Python with PyTorch and sentencepiece; on Debian: apt-get install python3-torch python3-sentencepiece" >&2
    exit 1
fi
# Large tensors otherwise come fresh from the kernel and are given back at once: a third of a step went to page faults.
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
