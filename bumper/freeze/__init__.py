"""Freeze windows: times in which sites are left alone, kept in one file of the platform repository.

`file` reads it, `windows` says what it closes, `times` when, `schema` what may stand there.
"""
