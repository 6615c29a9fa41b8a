; What the interpreter needs of a 64-bit ARM processor.

declare i64 @llvm.readsteadycounter()
declare void @llvm.aarch64.hint(i32)
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)

; A clock that all cores agree on (the cycle counter is not open to programs).
define i64 @chainrule_ticks() nounwind {
  %ticks = call i64 @llvm.readsteadycounter()
  ret i64 %ticks
}

; One turn of a waiting loop (`yield`).
define internal void @relax() nounwind {
  call void @llvm.aarch64.hint(i32 1)
  ret void
}

; Whether denormal results and inputs count as zero (FZ, bit 24); returns the mode before.
define internal i64 @denormals(i64 %flush) nounwind {
  %before = call i64 @llvm.aarch64.get.fpcr()
  %others = and i64 %before, -16777217
  %flushes = icmp ne i64 %flush, 0
  %bits = select i1 %flushes, i64 16777216, i64 0
  %after = or i64 %others, %bits
  call void @llvm.aarch64.set.fpcr(i64 %after)
  ret i64 %before
}

define internal void @restore_denormals(i64 %mode) nounwind {
  call void @llvm.aarch64.set.fpcr(i64 %mode)
  ret void
}
