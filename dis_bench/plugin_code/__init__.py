"""The code behind a plug-in: user modules are hashed, unfollowable code is named.

Import statements are read from the source, wherever they occur, and followed file by file. Nothing is
executed.

- Followed: the user's own modules, beside a plug-in file, on ``sys.path`` or in an editable install.
- Not followed: the standard library, dis-bench itself (``RECIPE`` covers it) and installed packages; the
  versions of the packages that the code imports directly are listed.
- Named: imports by computed names, compiled extensions, and calls that read files.
"""

from dis_bench.plugin_code.code import Code
from dis_bench.plugin_code.reading import read_file, read_module

__all__ = ["Code", "read_file", "read_module"]
