"""Flashlight's decoder behind the kit's interface."""
