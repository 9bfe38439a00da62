"""The version of the kit, written into every checkpoint and summary."""

KIT_VERSION = "1.0.0"
