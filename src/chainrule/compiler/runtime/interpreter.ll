; The plan interpreter: runs a table of instructions on any number of threads.
;
; The thread that calls @chainrule_run owns the program; workers sit in @chainrule_serve and join
; in. A *group* is a run of launches that need not wait for each other. Its tasks are numbered
; through and cut into one section per thread. A thread claims some tasks at a time, from its own
; section first, then from the others'. Whoever completes the group's last task moves on, alone:
; loops, guard, next group. Nobody waits for a thread that holds no task: a worker that wakes late,
; or whose core was taken away, delays nothing.
;
; A claim is a compare-and-swap on a word that holds the generation too, so a late thread that
; still believes in an old group cannot claim tasks of the new one. The fields of a group are read
; as under a sequence lock: generation, fields, same generation again.
;
; $$NAMES are words of layout.py. No IR pass runs over this text.

declare i32 @$YIELD()
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

; Let time pass: spin at first; if that takes long, let other programs have the core.
define internal void @wait(ptr %board, i64 %since) nounwind {
  call void @relax()
  %now = call i64 @chainrule_ticks()
  %waited = sub i64 %now, %since
  %limit.p = getelementptr i64, ptr %board, i64 $BOARD_SPIN
  %limit = load i64, ptr %limit.p
  %long = icmp ugt i64 %waited, %limit
  br i1 %long, label %yield, label %done
yield:
  %ignored = call i32 @$YIELD()
  br label %done
done:
  ret void
}

; Address of word `word` of thread `i`.
define internal ptr @thread(ptr %board, i64 %i, i64 %word) nounwind {
  %before = mul i64 %i, $THREAD_WORDS
  %at = add i64 %before, $BOARD_WORDS
  %index = add i64 %at, %word
  %p = getelementptr i64, ptr %board, i64 %index
  ret ptr %p
}

; First task of section `i`: ceil(total * i / sections). One task belongs to section 0.
define internal i64 @section(i64 %total, i64 %i, i64 %sections) nounwind {
  %product = mul i64 %total, %i
  %up = add i64 %product, %sections
  %less = sub i64 %up, 1
  %first = udiv i64 %less, %sections
  ret i64 %first
}

; Begin to change the group: the generation becomes odd and no claim can be won any more.
define internal void @open(ptr %board) nounwind {
  %p = getelementptr i64, ptr %board, i64 $BOARD_GENERATION
  %before = load atomic i64, ptr %p monotonic, align 8
  %odd = or i64 %before, 1
  store atomic i64 %odd, ptr %p monotonic, align 8
  fence release
  ret void
}

; End of the change: everything written before is seen by whoever sees the new generation.
define internal void @close(ptr %board) nounwind {
  %p = getelementptr i64, ptr %board, i64 $BOARD_GENERATION
  %odd = load atomic i64, ptr %p monotonic, align 8
  %even = add i64 %odd, 1
  store atomic i64 %even, ptr %p release, align 8
  ret void
}

; Write the claim words of all sections for the generation that comes: from the sections' first
; tasks, or (`keep`) from where they were left.
define internal void @deal(ptr %board, i1 %keep) nounwind {
begin:
  %generation.p = getelementptr i64, ptr %board, i64 $BOARD_GENERATION
  %odd = load atomic i64, ptr %generation.p monotonic, align 8
  %even = add i64 %odd, 1
  %tag = shl i64 %even, 32
  %sections.p = getelementptr i64, ptr %board, i64 $BOARD_SECTIONS
  %sections = load atomic i64, ptr %sections.p monotonic, align 8
  %total.p = getelementptr i64, ptr %board, i64 $BOARD_TOTAL
  %total = load atomic i64, ptr %total.p monotonic, align 8
  br label %each
each:
  %i = phi i64 [ 0, %begin ], [ %i.next, %each ]
  %claim = call ptr @thread(ptr %board, i64 %i, i64 $THREAD_CLAIM)
  %word = load atomic i64, ptr %claim monotonic, align 8
  %reached = and i64 %word, 4294967295
  %start = call i64 @section(i64 %total, i64 %i, i64 %sections)
  %task = select i1 %keep, i64 %reached, i64 %start
  %tagged = or i64 %tag, %task
  store atomic i64 %tagged, ptr %claim monotonic, align 8
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, %sections
  br i1 %more, label %each, label %done
done:
  ret void
}

; slot += delta * times for each of the loop's advances.
define internal void @shift(ptr %program, ptr %instruction, i64 %times) nounwind {
begin:
  %args.p = getelementptr i64, ptr %program, i64 $PROGRAM_ARGS
  %args = load ptr, ptr %args.p
  %pairs.p = getelementptr i64, ptr %program, i64 $PROGRAM_ADVANCES
  %pairs = load ptr, ptr %pairs.p
  %first.p = getelementptr i64, ptr %instruction, i64 $LOOP_ADVANCES
  %first = load i64, ptr %first.p
  %count.p = getelementptr i64, ptr %instruction, i64 $LOOP_COUNT
  %count = load i64, ptr %count.p
  br label %check
check:
  %i = phi i64 [ 0, %begin ], [ %i.next, %each ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %each, label %done
each:
  %at = add i64 %first, %i
  %word = shl i64 %at, 1
  %slot.p = getelementptr i64, ptr %pairs, i64 %word
  %slot = load i64, ptr %slot.p
  %delta.p = getelementptr i64, ptr %slot.p, i64 1
  %delta = load i64, ptr %delta.p
  %step = mul i64 %delta, %times
  %arg.p = getelementptr i64, ptr %args, i64 %slot
  %arg = load i64, ptr %arg.p
  %moved = add i64 %arg, %step
  store i64 %moved, ptr %arg.p
  %i.next = add i64 %i, 1
  br label %check
done:
  ret void
}

; From instruction `start` on, up to the next group with tasks or the end. The generation is odd before
; and even after; the calling thread is alone.
define internal void @advance(ptr %board, i64 %start) nounwind {
begin:
  %program.p = getelementptr i64, ptr %board, i64 $BOARD_PROGRAM
  %program = load ptr, ptr %program.p
  %instructions.p = getelementptr i64, ptr %program, i64 $PROGRAM_INSTRUCTIONS
  %instructions = load ptr, ptr %instructions.p
  %trips.p = getelementptr i64, ptr %program, i64 $PROGRAM_TRIPS
  %trips = load ptr, ptr %trips.p
  br label %next
next:
  %pc = phi i64 [ %start, %begin ], [ %group.next, %launch ], [ %pc.1, %passed ],
                [ %loop.to, %loop ], [ %body, %again ], [ %pc.1, %leave.loop ]
  %word = mul i64 %pc, $INSTRUCTION_WORDS
  %instruction = getelementptr i64, ptr %instructions, i64 %word
  %code = load i64, ptr %instruction
  %pc.1 = add i64 %pc, 1
  switch i64 %code, label %halt [
    i64 $CODE_LAUNCH, label %launch
    i64 $CODE_WIDE, label %launch
    i64 $CODE_GUARD, label %guard
    i64 $CODE_LOOP, label %loop
    i64 $CODE_REPEAT, label %repeat
  ]

launch:
  %group.next.p = getelementptr i64, ptr %instruction, i64 $LAUNCH_NEXT
  %group.next = load i64, ptr %group.next.p
  %total.p = getelementptr i64, ptr %instruction, i64 $LAUNCH_TOTAL
  %total = load i64, ptr %total.p
  %empty = icmp eq i64 %total, 0
  br i1 %empty, label %next, label %publish
publish:
  %grain.p = getelementptr i64, ptr %instruction, i64 $LAUNCH_GRAIN
  %grain = load i64, ptr %grain.p
  %b.first = getelementptr i64, ptr %board, i64 $BOARD_FIRST
  store atomic i64 %pc, ptr %b.first monotonic, align 8
  %b.total = getelementptr i64, ptr %board, i64 $BOARD_TOTAL
  store atomic i64 %total, ptr %b.total monotonic, align 8
  %b.grain = getelementptr i64, ptr %board, i64 $BOARD_GRAIN
  store atomic i64 %grain, ptr %b.grain monotonic, align 8
  %b.done = getelementptr i64, ptr %board, i64 $BOARD_DONE
  store atomic i64 0, ptr %b.done monotonic, align 8
  call void @deal(ptr %board, i1 false)
  %clock.p = getelementptr i64, ptr %program, i64 $PROGRAM_CLOCK
  %clock = load ptr, ptr %clock.p
  %timed = icmp ne ptr %clock, null
  br i1 %timed, label %begun, label %ready
begun:
  %began = call i64 @chainrule_ticks()
  %began.p = getelementptr i64, ptr %program, i64 $PROGRAM_BEGAN
  store i64 %began, ptr %began.p
  br label %ready
ready:
  call void @close(ptr %board)
  ret void

guard:
  %args.p = getelementptr i64, ptr %program, i64 $PROGRAM_ARGS
  %args = load ptr, ptr %args.p
  %slot.p = getelementptr i64, ptr %instruction, i64 $GUARD_SLOT
  %slot = load i64, ptr %slot.p
  %flag.pp = getelementptr i64, ptr %args, i64 %slot
  %flag.p = load ptr, ptr %flag.pp
  %flag = load i64, ptr %flag.p
  %good = icmp eq i64 %flag, 0
  br i1 %good, label %passed, label %end
passed:
  %committed = getelementptr i64, ptr %board, i64 $BOARD_COMMITTED
  store atomic i64 1, ptr %committed monotonic, align 8
  br label %next

loop:
  %loop.number.p = getelementptr i64, ptr %instruction, i64 $LOOP_NUMBER
  %loop.number = load i64, ptr %loop.number.p
  %loop.counter = getelementptr i64, ptr %trips, i64 %loop.number
  store i64 0, ptr %loop.counter
  %loop.trips.p = getelementptr i64, ptr %instruction, i64 $LOOP_TRIPS
  %loop.trips = load i64, ptr %loop.trips.p
  %loop.after.p = getelementptr i64, ptr %instruction, i64 $LOOP_TARGET
  %loop.after = load i64, ptr %loop.after.p
  %any = icmp sgt i64 %loop.trips, 0
  %loop.to = select i1 %any, i64 %pc.1, i64 %loop.after
  br label %next

repeat:
  %number.p = getelementptr i64, ptr %instruction, i64 $LOOP_NUMBER
  %number = load i64, ptr %number.p
  %counter = getelementptr i64, ptr %trips, i64 %number
  %past = load i64, ptr %counter
  %finished = add i64 %past, 1
  store i64 %finished, ptr %counter
  %limit.p = getelementptr i64, ptr %instruction, i64 $LOOP_TRIPS
  %limit = load i64, ptr %limit.p
  %body.p = getelementptr i64, ptr %instruction, i64 $LOOP_TARGET
  %body = load i64, ptr %body.p
  %more = icmp slt i64 %finished, %limit
  br i1 %more, label %again, label %leave.loop
again:
  call void @shift(ptr %program, ptr %instruction, i64 1)
  br label %next
leave.loop:
  %back = sub i64 0, %past
  call void @shift(ptr %program, ptr %instruction, i64 %back)
  br label %next

halt:
  %completed.p = getelementptr i64, ptr %program, i64 $PROGRAM_COMPLETED
  %completed = load i64, ptr %completed.p
  %completed.1 = add i64 %completed, 1
  store i64 %completed.1, ptr %completed.p
  br label %end
end:
  %result = phi i64 [ $STATUS_GUARD, %guard ], [ $STATUS_OK, %halt ]
  %status.p = getelementptr i64, ptr %board, i64 $BOARD_STATUS
  store atomic i64 %result, ptr %status.p release, align 8
  call void @close(ptr %board)
  ret void
}

; Run tasks [task, end) of the group that starts at instruction `first`.
define internal void @tasks(ptr %program, i64 %first, i64 %task, i64 %end, i64 %me) nounwind {
begin:
  %instructions.p = getelementptr i64, ptr %program, i64 $PROGRAM_INSTRUCTIONS
  %instructions = load ptr, ptr %instructions.p
  %args.p = getelementptr i64, ptr %program, i64 $PROGRAM_ARGS
  %args = load ptr, ptr %args.p
  %scratch.p = getelementptr i64, ptr %program, i64 $PROGRAM_SCRATCH
  %scratches = load ptr, ptr %scratch.p
  %stride.p = getelementptr i64, ptr %program, i64 $PROGRAM_STRIDE
  %stride = load i64, ptr %stride.p
  %offset = mul i64 %stride, %me
  %scratch = getelementptr i8, ptr %scratches, i64 %offset
  br label %find
find:
  %pc = phi i64 [ %first, %begin ], [ %pc.1, %skip ], [ %pc, %call ]
  %at = phi i64 [ %task, %begin ], [ %at, %skip ], [ %until, %call ]
  %going = icmp ult i64 %at, %end
  br i1 %going, label %look, label %done
look:
  %word = mul i64 %pc, $INSTRUCTION_WORDS
  %instruction = getelementptr i64, ptr %instructions, i64 %word
  %start.p = getelementptr i64, ptr %instruction, i64 $LAUNCH_START
  %start = load i64, ptr %start.p
  %count.p = getelementptr i64, ptr %instruction, i64 $LAUNCH_TASKS
  %count = load i64, ptr %count.p
  %stop = add i64 %start, %count
  %inside = icmp ult i64 %at, %stop
  br i1 %inside, label %call, label %skip
skip:
  %pc.1 = add i64 %pc, 1
  br label %find
call:
  %short = icmp ult i64 %stop, %end
  %until = select i1 %short, i64 %stop, i64 %end
  %from = sub i64 %at, %start
  %to = sub i64 %until, %start
  %kernel.p = getelementptr i64, ptr %instruction, i64 $LAUNCH_ADDRESS
  %kernel = load ptr, ptr %kernel.p
  %slot.p = getelementptr i64, ptr %instruction, i64 $LAUNCH_SLOT
  %slot = load i64, ptr %slot.p
  %own = getelementptr i64, ptr %args, i64 %slot
  %code = load i64, ptr %instruction
  %is.wide = icmp eq i64 %code, $CODE_WIDE
  %which = zext i1 %is.wide to i64
  %modes.p = getelementptr i64, ptr %program, i64 $PROGRAM_DENORMALS
  %modes = load ptr, ptr %modes.p
  %flush.p = getelementptr i64, ptr %modes, i64 %which
  %flush = load i64, ptr %flush.p
  %mode = call i64 @denormals(i64 %flush)
  call void %kernel(ptr %own, i64 %from, i64 %to, ptr %scratch)
  call void @restore_denormals(i64 %mode)
  br label %find
done:
  ret void
}

; Whether to claim nothing more. The owner (thread 0) watches the clock for all.
define internal i1 @pausing(ptr %board, i64 %me) nounwind {
begin:
  %pause.p = getelementptr i64, ptr %board, i64 $BOARD_PAUSE
  %owner = icmp eq i64 %me, 0
  br i1 %owner, label %clock, label %flag
clock:
  %now = call i64 @chainrule_ticks()
  %deadline.p = getelementptr i64, ptr %board, i64 $BOARD_DEADLINE
  %deadline = load i64, ptr %deadline.p
  %late = icmp ugt i64 %now, %deadline
  %committed.p = getelementptr i64, ptr %board, i64 $BOARD_COMMITTED
  %committed = load atomic i64, ptr %committed.p monotonic, align 8
  %open = icmp eq i64 %committed, 0
  %must = and i1 %late, %open
  br i1 %must, label %set, label %flag
set:
  %ignored = atomicrmw xchg ptr %pause.p, i64 1 seq_cst, align 8
  ret i1 true
flag:
  %pause = load atomic i64, ptr %pause.p monotonic, align 8
  %asked = icmp ne i64 %pause, 0
  ret i1 %asked
}

; Take part in the group of this generation as long as there are tasks to claim; if this thread
; completes the group, go on to the next one.
define internal void @work(ptr %board, i64 %me, i64 %generation) nounwind {
enter:
  %busy = call ptr @thread(ptr %board, i64 %me, i64 $THREAD_BUSY)
  %ignored = atomicrmw xchg ptr %busy, i64 1 seq_cst, align 8
  %pause.p = getelementptr i64, ptr %board, i64 $BOARD_PAUSE
  %pause = load atomic i64, ptr %pause.p seq_cst, align 8
  %sections.p = getelementptr i64, ptr %board, i64 $BOARD_SECTIONS
  %sections = load atomic i64, ptr %sections.p monotonic, align 8
  %program.p = getelementptr i64, ptr %board, i64 $BOARD_PROGRAM
  %program = load atomic ptr, ptr %program.p monotonic, align 8
  %first.p = getelementptr i64, ptr %board, i64 $BOARD_FIRST
  %first = load atomic i64, ptr %first.p monotonic, align 8
  %total.p = getelementptr i64, ptr %board, i64 $BOARD_TOTAL
  %total = load atomic i64, ptr %total.p monotonic, align 8
  %grain.p = getelementptr i64, ptr %board, i64 $BOARD_GRAIN
  %grain = load atomic i64, ptr %grain.p monotonic, align 8
  fence acquire
  %generation.p = getelementptr i64, ptr %board, i64 $BOARD_GENERATION
  %still = load atomic i64, ptr %generation.p seq_cst, align 8
  %same = icmp eq i64 %still, %generation
  %member = icmp ult i64 %me, %sections
  %free = icmp eq i64 %pause, 0
  %valid = and i1 %same, %member
  %join = and i1 %valid, %free
  %tag = shl i64 %generation, 32
  br i1 %join, label %section, label %leave

section:
  %k = phi i64 [ 0, %enter ], [ %k.1, %exhausted ]
  %done.before = phi i64 [ 0, %enter ], [ %done, %exhausted ]
  %sum = add i64 %me, %k
  %around = icmp uge i64 %sum, %sections
  %wrapped = sub i64 %sum, %sections
  %s = select i1 %around, i64 %wrapped, i64 %sum
  %s.1 = add i64 %s, 1
  %stop = call i64 @section(i64 %total, i64 %s.1, i64 %sections)
  %claim = call ptr @thread(ptr %board, i64 %s, i64 $THREAD_CLAIM)
  br label %claiming
claiming:
  %done = phi i64 [ %done.before, %section ], [ %done, %take ], [ %done.more, %won ]
  %word = load atomic i64, ptr %claim acquire, align 8
  %word.tag = and i64 %word, -4294967296
  %current = icmp eq i64 %word.tag, %tag
  br i1 %current, label %look, label %finish
look:
  %task = and i64 %word, 4294967295
  %left = icmp ult i64 %task, %stop
  br i1 %left, label %check, label %exhausted
check:
  %asked = call i1 @pausing(ptr %board, i64 %me)
  br i1 %asked, label %finish, label %take
take:
  %word.next = add i64 %word, %grain
  %pair = cmpxchg ptr %claim, i64 %word, i64 %word.next acq_rel monotonic, align 8
  %mine = extractvalue { i64, i1 } %pair, 1
  br i1 %mine, label %won, label %claiming
won:
  %far = add i64 %task, %grain
  %cut = icmp ugt i64 %far, %stop
  %end = select i1 %cut, i64 %stop, i64 %far
  call void @tasks(ptr %program, i64 %first, i64 %task, i64 %end, i64 %me)
  %count = sub i64 %end, %task
  %done.more = add i64 %done, %count
  br label %claiming
exhausted:
  %k.1 = add i64 %k, 1
  %others = icmp ult i64 %k.1, %sections
  br i1 %others, label %section, label %finish

finish:
  %share = phi i64 [ %done, %claiming ], [ %done, %check ], [ %done, %exhausted ]
  %nothing = icmp eq i64 %share, 0
  br i1 %nothing, label %leave, label %report
report:
  %done.p = getelementptr i64, ptr %board, i64 $BOARD_DONE
  %reported = atomicrmw add ptr %done.p, i64 %share acq_rel, align 8
  %now.done = add i64 %reported, %share
  %complete = icmp eq i64 %now.done, %total
  br i1 %complete, label %last, label %leave
last:
  call void @open(ptr %board)
  %clock.p = getelementptr i64, ptr %program, i64 $PROGRAM_CLOCK
  %clock = load ptr, ptr %clock.p
  %timed = icmp ne ptr %clock, null
  br i1 %timed, label %ended, label %onward
ended:
  %began.p = getelementptr i64, ptr %program, i64 $PROGRAM_BEGAN
  %began = load i64, ptr %began.p
  %ended.at = call i64 @chainrule_ticks()
  %taken = sub i64 %ended.at, %began
  %spent.p = getelementptr i64, ptr %clock, i64 %first
  %spent = load i64, ptr %spent.p
  %spent.now = add i64 %spent, %taken
  store i64 %spent.now, ptr %spent.p
  br label %onward
onward:
  %instructions.p = getelementptr i64, ptr %program, i64 $PROGRAM_INSTRUCTIONS
  %instructions = load ptr, ptr %instructions.p
  %instruction.at = mul i64 %first, $INSTRUCTION_WORDS
  %next.at = add i64 %instruction.at, $LAUNCH_NEXT
  %next.p = getelementptr i64, ptr %instructions, i64 %next.at
  %next = load i64, ptr %next.p
  call void @advance(ptr %board, i64 %next)
  br label %leave
leave:
  store atomic i64 0, ptr %busy release, align 8
  ret void
}

; Wait until no other thread holds tasks or looks at the program.
define internal void @quiesce(ptr %board) nounwind {
begin:
  fence seq_cst
  %since = call i64 @chainrule_ticks()
  %sections.p = getelementptr i64, ptr %board, i64 $BOARD_SECTIONS
  %sections = load atomic i64, ptr %sections.p monotonic, align 8
  br label %next
next:
  %i = phi i64 [ 1, %begin ], [ %i.1, %pass ]
  %more = icmp ult i64 %i, %sections
  br i1 %more, label %look, label %done
look:
  %busy = call ptr @thread(ptr %board, i64 %i, i64 $THREAD_BUSY)
  br label %again
again:
  %state = load atomic i64, ptr %busy seq_cst, align 8
  %free = icmp eq i64 %state, 0
  br i1 %free, label %pass, label %hold
hold:
  call void @wait(ptr %board, i64 %since)
  br label %again
pass:
  %i.1 = add i64 %i, 1
  br label %next
done:
  ret void
}

; Wake the sleeping threads 1 … count - 1. What was written before, they see.
define internal void @wake(ptr %board, i64 %count) nounwind {
begin:
  fence seq_cst
  %release.p = getelementptr i64, ptr %board, i64 $BOARD_RELEASE
  %release = load ptr, ptr %release.p
  br label %next
next:
  %i = phi i64 [ 1, %begin ], [ %i.1, %pass ], [ %i.1, %rouse ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %look, label %done
look:
  %i.1 = add i64 %i, 1
  %asleep = call ptr @thread(ptr %board, i64 %i, i64 $THREAD_ASLEEP)
  %state = load atomic i64, ptr %asleep seq_cst, align 8
  %awake = icmp eq i64 %state, 0
  br i1 %awake, label %pass, label %claim
claim:
  %pair = cmpxchg ptr %asleep, i64 1, i64 0 seq_cst seq_cst, align 8
  %mine = extractvalue { i64, i1 } %pair, 1
  br i1 %mine, label %rouse, label %pass
rouse:
  %lock.p = call ptr @thread(ptr %board, i64 %i, i64 $THREAD_LOCK)
  %lock = load ptr, ptr %lock.p
  call void %release(ptr %lock)
  br label %next
pass:
  br label %next
done:
  ret void
}

; Run a program from its first instruction, or (`resume`) from where it paused. Returns a Status.
define i64 @chainrule_run(ptr %board, ptr %program, i64 %sections, i64 %resume) nounwind {
enter:
  %now = call i64 @chainrule_ticks()
  %slice.p = getelementptr i64, ptr %program, i64 $PROGRAM_SLICE
  %slice = load i64, ptr %slice.p
  %deadline = add i64 %now, %slice
  %deadline.p = getelementptr i64, ptr %board, i64 $BOARD_DEADLINE
  store i64 %deadline, ptr %deadline.p
  %pause.p = getelementptr i64, ptr %board, i64 $BOARD_PAUSE
  %status.p = getelementptr i64, ptr %board, i64 $BOARD_STATUS
  %committed.p = getelementptr i64, ptr %board, i64 $BOARD_COMMITTED
  call void @open(ptr %board)
  store atomic i64 0, ptr %pause.p monotonic, align 8
  store atomic i64 $STATUS_RUNNING, ptr %status.p monotonic, align 8
  %again = icmp ne i64 %resume, 0
  br i1 %again, label %resumed, label %fresh
resumed:
  call void @deal(ptr %board, i1 true)
  call void @close(ptr %board)
  br label %start
fresh:
  %source.p = getelementptr i64, ptr %program, i64 $PROGRAM_SOURCE
  %source = load ptr, ptr %source.p
  %args.p = getelementptr i64, ptr %program, i64 $PROGRAM_ARGS
  %args = load ptr, ptr %args.p
  %slots.p = getelementptr i64, ptr %program, i64 $PROGRAM_SLOTS
  %slots = load i64, ptr %slots.p
  %bytes = shl i64 %slots, 3
  call void @llvm.memcpy.p0.p0.i64(ptr %args, ptr %source, i64 %bytes, i1 false)
  %program.p = getelementptr i64, ptr %board, i64 $BOARD_PROGRAM
  store atomic ptr %program, ptr %program.p monotonic, align 8
  %sections.p = getelementptr i64, ptr %board, i64 $BOARD_SECTIONS
  store atomic i64 %sections, ptr %sections.p monotonic, align 8
  store atomic i64 0, ptr %committed.p monotonic, align 8
  call void @advance(ptr %board, i64 0)
  br label %start
start:
  call void @wake(ptr %board, i64 %sections)
  br label %turn

turn:
  %seen = phi i64 [ 0, %start ], [ %generation, %join ], [ %seen, %idle ], [ %seen, %commit ]
  %since = phi i64 [ %now, %start ], [ %joined, %join ], [ %since, %idle ], [ %since, %commit ]
  %generation.p = getelementptr i64, ptr %board, i64 $BOARD_GENERATION
  %generation = load atomic i64, ptr %generation.p acquire, align 8
  %low = and i64 %generation, 1
  %even = icmp eq i64 %low, 0
  %new = icmp ne i64 %generation, %seen
  %ready = and i1 %even, %new
  br i1 %ready, label %join, label %rest
join:
  call void @work(ptr %board, i64 0, i64 %generation)
  %joined = call i64 @chainrule_ticks()
  br label %turn
rest:
  %status = load atomic i64, ptr %status.p acquire, align 8
  %running = icmp eq i64 %status, $STATUS_RUNNING
  br i1 %running, label %watch, label %finish
watch:
  %asked = call i1 @pausing(ptr %board, i64 0)
  br i1 %asked, label %pause, label %idle
idle:
  call void @wait(ptr %board, i64 %since)
  br label %turn

pause:
  call void @quiesce(ptr %board)
  %status.now = load atomic i64, ptr %status.p acquire, align 8
  %unfinished = icmp eq i64 %status.now, $STATUS_RUNNING
  br i1 %unfinished, label %hold, label %finish
hold:
  call void @open(ptr %board)
  %committed = load atomic i64, ptr %committed.p monotonic, align 8
  %free = icmp eq i64 %committed, 0
  br i1 %free, label %return, label %commit
commit:  ; the guard was passed while the pause began: go on
  store atomic i64 0, ptr %pause.p monotonic, align 8
  call void @deal(ptr %board, i1 true)
  call void @close(ptr %board)
  br label %turn
return:  ; the new generation leaves all claim words out of date: nobody can claim
  store atomic i64 $STATUS_PAUSED, ptr %status.p monotonic, align 8
  call void @close(ptr %board)
  br label %finish

finish:
  call void @quiesce(ptr %board)
  %result = load atomic i64, ptr %status.p monotonic, align 8
  ret i64 %result
}

; A worker's life: join in programs as thread `me`; without one, wait a moment, then sleep.
define void @chainrule_serve(ptr %board, i64 %me) nounwind {
enter:
  %start = call i64 @chainrule_ticks()
  %asleep = call ptr @thread(ptr %board, i64 %me, i64 $THREAD_ASLEEP)
  %lock.p = call ptr @thread(ptr %board, i64 %me, i64 $THREAD_LOCK)
  %generation.p = getelementptr i64, ptr %board, i64 $BOARD_GENERATION
  %status.p = getelementptr i64, ptr %board, i64 $BOARD_STATUS
  %sections.p = getelementptr i64, ptr %board, i64 $BOARD_SECTIONS
  %window.p = getelementptr i64, ptr %board, i64 $BOARD_WINDOW
  %quit.p = getelementptr i64, ptr %board, i64 $BOARD_QUIT
  %acquire.p = getelementptr i64, ptr %board, i64 $BOARD_ACQUIRE
  br label %turn

turn:  ; `since`: end of the last work; `idle`: when a program of ours was last seen running
  %seen = phi i64 [ 0, %enter ], [ %generation, %join ], [ %seen, %inside ], [ %seen, %spin ],
                  [ %seen, %awake ]
  %since = phi i64 [ %start, %enter ], [ %joined, %join ], [ %since, %inside ], [ %since, %spin ],
                   [ %woken, %awake ]
  %idle = phi i64 [ %start, %enter ], [ %joined, %join ], [ %looked, %inside ], [ %idle, %spin ],
                  [ %woken, %awake ]
  %generation = load atomic i64, ptr %generation.p seq_cst, align 8
  %status = load atomic i64, ptr %status.p seq_cst, align 8
  %sections = load atomic i64, ptr %sections.p monotonic, align 8
  %low = and i64 %generation, 1
  %even = icmp eq i64 %low, 0
  %new = icmp ne i64 %generation, %seen
  %running = icmp eq i64 %status, $STATUS_RUNNING
  %member = icmp ult i64 %me, %sections
  %ours = and i1 %running, %member
  %fresh = and i1 %even, %new
  %ready = and i1 %ours, %fresh
  br i1 %ready, label %join, label %rest
join:
  call void @work(ptr %board, i64 %me, i64 %generation)
  %joined = call i64 @chainrule_ticks()
  br label %turn
rest:
  br i1 %ours, label %inside, label %outside
inside:
  call void @wait(ptr %board, i64 %since)
  %looked = call i64 @chainrule_ticks()
  br label %turn
outside:
  %quit = load atomic i64, ptr %quit.p seq_cst, align 8
  %over = icmp ne i64 %quit, 0
  br i1 %over, label %leave, label %stay
stay:
  %now = call i64 @chainrule_ticks()
  %waited = sub i64 %now, %idle
  %window = load i64, ptr %window.p
  %long = icmp ugt i64 %waited, %window
  br i1 %long, label %doze, label %spin
spin:
  call void @relax()
  br label %turn

doze:  ; say so first, look once more, then sleep: whoever publishes later will wake us
  %ignored = atomicrmw xchg ptr %asleep, i64 1 seq_cst, align 8
  %generation.2 = load atomic i64, ptr %generation.p seq_cst, align 8
  %status.2 = load atomic i64, ptr %status.p seq_cst, align 8
  %sections.2 = load atomic i64, ptr %sections.p seq_cst, align 8
  %quit.2 = load atomic i64, ptr %quit.p seq_cst, align 8
  %low.2 = and i64 %generation.2, 1
  %changing = icmp ne i64 %low.2, 0
  %new.2 = icmp ne i64 %generation.2, %seen
  %running.2 = icmp eq i64 %status.2, $STATUS_RUNNING
  %member.2 = icmp ult i64 %me, %sections.2
  %ours.2 = and i1 %running.2, %member.2
  %wanted = and i1 %ours.2, %new.2
  %over.2 = icmp ne i64 %quit.2, 0
  %called = or i1 %wanted, %over.2
  %stirred = or i1 %called, %changing
  br i1 %stirred, label %rise, label %sleep
rise:
  %pair = cmpxchg ptr %asleep, i64 1, i64 0 seq_cst seq_cst, align 8
  %alone = extractvalue { i64, i1 } %pair, 1
  br i1 %alone, label %awake, label %sleep  ; somebody is waking us: take the lock they release
sleep:
  %acquire = load ptr, ptr %acquire.p
  %lock = load ptr, ptr %lock.p
  %taken = call i32 %acquire(ptr %lock, i32 1)
  br label %awake
awake:
  %woken = call i64 @chainrule_ticks()
  br label %turn
leave:
  ret void
}

; Tell the workers below `count` to return from @chainrule_serve.
define void @chainrule_dismiss(ptr %board, i64 %count) nounwind {
  %quit.p = getelementptr i64, ptr %board, i64 $BOARD_QUIT
  store atomic i64 1, ptr %quit.p seq_cst, align 8
  call void @wake(ptr %board, i64 %count)
  ret void
}

; From now on this thread takes denormal numbers for zero, or does not.
define void @chainrule_denormals(i64 %flush) nounwind {
  %ignored = call i64 @denormals(i64 %flush)
  ret void
}
