"""Records: the files that a study keeps, each format written and read in one module.

The content of a result folder, and the module that writes and reads it::

    cells/NAME/record.json          record.py      settings, scores, versions, times of a cell
               record.2.json, ...   record.py      the same with scores that were added later
               codes.npz            codes.py       the representation that was scored
               codes.1000.npz, ...  codes.py       that at a step, or of other images (along.py)
               training.csv         curves.py      the losses through training
               pictures.npz         pictures.py    reconstructions and traversals
               weights.safetensors  weights.py     the trained networks
    anchors/KEY.json                anchors.py     scores of a perfect code and of noise
    plans/KEY.json                  plans.py       the cells of a study that was started
    tensorboard/NAME/               events.py      the losses and pictures once more, for TensorBoard
    unfinished/NAME/                claims.py      a cell in progress, and the process that has it
               checkpoint.pt        checkpoint.py  the state from which its training is resumed
    superseded/                     store.py       cells that were replaced

``store.py`` moves cells between these folders. ``exported.py`` has the layout of a cell outside of them, and
``parts.py`` the files that ``--keep`` chooses.

Their content: ``cell.py`` (a cell and its hash), ``schema.py`` (every key), ``columns.py`` (the columns of a
table, by name), ``table.py`` (records as a table) and ``sorting.py`` (a natural order of values).

How they are verified: ``checks/`` (the schema, a file per thing that is kept), ``seal.py`` (digests),
``arrays.py`` (npz files), ``kept.py`` (files beside a record) and ``unreadable.py`` (warnings about files
that fail).

How several processes share a folder: ``claims.py``, ``processes.py`` (their names), ``durable.py`` (whole
files), ``writable.py`` (what a file system must be able to do) and ``sweep.py`` (the remains of killed runs);
``carried.py`` has the files of cells as bytes, for machines that share no folder.

``status.py``, ``merging.py`` and ``pruning.py`` work on a whole folder; ``rebuilding.py`` makes the trained
networks of a cell again.
"""
