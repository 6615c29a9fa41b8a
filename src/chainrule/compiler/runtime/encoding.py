"""The encoding of plans: the memory that Python and the native interpreter share, word by word.

All words are int64. `interpreter.ll` names a word `$BOARD_DONE`, `$PROGRAM_ARGS`, `$LAUNCH_TASKS`,
…: the names of these enumerations. Imports nothing. Example: `board[Board.STATUS]`.

- *board*: what threads share while a program runs. It outlives every program, so that a late
  worker may look at it at any time.
- *program*: where one program's tables lie.
- *instruction*: what to do next, eight words; the first is its `Code`.
"""

from __future__ import annotations

from enum import IntEnum

LINE = 8  # words in a cache line
INSTRUCTION_WORDS = 8
BOARD_WORDS = 4 * LINE  # before the threads' words
THREAD_WORDS = 2 * LINE


class Status(IntEnum):
    """The end of a call of the native interpreter: `ok`, stopped by its `guard`, or `paused`."""

    ok = 0
    guard = 1
    paused = 2
    running = 3


class Code(IntEnum):
    """The kinds of instruction."""

    LAUNCH = 0
    GUARD = 1
    LOOP = 2
    REPEAT = 3
    HALT = 4
    WIDE = 5  # a launch whose results are float64


class Board(IntEnum):
    """Words of the board; those of thread i follow at `BOARD_WORDS + i * THREAD_WORDS`."""

    # First line: what a thread reads to join a group of launches.
    GENERATION = 0  # even: the group's number; odd: the group is being changed
    PAUSE = 1  # 1: claim nothing more, the owner wants to return to Python
    STATUS = 2
    SECTIONS = 3  # threads of this program
    PROGRAM = 4
    FIRST = 5  # instruction of the group's first launch
    TOTAL = 6  # the group's tasks
    GRAIN = 7  # tasks claimed at a time
    # Second line: written by every thread that did a part.
    DONE = 8  # the group's finished tasks
    # Third line: what changes rarely.
    COMMITTED = 16  # 1 after the guard: no more pauses
    DEADLINE = 17  # tick at which to pause
    QUIT = 18  # 1: workers return
    SPIN = 19  # ticks a thread spins before it yields its core
    WINDOW = 20  # ticks a worker waits for the next program before it sleeps
    ACQUIRE = 21  # Python's functions for plain locks, which work without the interpreter lock
    RELEASE = 22


class Thread(IntEnum):
    """Words of one thread on the board: a line for its section, a line about itself."""

    CLAIM = 0  # low 32 bits of the generation << 32 | next unclaimed task of its section
    BUSY = 8  # 1 while it may hold tasks or look at the program
    ASLEEP = 9
    LOCK = 10  # what it sleeps on


class Program(IntEnum):
    """Words of a program's header; all but counts and times are addresses of its tables."""

    SOURCE = 0  # argument slots as the caller sees them
    ARGS = 1  # the copy that kernels read and loops advance
    SLOTS = 2  # how many
    INSTRUCTIONS = 3
    ADVANCES = 4  # pairs (slot, delta)
    TRIPS = 5  # finished trips of each loop
    SCRATCH = 6
    STRIDE = 7  # bytes of scratch per thread
    SLICE = 8  # ticks between pauses
    COMPLETED = 9  # runs that ended ok
    DENORMALS = 10  # two words: whether launches, and those that are wide, take them for zero
    CLOCK = 11  # a word for each instruction, which collects a group's ticks at its first; or 0
    BEGAN = 12  # tick at which the present group began


class Launch(IntEnum):
    """Words of a launch; the last three count for the first launch of a group."""

    CODE = 0
    ADDRESS = 1
    SLOT = 2  # first argument slot
    TASKS = 3
    START = 4  # number of its first task in the group
    TOTAL = 5
    GRAIN = 6
    NEXT = 7  # instruction after the group


class Guard(IntEnum):
    """Words of a guard."""

    CODE = 0
    SLOT = 1  # holds the address of the flag


class Loop(IntEnum):
    """Words of a loop's begin (`LOOP`) and end (`REPEAT`)."""

    CODE = 0
    TRIPS = 1
    NUMBER = 2  # which counter
    TARGET = 3  # LOOP: instruction after the loop; REPEAT: first instruction of the body
    ADVANCES = 4  # first pair
    COUNT = 5  # pairs


def names() -> dict[str, int]:
    """`BOARD_DONE` → 8, …: what stands for `$BOARD_DONE` in the interpreter's text."""
    kinds = (Status, Code, Board, Thread, Program, Launch, Guard, Loop)
    table = {
        f"{kind.__name__.upper()}_{word.name.upper()}": int(word) for kind in kinds for word in kind
    }
    return table | {
        "INSTRUCTION_WORDS": INSTRUCTION_WORDS,
        "BOARD_WORDS": BOARD_WORDS,
        "THREAD_WORDS": THREAD_WORDS,
    }
