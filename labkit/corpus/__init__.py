"""A release of Common Voice on disk: its tables, its clips and their errors."""

from labkit.corpus.commonvoice import (
    CommonVoice,
    DatasetFilter,
    default_location,
    newest_version,
    repeated_clips,
)
