"""Errors, files, command lines and cores, for all rooms. No torch at import."""

from labkit.base.arguments import LabParser, number, text
from labkit.base.cores import (
    available_cores,
    choose_waiting,
    cores_of_process,
    local_rank,
    map_in_threads,
)
from labkit.base.desk import PARTS, Lab
from labkit.base.errors import (
    EXERCISE_ID,
    INTERRUPTED,
    USAGE,
    LabError,
    as_lab_error,
    run_program,
    show_error,
    unwritten_exercise,
)
from labkit.base.files import (
    MISSING,
    atomic,
    stamp_of,
    uninterrupted,
    write_atomically,
    write_zip,
)
from labkit.base.paths import (
    DEBUG_PREFIX,
    EMBEDDED_CORPORA,
    LANGUAGE_MODELS,
    PRETRAINED,
    ROOT,
)
from labkit.base.seeds import draw_seed
from labkit.base.terminal import deepcs_module, progress, silent_stderr
from labkit.base.tsv import Table, read_table

KIT_VERSION = "1.0.0"  # written into every checkpoint and summary
