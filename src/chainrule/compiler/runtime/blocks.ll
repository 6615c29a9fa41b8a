; Blocks of rows [first, last), each through all trips of a loop: see blocks.py.
;
; The table: words of slots, bytes of their copy, trips, counts of launches, spreads and advances;
; then (kernel, slot, tasks) for each launch and (slot, bytes) for each spread and advance.

declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

; slot += bytes * times for each pair.
define internal void @move(ptr %slots, ptr %pairs, i64 %count, i64 %times) nounwind {
begin:
  br label %check
check:
  %i = phi i64 [ 0, %begin ], [ %i.next, %each ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %each, label %done
each:
  %word = shl i64 %i, 1
  %slot.p = getelementptr i64, ptr %pairs, i64 %word
  %slot = load i64, ptr %slot.p
  %bytes.p = getelementptr i64, ptr %slot.p, i64 1
  %bytes = load i64, ptr %bytes.p
  %step = mul i64 %bytes, %times
  %arg.p = getelementptr i64, ptr %slots, i64 %slot
  %arg = load i64, ptr %arg.p
  %moved = add i64 %arg, %step
  store i64 %moved, ptr %arg.p
  %i.next = add i64 %i, 1
  br label %check
done:
  ret void
}

define void @chainrule_blocks(ptr %args, i64 %first, i64 %last, ptr %scratch) nounwind {
begin:
  %table = load ptr, ptr %args
  %given = getelementptr i64, ptr %args, i64 1
  %words = load i64, ptr %table
  %size = shl i64 %words, 3
  %own.p = getelementptr i64, ptr %table, i64 1
  %own = load i64, ptr %own.p
  %rest = getelementptr i8, ptr %scratch, i64 %own
  %trips.p = getelementptr i64, ptr %table, i64 2
  %trips = load i64, ptr %trips.p
  %launches.p = getelementptr i64, ptr %table, i64 3
  %launches = load i64, ptr %launches.p
  %spreads.p = getelementptr i64, ptr %table, i64 4
  %spreads = load i64, ptr %spreads.p
  %advances.p = getelementptr i64, ptr %table, i64 5
  %advances = load i64, ptr %advances.p
  %launch.0 = getelementptr i64, ptr %table, i64 6
  %launch.words = mul i64 %launches, 3
  %spread.0 = getelementptr i64, ptr %launch.0, i64 %launch.words
  %spread.words = shl i64 %spreads, 1
  %advance.0 = getelementptr i64, ptr %spread.0, i64 %spread.words
  br label %block
block:
  %b = phi i64 [ %first, %begin ], [ %b.next, %end ]
  %left = icmp ult i64 %b, %last
  br i1 %left, label %start, label %done
start:
  call void @llvm.memcpy.p0.p0.i64(ptr %scratch, ptr %given, i64 %size, i1 false)
  call void @move(ptr %scratch, ptr %spread.0, i64 %spreads, i64 %b)
  br label %trip
trip:
  %t = phi i64 [ 0, %start ], [ %t.next, %moved ]
  %going = icmp slt i64 %t, %trips
  br i1 %going, label %run, label %end
run:
  %n = phi i64 [ 0, %trip ], [ %n.next, %call ]
  %some = icmp ult i64 %n, %launches
  br i1 %some, label %call, label %moved
call:
  %at = mul i64 %n, 3
  %launch = getelementptr i64, ptr %launch.0, i64 %at
  %kernel = load ptr, ptr %launch
  %slot.p = getelementptr i64, ptr %launch, i64 1
  %slot = load i64, ptr %slot.p
  %tasks.p = getelementptr i64, ptr %launch, i64 2
  %tasks = load i64, ptr %tasks.p
  %slots = getelementptr i64, ptr %scratch, i64 %slot
  call void %kernel(ptr %slots, i64 0, i64 %tasks, ptr %rest)
  %n.next = add i64 %n, 1
  br label %run
moved:
  call void @move(ptr %scratch, ptr %advance.0, i64 %advances, i64 1)
  %t.next = add i64 %t, 1
  br label %trip
end:
  %b.next = add i64 %b, 1
  br label %block
done:
  ret void
}
