# Chooses a Python that has PyTorch and sets what makes training on a CPU fast. Sourced by the commands beside it.
for python in "${PYTHON:-python3}" /usr/bin/python3; do
    if "$python" -c 'import torch, sentencepiece' 2>/dev/null; then found=1; break; fi
done
if [ -z "${found:-}" ]; then
    echo "no Python with PyTorch and sentencepiece; on Debian: apt-get install python3-torch python3-sentencepiece" >&2
    exit 1
fi
# A training step allocates and frees the same hundreds of megabytes again and again. By default glibc hands such blocks
# back to the kernel, which then faults every page in anew: kept, and in huge pages, training is 1.5 to 3 times faster.
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=8589934592:glibc.malloc.trim_threshold=17179869184
export PYTHONPATH="$here:$here/../clients/python${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
