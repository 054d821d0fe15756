#!/usr/bin/env bash
# The matrix of kernels of this folder: matrix.sh ROPEWALK writes matrix.json, and goes on where it ended.
set -eu
rows="--ops rms_norm,add_rms_norm,silu_mul,gelu_tanh_mul --widths 1024,2048,4096,5120,8192,14336"
ropes="--heads 32/32,32/8,64/8,8/2 --head-dims 64,80,96,128,192,256"
all="1,4,16,64,256,1024,4096,16384"
few="1,16,256,4096"
measure() { "$rw" bench kernels --device cuda --json matrix.json --resume "$@"; }
rw=${1:?expected the program}
# shellcheck disable=SC2086  # lists of words
{
  measure $rows --dtypes bfloat16 --cache cold --tokens $all
  measure --ops rope,rope_kv_write,qk_norm_rope_kv_write $ropes --dtypes bfloat16 --kv-dtypes same \
    --kv-layouts NHD --cache cold --tokens $all
  measure --ops rope_kv_write,qk_norm_rope_kv_write $ropes --dtypes bfloat16 --kv-dtypes same \
    --kv-layouts HND --cache cold --tokens $few
  measure --ops rope_kv_write,qk_norm_rope_kv_write $ropes --dtypes bfloat16 --kv-dtypes fp8 \
    --kv-layouts NHD,HND --cache cold --tokens $few
  measure $rows --dtypes float16,float32 --cache cold --tokens $few
  measure --ops rope,rope_kv_write,qk_norm_rope_kv_write $ropes --dtypes float16,float32 \
    --kv-dtypes same --kv-layouts HND --cache cold --tokens $few
  measure $rows --dtypes bfloat16 --cache hot --tokens $few
  measure --ops rope,rope_kv_write,qk_norm_rope_kv_write $ropes --dtypes bfloat16 --kv-dtypes same \
    --kv-layouts NHD --cache hot --tokens $few
}
