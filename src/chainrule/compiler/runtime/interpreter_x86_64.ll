; What the interpreter needs of an x86-64 processor.

declare i64 @llvm.readcyclecounter()
declare void @llvm.x86.sse2.pause()
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)

; A clock that all cores agree on.
define i64 @chainrule_ticks() nounwind {
  %ticks = call i64 @llvm.readcyclecounter()
  ret i64 %ticks
}

; One turn of a waiting loop.
define internal void @relax() nounwind {
  call void @llvm.x86.sse2.pause()
  ret void
}

; Whether denormal results and inputs count as zero (FTZ 0x8000, DAZ 0x40); returns the mode before.
define internal i64 @denormals(i64 %flush) nounwind {
  %at = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %at)
  %before = load i32, ptr %at
  %others = and i32 %before, -32833
  %flushes = icmp ne i64 %flush, 0
  %bits = select i1 %flushes, i32 32832, i32 0
  %after = or i32 %others, %bits
  store i32 %after, ptr %at
  call void @llvm.x86.sse.ldmxcsr(ptr %at)
  %mode = zext i32 %before to i64
  ret i64 %mode
}

define internal void @restore_denormals(i64 %mode) nounwind {
  %at = alloca i32
  %before = trunc i64 %mode to i32
  store i32 %before, ptr %at
  call void @llvm.x86.sse.ldmxcsr(ptr %at)
  ret void
}
