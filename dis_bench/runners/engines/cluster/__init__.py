"""The engine ``ray``: cells run as tasks on the nodes of a Ray cluster.

The machine that was given the command is the *driver*. It joins the cluster (:mod:`.joining`, and
:mod:`.connection`, through which all later calls of Ray go), packs the study with the user's plug-ins into a
:mod:`.parcel`, and asks all :mod:`.nodes` to unpack it: one that cannot is refused before anything starts.
The :mod:`.engine` then sends an :mod:`.errand` for each cell, or each stack of cells. A :mod:`.task` does it
on a node, and reports through a :mod:`.mailbox` on the driver's machine.

A node that sees the result folder works in it like a worker of the driver's machine. If one does not, tasks
work in :mod:`.scratch` folders of their nodes, and the driver's :mod:`.carrier` claims the cells, sends the
files that a task needs, and puts down those that it made.

Either way, the engine finds out what died, and starts its cells again from their last checkpoints.
"""
