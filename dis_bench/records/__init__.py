"""Records: what is kept of a study, each format written and read in one place.

What a result folder holds, and the module that writes and reads it::

    cells/NAME/record.json   record.py     settings, scores, versions, times of a cell
               codes.npz     codes.py      the representation that was scored
               training.csv  curves.py     the losses through training
               pictures.npz  pictures.py   reconstructions and traversals
               weights.pt    weights.py    the trained networks
    anchors/KEY.json         anchors.py    what a perfect code and noise score
    unfinished/, superseded/ store.py      how a cell's folder comes to be, whole or not at all

What is in them: ``cell.py`` (a cell and its hash), ``schema.py`` (every key), ``columns.py`` (every column of
a table, by name) and ``table.py`` (records as a table).

Why they can be trusted: ``checks.py`` (the schema holds), ``seal.py`` (digests), ``arrays.py`` (npz files),
``kept.py`` (files beside a record) and ``unreadable.py`` (what is said of the rest).

How several processes share a folder: ``claims.py``, ``processes.py``, ``durable.py``, ``writable.py`` and
``sweep.py``.
"""
