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

; Denormal results and inputs count as zero (FZ, bit 24); returns the mode before.
define internal i64 @flush_denormals() nounwind {
  %before = call i64 @llvm.aarch64.get.fpcr()
  %flushing = or i64 %before, 16777216
  call void @llvm.aarch64.set.fpcr(i64 %flushing)
  ret i64 %before
}

define internal void @restore_denormals(i64 %mode) nounwind {
  call void @llvm.aarch64.set.fpcr(i64 %mode)
  ret void
}
