"""Kernels written by hand, as text, with what they should compute in NumPy."""

from __future__ import annotations

from chainrule.kernel.text import parse_kernel

INCREMENT = parse_kernel("""
kernel inc(buffer x: float32, buffer y: float32 written, extent n)
  for grid b in n step 64
    for seq j in b.n step 16 split
      t = load x[b + j] (1, 16) strides (0, 1) valid (1, j.n)
      u = const 1.0 float32
      v = add t u
      store v y[b + j] (1, 16) strides (0, 1) valid (1, j.n)
""")

SOFTMAX = parse_kernel("""
kernel softmax(buffer x: float64, buffer y: float64 written, extent rows, extent n)
  for grid i in rows step 3
    for seq r in i.n
      low = const -inf float64
      for seq j in n step 8 carrying (m = low then m1)
        xm = load x[i*n + n*r + j] (1, 8) strides (0, 1) valid (all, j.n) fill -inf
        m0 = reduce max xm axis 1
        m1 = max m m0
      zero = const 0.0 float64
      for seq j in n step 8 split carrying (s = zero then s1)
        xs = load x[i*n + n*r + j] (1, 8) strides (0, 1) valid (all, j.n) fill -inf
        ds = sub xs m
        es = exp ds
        s0 = reduce add es axis 1
        s1 = add s s0
      for seq j in n step 8
        xy = load x[i*n + n*r + j] (1, 8) strides (0, 1) valid (all, j.n)
        dy = sub xy m
        ey = exp dy
        y0 = div ey s
        store y0 y[i*n + n*r + j] (1, 8) strides (0, 1) valid (all, j.n)
""")

GEMM = parse_kernel("""
kernel gemm(buffer a: float32, buffer b: float32, buffer bias: float32, buffer c: float32 written, \
extent M, extent N, extent K, scalar alpha)
  for grid i in M step 8
    for grid j in N step 16
      local pb: float32[16*K]
      for seq kp in K step 4
        tb = load b[N*kp + j] (4, 16) strides (N, 1) valid (kp.n, j.n)
        store tb pb[16*kp] (4, 16) strides (16, 1) valid (kp.n, all)
      scale = cast alpha float32
      for seq r in i.n step 4
        zero = const 0.0 float32
        for seq k in K unroll 2 carrying (acc = zero then sum)
          ak = load a[K*i + K*r + k] (4, 1) strides (K, 0) valid (r.n, all)
          bk = load pb[16*k] (1, 16) strides (0, 1)
          sum = mma acc ak bk
        t = mul acc scale
        u = load bias[j] (1, 16) strides (0, 1) valid (all, j.n)
        v = add t u
        w = max v zero
        store w c[N*i + N*r + j] (4, 16) strides (N, 1) valid (r.n, j.n)
""")

GATHER = parse_kernel("""
kernel gather(buffer table: float32, buffer index: int32, buffer y: float32 written, \
extent n, extent width)
  for grid i in n step 4
    at = load index[i] (4, 1) strides (1, 0) valid (i.n, all)
    wide = cast at int64
    pitch = index width
    rows = mul wide pitch
    for seq j in width step 8
      t = load table[j] (4, 8) strides (0, 1) valid (i.n, j.n) lanes rows fill -1.5
      store t y[i*width + j] (4, 8) strides (width, 1) valid (i.n, j.n)
""")

# out[s] += Σ rows of `updates` numbered order[first[s]], …, order[first[s + 1] - 1]
SEGMENTS = parse_kernel("""
kernel segments(buffer updates: float64, buffer order: int64, buffer first: int64, \
buffer out: float64 written, extent n, extent width)
  for grid s in n
    begin = load first[s] (1, 1) strides (0, 0)
    end = load first[1 + s] (1, 1) strides (0, 0)
    count = sub end begin
    for seq e in count
      row = load order[begin + e] (1, 1) strides (0, 0)
      for seq j in width step 4
        t = load updates[row*width + j] (1, 4) strides (0, 1) valid (all, j.n)
        accumulate t out[s*width + j] (1, 4) strides (0, 1) valid (all, j.n)
""")

COLUMN_SUMS = parse_kernel("""
kernel column_sums(buffer x: float64, buffer y: float64 written, extent rows, extent n)
  for grid j in n step 8
    zero = const 0.0 float64
    for seq i in rows step 4 carrying (s = zero then s1)
      t = load x[i*n + j] (4, 8) strides (n, 1) valid (i.n, j.n)
      t0 = reduce add t axis 0
      s1 = add s t0
    store s y[j] (1, 8) strides (0, 1) valid (all, j.n)
""")

ALL = (INCREMENT, SOFTMAX, GEMM, GATHER, SEGMENTS, COLUMN_SUMS)
