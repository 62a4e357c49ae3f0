"""Records: the files that a study keeps, each format written and read in one module.

The content of a result folder, and the module that writes and reads it::

    cells/NAME/record.json          record.py     settings, scores, versions, times of a cell
               codes.npz            codes.py      the representation that was scored
               training.csv         curves.py     the losses through training
               pictures.npz         pictures.py   reconstructions and traversals
               weights.safetensors  weights.py    the trained networks
    anchors/KEY.json                anchors.py    scores of a perfect code and of noise
    unfinished/, superseded/        store.py      cells in progress, and cells that were replaced

``parts.py`` names those files that ``--keep`` chooses.

Their content: ``cell.py`` (a cell and its hash), ``schema.py`` (every key), ``columns.py`` (every column of
a table, by name) and ``table.py`` (records as a table).

How they are verified: ``checks.py`` (the schema), ``seal.py`` (digests), ``arrays.py`` (npz files),
``kept.py`` (files beside a record) and ``unreadable.py`` (warnings about files that fail).

How several processes share a folder: ``claims.py``, ``processes.py``, ``durable.py``, ``writable.py`` and
``sweep.py``.
"""
